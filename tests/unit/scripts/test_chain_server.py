"""The in-process chain as JSON-RPC: refusals are answers, its clock moves, snapshots come back."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from backend.listening import ListenError
from scripts.chain.development import CHAIN_ID, FUNDED_WEI
from scripts.chain.server import MAX_REQUEST_BYTES, chain_in_background, serve_chain
from storage.ledger.public_keys import FUNDED_KEY
from storage.ledger.signer import Signer

NOW = 1_800_000_000
OWNER = Signer(FUNDED_KEY)


def test_a_chain_that_idles_has_empty_blocks_for_who_looks() -> None:
    times = [NOW]
    with chain_in_background(lambda: times[0], idle_seconds=5) as url:
        client = Client(url)
        heights = []
        for seconds in (0, 4, 1, 0, 4, 1, 100):
            times[0] += seconds
            heights.append(int(client.ask("eth_blockNumber"), 16))
        assert heights == [0, 0, 1, 1, 1, 2, 3]
        assert int(client.ask("eth_getBlockByNumber", "0x3", False)["timestamp"], 16) == times[0]
    with chain_in_background(lambda: times[0]) as url:
        times[0] += 1000
        assert int(Client(url).ask("eth_blockNumber"), 16) == 0


class Client:
    def __init__(self, url: str) -> None:
        self.http = httpx2.Client(base_url=url)

    def raw(self, body: bytes) -> Any:
        return self.http.post("/", content=body).json()

    def ask(self, method: str, *parameters: Any) -> Any:
        question = {"jsonrpc": "2.0", "id": 5, "method": method, "params": parameters}
        answer = self.http.post("/", json=question).json()
        assert answer["id"] == 5
        return answer["result"] if "result" in answer else answer["error"]

    def pay(self, nonce: int, amount: int, **changes: Any) -> Any:
        transaction = {
            "to": "0x" + "11" * 20,
            "value": amount,
            "gas": 21_000,
            "nonce": nonce,
            "chainId": CHAIN_ID,
            "maxFeePerGas": 10**10,
            "maxPriorityFeePerGas": 10**9,
            "type": 2,
        } | changes
        return self.ask("eth_sendRawTransaction", "0x" + OWNER.sign_transaction(transaction).hex())


@pytest.fixture
def client() -> Iterator[Client]:
    with chain_in_background(lambda: NOW) as url:
        client = Client(url)
        yield client
        client.http.close()


def balance(client: Client, at: str = "latest") -> int:
    return int(client.ask("eth_getBalance", "0x" + "11" * 20, at), 16)


def test_a_payment_is_a_block(client: Client) -> None:
    assert int(client.ask("eth_getBalance", "0x" + OWNER.address.hex(), "latest"), 16) == FUNDED_WEI
    digest = client.pay(0, 7)
    receipt = client.ask("eth_getTransactionReceipt", digest)
    assert (receipt["status"], receipt["blockNumber"], receipt["gasUsed"]) == ("0x1", "0x1", hex(21_000))
    assert client.ask("eth_getTransactionByHash", digest)["value"] == "0x7"
    assert (balance(client), balance(client, "0x0")) == (7, 0)
    assert client.ask("eth_getBlockByNumber", "latest", False)["transactions"] == [digest]


def test_refusals_are_answers(client: Client) -> None:
    client.pay(0, 7)
    assert "already known" in client.pay(0, 7)["message"]
    assert "nonce too low" in client.pay(0, 8)["message"]
    assert "nonce too high" in client.pay(5, 8)["message"]
    assert client.pay(1, 10**30)["code"] == -32000
    assert client.pay(1, 7, chainId=1)["code"] in (-32000, -32602)
    assert client.ask("eth_sendRawTransaction", "0x1234")["code"] == -32602
    assert client.ask("eth_sign")["code"] == -32601
    assert client.ask("eth_getBalance", "0x12", "latest")["code"] == -32602
    assert client.ask("eth_getBalance")["code"] == -32602
    assert client.ask("eth_call", {"to": "0x" + "11" * 20}, "0xff")["code"] == -32000
    assert balance(client) == 7


@pytest.mark.parametrize(
    ("body", "code"),
    [(b"x", -32700), (b"[" * 100_000, -32700), (b"[]", -32600), (b"7", -32600), (b'{"method":1}', -32600),
     (b'{"method":"eth_chainId","params":{}}', -32602)],
)  # fmt: skip
def test_nonsense_is_refused(client: Client, body: bytes, code: int) -> None:
    assert client.raw(body)["error"]["code"] == code


def test_size_before_read(client: Client) -> None:
    assert client.http.post("/", content=b" " * (MAX_REQUEST_BYTES + 1)).status_code == 413


def test_batches_are_answered_in_order(client: Client) -> None:
    answers = client.raw(b'[{"id":1,"method":"eth_chainId"},{"id":2,"method":"eth_blockNumber"}]')
    assert [(answer["id"], answer["result"]) for answer in answers] == [(1, hex(CHAIN_ID)), (2, "0x0")]


def test_time_moves_when_told(client: Client) -> None:
    client.ask("evm_increaseTime", 3_600)
    client.ask("evm_mine")
    assert int(client.ask("eth_getBlockByNumber", "latest", False)["timestamp"], 16) == NOW + 3_600


def test_a_snapshot_brings_everything_back(client: Client) -> None:
    snapshot = client.ask("evm_snapshot")
    digest = client.pay(0, 7)
    client.ask("evm_increaseTime", 60)
    assert client.ask("evm_revert", snapshot) is True
    assert client.ask("evm_revert", snapshot) is False
    assert (balance(client), client.ask("eth_blockNumber")) == (0, "0x0")
    assert client.ask("eth_getTransactionReceipt", digest) is None
    client.pay(0, 9)
    assert balance(client) == 9
    assert int(client.ask("eth_getBlockByNumber", "latest", False)["timestamp"], 16) == NOW


def test_a_port_that_is_taken_is_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        with pytest.raises(ListenError, match="in use"):
            serve_chain(taken.getsockname()[1])
