"""The ledger port where a node is behind it: prepared calls, what is asked of the node, and answers kept in a file."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from protocol.messages.chain import TaskPosted
from storage.ledger.ethereum.ledger import decode_post_task, prepare_post_task
from storage.ledger.ethereum.reader import EthereumReader
from storage.ledger.ethereum.replay import RecordingProvider, ReplayProvider
from storage.ledger.ethereum.rpc import JsonRpcProvider
from storage.ledger.interface import LedgerError, PreparedTransaction, TransactionRevertedError
from tests.ports.chains import KINDS, running_chain
from tests.ports.ledger_scene import Scene


@pytest.fixture(params=KINDS)
def scene(request: pytest.FixtureRequest) -> Iterator[Scene]:
    scene = Scene(running_chain(request.param))
    yield scene
    scene.close()


def test_prepared_post_task(scene: Scene) -> None:
    prepared = prepare_post_task(scene.address, scene.terms, scene.escrow)
    assert decode_post_task(prepared) == (scene.terms, scene.escrow)
    with pytest.raises(LedgerError):
        scene.manufacturer.send_prepared(PreparedTransaction(b"\x99" * 20, prepared.data, prepared.value_wei))
    receipt = scene.manufacturer.send_prepared(prepared)
    assert isinstance(receipt.logs[0], TaskPosted) and receipt.gas_used > 21_000
    assert len(scene.edge.code()) > 1_000


def test_now_is_the_later_of_chain_and_local_clock(scene: Scene) -> None:
    scene.chain.ask("evm_mine")
    latest = scene.edge.block_timestamp(scene.edge.block_number())
    for local, expected in ((latest - 50, latest), (latest + 50, latest + 50)):
        reader = EthereumReader(scene.chain.rpc_url, scene.address, clock=partial(float, local + 0.9))
        assert reader.now() == expected
        reader.close()


def test_what_a_phone_sends_in_a_round(scene: Scene) -> None:
    """It pays per byte: three small requests, nothing asked besides."""
    scene.open_first_round()
    seen: list[tuple[int, int]] = []
    phone = EthereumReader(scene.chain.rpc_url, scene.address, on_bytes=lambda out, back: seen.append((out, back)))
    for ask in (lambda: phone.events(1, 1), lambda: phone.round(1, 1), phone.now):
        ask()
    print(f"{scene.chain.kind}: getLogs, roundOf, now: {seen}")
    assert len(seen) == 3
    assert phone.bytes_sent == sum(out for out, _ in seen) <= 1_000
    phone.close()


def test_ranges_give_the_same_events(scene: Scene) -> None:
    scene.open_first_round()
    reader = EthereumReader(scene.chain.rpc_url, scene.address, log_range_blocks=1)
    everything = reader.events(1)
    start = everything[0].block
    assert reader._events_by_ranges(1, start, reader.block_number()) == everything
    reader.close()


def test_recorded_answers_read_the_same_without_the_chain(scene: Scene, tmp_path: Path) -> None:
    scene.open_first_round()
    recorder = RecordingProvider(JsonRpcProvider(scene.chain.rpc_url))
    live = EthereumReader(recorder, scene.address)
    seen = _everything(live, scene)
    recorder.save(tmp_path / "evidence.json")
    live.close()
    replayed = EthereumReader(ReplayProvider(tmp_path / "evidence.json"), scene.address)
    assert _everything(replayed, scene) == seen
    with pytest.raises(LedgerError):
        replayed.task(2)


def _everything(reader: EthereumReader, scene: Scene) -> list[object]:
    client, last = scene.clients[0].address, reader.events(1)[-1].block
    with pytest.raises(TransactionRevertedError) as refusal:
        reader.task(9)
    return [
        *(reader.domain, reader.code(), reader.balance(scene.address), reader.task_count(), reader.task(1)),
        *(reader.round(1, 1), reader.enrolment(1, client), reader.has_committed_directly(1, 1, client)),
        *(reader.claimed(1, client), reader.standing(client), reader.rules(), reader.block_timestamp(last)),
        *(reader.events(), reader.events(1), refusal.value.name, refusal.value.arguments),
    ]
