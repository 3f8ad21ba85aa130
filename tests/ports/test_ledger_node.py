"""The ledger port where a node is behind it: prepared calls, what is asked of the node, and answers kept in a file."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from protocol.messages.chain import TaskPosted
from scripts.commands.task_status import read_status
from storage.ledger.ethereum.block_clock import BlockClock
from storage.ledger.ethereum.ledger import decode_post_task, prepare_post_task
from storage.ledger.ethereum.reader import EthereumReader
from storage.ledger.ethereum.replay import RecordingProvider, ReplayProvider
from storage.ledger.ethereum.rpc import JsonRpcProvider
from storage.ledger.interface import LedgerError, PreparedTransaction, TransactionRevertedError
from tests.ports.chains import KINDS, running_chain
from tests.ports.ledger_scene import Scene
from tests.ports.unfriendly_rpc import UnfriendlyRpc, at, unfriendly


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


def test_now_is_the_chains_time_whatever_this_machine_believes(scene: Scene) -> None:
    scene.chain.mine()
    latest = scene.edge.block_timestamp(scene.edge.block_number())
    for off in (0, 3_600, -86_400):
        running = [100.0]
        clock = BlockClock(running=partial(running.__getitem__, -1), wall=partial(float, latest + off))
        reader = EthereumReader(scene.chain.rpc_url, scene.address, clock=clock)
        assert latest <= reader.now() <= latest + 30, "none of the chains mines by itself"
        running.append(160.5)
        assert latest + 60 <= reader.now() <= latest + 90, "and a deadline comes without a block"
        reader.close()


def test_now_is_the_nodes_time_on_a_chain_that_idled(scene: Scene) -> None:
    """Whoever starts then waits for no deadline that is over. Ganache does not tell its own time."""
    if scene.chain.kind == "ganache":
        assert scene.chain.ask("eth_getBlockByNumber", "pending", False)["number"] == hex(scene.edge.block_number())
        return
    latest = scene.edge.block_timestamp(scene.edge.block_number())
    scene.chain.ask("evm_increaseTime", 7_200)
    reader = EthereumReader(scene.chain.rpc_url, scene.address)
    assert latest + 7_200 <= reader.now() <= latest + 7_230
    reader.close()


def test_what_a_phone_sends_in_a_round(scene: Scene) -> None:
    """It pays per byte: three small requests, nothing asked besides."""
    scene.open_first_round()
    seen: list[tuple[int, int]] = []
    phone = EthereumReader(scene.chain.rpc_url, scene.address, on_bytes=lambda out, back: seen.append((out, back)))
    phone.now()
    before = phone.bytes_sent
    seen.clear()  # a phone that starts asks for the node's time as well
    for ask in (lambda: phone.events(1, 1), lambda: phone.round(1, 1), phone.now):
        ask()
    print(f"{scene.chain.kind}: getLogs, roundOf, now: {seen}")
    assert len(seen) == 3
    assert phone.bytes_sent - before == sum(out for out, _ in seen) <= 1_000
    phone.close()


def test_ranges_give_the_same_events(scene: Scene) -> None:
    scene.open_first_round()
    reader = EthereumReader(scene.chain.rpc_url, scene.address)
    everything, of_all = reader.events(1), reader.events()
    reader._logs._ranges.blocks = 1
    assert reader.events(1) == everything
    assert reader.events(1, everything[1].block) == everything[1:]
    reader._logs._ranges.blocks = 1
    assert reader.events() == of_all
    reader.close()


@pytest.mark.parametrize("first_block", [0, None])
def test_a_task_on_a_long_chain_is_read_by_few_requests(first_block: int | None) -> None:
    """A million blocks, of which a query may span 500: what was before the task is not read, nor what came after."""
    scene = Scene(running_chain("memory"))
    posted = scene.open_first_round().block
    expected = scene.edge.events(1)
    rpc = UnfriendlyRpc(at(scene.chain.rpc_url), one_in=float("inf"), range_limit=500, ahead=1_000_000)
    with unfriendly(rpc) as url:
        reader = EthereumReader(url, scene.address, first_block=posted - 4 if first_block is None else first_block)
        status = read_status(reader, None, 1)
        assert (status.enrolled, len(status.rounds)) == (3, 1)
        assert sum(rpc.calls.values()) < 40, rpc.calls
        assert reader.events(1) == expected
        before = sum(rpc.calls.values())
        assert reader.events() == expected
        assert sum(rpc.calls.values()) - before < 40, rpc.calls
        reader.close()
    scene.close()


def test_recorded_answers_read_the_same_without_the_chain(scene: Scene, tmp_path: Path) -> None:
    scene.open_first_round()
    recorder = RecordingProvider(JsonRpcProvider(scene.chain.rpc_url))
    live = EthereumReader(recorder, scene.address)
    seen = _everything(live, scene)
    (tmp_path / "evidence.json").write_bytes(recorder.content())
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
