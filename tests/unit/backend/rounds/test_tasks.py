"""The server finds the tasks that name it, and only those; a malformed one disturbs nobody."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import cast
from unittest import mock

import pytest

from backend.bonds import BondKeeper
from backend.problem import RequestError
from backend.rounds.committee_client import CommitteeClient
from backend.rounds.coordinator import Coordinator
from backend.rounds.journal import EdgeJournal
from backend.rounds.tasks import TaskBoard
from protocol.canonical import encode
from protocol.messages.chain import BondPlaced
from protocol.messages.task import DepositTerms, Layer, TaskSpec
from protocol.round.planning import terms_of
from storage.content.memory import MemoryStore
from storage.ledger.ethereum.ledger import EthereumLedger
from storage.ledger.signer import Signer
from storage.records.journal import Journal
from tests.ports.chains import running_chain
from tests.samples import private_key, sample_spec
from tests.unit.backend.rounds.scene_coordinator import PlayedCommittee

MAX_BOND = 10

Scene = tuple[TaskBoard, EthereumLedger, MemoryStore]


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    chain = running_chain("memory")
    address = chain.deploy()
    edge, manufacturer = Signer(private_key("edge")), Signer(private_key("manufacturer"))
    for signer in (edge, manufacturer):
        chain.fund(address, signer.address)
    ledger, poster = chain.ledger(address, edge), chain.ledger(address, manufacturer)
    journal, store = EdgeJournal(Journal(tmp_path / "journal")), MemoryStore()
    committee = cast(CommitteeClient, PlayedCommittee(ledger.domain))
    bonds = BondKeeper(ledger, MAX_BOND)
    board = TaskBoard(ledger, store, journal, committee, edge, bonds, frozenset(), 0.01)
    yield board, poster, store
    board.stop()
    journal.close()
    ledger.close()
    poster.close()


def _post(scene: Scene, spec: TaskSpec, stored: bool = True) -> None:
    _, poster, store = scene
    if stored:
        store.put(encode(spec))
    poster.post_task(terms_of(spec), spec.budget())


def _code(board: TaskBoard, task: int) -> str | None:
    try:
        board.desk(task)
    except RequestError as error:
        return error.code
    return None


def _until(board: TaskBoard, task: int, code: str | None) -> None:
    pause = threading.Event()
    for _ in range(2_000):
        if _code(board, task) == code:
            return
        pause.wait(0.01)
    raise AssertionError(_code(board, task))


def test_each_kind_of_task(scene: Scene) -> None:
    board, _, store = scene
    good = sample_spec()
    malformed = sample_spec(model=replace(good.model, layers=(Layer("lambda", {}),)))
    hidden = sample_spec(title="not in the store yet")
    _post(scene, malformed)
    _post(scene, sample_spec(edge_server=b"\x09" * 20))
    _post(scene, hidden, stored=False)
    _post(scene, good)
    assert _code(board, 4) == "E_STARTING"
    board.start()
    _until(board, 4, None)
    _until(board, 1, "E_NOT_FOUND")
    assert [_code(board, task) for task in (2, 5)] == ["E_NOT_FOUND", "E_NOT_FOUND"]
    assert _code(board, 3) == "E_STARTING"
    store.put(encode(hidden))
    _until(board, 3, None)
    assert board.desk(4).status()["state"] == "enrolling"


def test_a_task_is_taken_once_it_has_the_confirmations_that_it_asks_for(scene: Scene) -> None:
    board, _, _ = scene
    _post(scene, sample_spec(confirmations=2))
    chain = running_chain("memory")
    with mock.patch("backend.rounds.tasks.Coordinator", wraps=Coordinator) as made:
        board.start()
        for _ in range(2):
            _until(board, 9, "E_NOT_FOUND")  # it has looked
            assert _code(board, 1) == "E_STARTING"
            chain.ask("evm_mine")
        _until(board, 1, None)
    assert made.call_args.args[0]._confirmations == 2, "its own transactions wait as long"


def test_a_task_that_the_chain_took_back_is_forgotten(scene: Scene) -> None:
    board, _, _ = scene
    chain = running_chain("memory")
    snapshot = chain.ask("evm_snapshot")
    _post(scene, sample_spec(confirmations=3))
    board.start()
    _until(board, 9, "E_NOT_FOUND")
    assert _code(board, 1) == "E_STARTING"
    chain.ask("evm_revert", snapshot)
    for _ in range(5):
        chain.ask("evm_mine")
    _until(board, 1, "E_NOT_FOUND")


def test_the_server_places_its_bond_once(scene: Scene) -> None:
    board, poster, _ = scene
    _post(scene, sample_spec(deposits=DepositTerms(edge_server=7)))
    _post(scene, sample_spec())
    board.start()
    _until(board, 1, None)
    _until(board, 2, None)
    edge = Signer(private_key("edge")).address
    assert [poster.bond(task, edge).amount for task in (1, 2)] == [7, 0]
    placed = [event for event in poster.events() if isinstance(event, BondPlaced)]
    assert [(event.task, event.holder) for event in placed] == [(1, edge)]


def test_a_task_waits_for_a_bond_that_only_its_operator_may_place(scene: Scene) -> None:
    board, poster, _ = scene
    _post(scene, sample_spec(deposits=DepositTerms(edge_server=MAX_BOND + 1)))
    board.start()
    _until(board, 9, "E_NOT_FOUND")  # it has looked
    assert _code(board, 1) == "E_STARTING"
    edge = Signer(private_key("edge")).address
    assert not poster.bond(1, edge).placed
    poster.place_bond(1, edge, MAX_BOND + 1)
    _until(board, 1, None)


def test_the_server_takes_its_bond_back_when_the_task_is_over(scene: Scene) -> None:
    board, poster, _ = scene
    spec = sample_spec(deposits=DepositTerms(edge_server=MAX_BOND))
    _post(scene, spec)
    board.start()
    _until(board, 1, None)
    running_chain("memory").pass_time(spec.durations.task_seconds + 1)
    edge, pause = Signer(private_key("edge")).address, threading.Event()
    for _ in range(2_000):
        if not poster.bond(1, edge).amount:
            break
        pause.wait(0.01)
    assert poster.bond(1, edge).amount == 0
