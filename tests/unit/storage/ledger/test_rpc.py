"""The JSON-RPC client against nodes that lie, babble or flood."""

from __future__ import annotations

import itertools
import json
import socket
import threading
from collections.abc import Callable
from typing import Any

import httpx2
import pytest

from storage.ledger.ethereum.rpc import (
    AnswerTooLargeError,
    JsonRpcProvider,
    RpcRefusedError,
    checked_url,
    is_loopback,
)
from storage.ledger.interface import LedgerError
from storage.patience import Patience
from tests.unit.storage.ledger.node import node, result

CHAIN_ID = "eth_chainId"
HASTE = Patience(sleep=lambda _: None)


def answer(**members: Any) -> Callable[[dict[str, Any]], bytes]:
    return lambda question: json.dumps({"jsonrpc": "2.0", "id": question["id"], **members}).encode()


@pytest.mark.parametrize(
    "hostile",
    [
        answer(id=77, result="0x1"),
        answer(id=None, result="0x1"),
        answer(),
        lambda question: b"",
        lambda question: b"not JSON",
        lambda question: b"[" * 100_000,
        lambda question: b"\xff\xfe\x00",
        lambda question: b"[]",
        lambda question: b"null",
        lambda question: b"17",
        lambda question: b'{"id": 1e400}',
    ],
)
def test_nonsense_is_one_error(hostile: Callable[[dict[str, Any]], bytes]) -> None:
    with node(hostile) as url:
        provider = JsonRpcProvider(url, patience=HASTE)
        with pytest.raises(LedgerError):
            provider.make_request(CHAIN_ID, [])
        provider.close()


@pytest.mark.parametrize("error", [{"code": "x", "message": 3, "data": []}, "no", 7, [], {"message": None}])
def test_a_refusal_of_any_shape_is_a_refusal(error: object) -> None:
    with node(answer(error=error)) as url:
        provider = JsonRpcProvider(url)
        with pytest.raises(RpcRefusedError):
            provider.make_request(CHAIN_ID, [])
        provider.close()


def test_size_before_read() -> None:
    with node(result("0x" + "00" * 100_000)) as url:
        provider = JsonRpcProvider(url, max_answer_bytes=10_000)
        with pytest.raises(AnswerTooLargeError):
            provider.make_request(CHAIN_ID, [])
        assert provider.bytes_sent > 0
        provider.close()


def test_a_node_that_is_away() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    provider = JsonRpcProvider(f"http://127.0.0.1:{port}", timeout_seconds=2, patience=HASTE)
    with pytest.raises(LedgerError):
        provider.make_request(CHAIN_ID, [])
    provider.close()


@pytest.mark.parametrize("read_bytes", [65_536, 1])
def test_a_node_that_hangs_up_is_asked_a_few_times(read_bytes: int) -> None:
    """Politely, or by a reset, which is what a peer gets that has not been read to its end."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(5)
        connections: list[int] = []

        def hang_up() -> None:
            for _ in range(HASTE.attempts):
                peer, _address = server.accept()
                peer.recv(read_bytes)
                connections.append(1)
                peer.close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        provider = JsonRpcProvider(f"http://127.0.0.1:{server.getsockname()[1]}", timeout_seconds=2, patience=HASTE)
        with pytest.raises(LedgerError):
            provider.make_request(CHAIN_ID, [])
        thread.join()
        provider.close()
    assert len(connections) == HASTE.attempts


def _waited(monkeypatch: pytest.MonkeyPatch, method: str) -> list[float]:
    """Seconds for which a node that never answers is listened to, each time that it is asked."""
    waited: list[float] = []

    def never(_: httpx2.Client, request: httpx2.Request, **options: Any) -> httpx2.Response:
        waited.append(request.extensions["timeout"]["read"])
        raise httpx2.ReadTimeout("timed out", request=request)

    monkeypatch.setattr(httpx2.Client, "send", never)
    provider = JsonRpcProvider("http://127.0.0.1:1", timeout_seconds=8)
    with pytest.raises(LedgerError, match=f"{method}: no answer in 8 s"):
        provider.make_request(method, [])
    provider.close()
    return waited


def test_an_estimate_is_asked_for_again_with_growing_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _waited(monkeypatch, "eth_estimateGas") == [1, 2, 4, 8]


def test_silence_ends_every_other_question_at_the_second_time(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _waited(monkeypatch, "eth_sendRawTransaction") == [4, 8]


def test_a_lost_estimate_is_made_up_for() -> None:
    asked, gone = itertools.count(), threading.Event()

    def once(question: dict[str, Any]) -> bytes:
        if next(asked) == 0:
            gone.wait(10)
        return result("0x5208")(question)

    with node(once) as url:
        provider = JsonRpcProvider(url, timeout_seconds=1)
        assert provider.make_request("eth_estimateGas", [])["result"] == "0x5208"
        gone.set()
        provider.close()


def test_bytes_are_counted_per_request() -> None:
    seen: list[tuple[int, int]] = []
    with node(result("0x1")) as url:
        provider = JsonRpcProvider(url, on_bytes=lambda sent, received: seen.append((sent, received)))
        for _ in range(3):
            assert provider.make_request(CHAIN_ID, [])["result"] == "0x1"
        provider.close()
    assert [sent for sent, _ in seen] == [provider.bytes_sent // 3] * 3
    assert all(received > 30 for _, received in seen) and provider.bytes_sent < 3 * 200


@pytest.mark.parametrize("url", ["", "ftp://a", "http://", "http://a:0x1", "http://a:99999999", "file:///etc/passwd"])
def test_only_http_urls(url: str) -> None:
    with pytest.raises(LedgerError):
        checked_url(url)


@pytest.mark.parametrize(
    ("url", "loopback"),
    [
        ("http://127.0.0.1:8545", True),
        ("http://127.8.8.8", True),
        ("http://[::1]:8545", True),
        ("http://localhost:1", True),
        ("http://localhost.example.org", False),
        ("http://127.0.0.1.example.org", False),
        ("http://127.0.0.1@example.org", False),
        ("http://10.0.0.1", False),
    ],
)
def test_loopback_is_this_machine_only(url: str, loopback: bool) -> None:
    assert is_loopback(url) is loopback
