"""The server finds the tasks that name it, and only those; a malformed one disturbs nobody."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from unittest import mock

import pytest

from backend.problem import RequestError
from backend.rounds.driver import WORKERS
from protocol.canonical import encode
from protocol.messages.chain import BondPlaced
from protocol.messages.learning import Layer
from protocol.messages.task import DepositTerms, TaskSpec
from protocol.round.planning import terms_of
from protocol.task.acting import NEVER
from storage.content.memory import MemoryStore
from storage.ledger.interface import LedgerError
from storage.ledger.signer import Signer
from tests.ports.reference_chain import DOMAIN, ReferenceChain
from tests.samples import private_key, sample_spec
from tests.unit.backend.rounds.scene_committee import PlayedCommittee
from tests.unit.backend.rounds.scene_server import MAX_BOND, Server


class Scene(Server):
    """A server that nobody has posted anything for yet."""

    def __init__(self) -> None:
        chain, store = ReferenceChain(), MemoryStore()
        super().__init__(chain, Signer(private_key("edge")), store, PlayedCommittee(DOMAIN))
        manufacturer = Signer(private_key("manufacturer"))
        for party in (self.signer.address, manufacturer.address):
            chain.fund(DOMAIN.ledger, party)
        self.poster = chain.ledger(DOMAIN.ledger, manufacturer)

    def post(self, spec: TaskSpec, stored: bool = True) -> None:
        if stored:
            self.store.put(encode(spec))
        self.poster.post_task(terms_of(spec), spec.budget())

    def code(self, task: int) -> str | None:
        try:
            self.driver.desk(task)
        except RequestError as error:
            return error.code
        return None

    def steps(self, number: int = 30) -> None:
        for _ in range(number):
            if not self.step():
                self.chain.pass_time(1)


@pytest.fixture
def scene() -> Scene:
    return Scene()


def _bondless() -> TaskSpec:
    return sample_spec(rewards=replace(sample_spec().rewards, participation=0), deposits=DepositTerms())


def test_each_kind_of_task(scene: Scene) -> None:
    good = sample_spec()
    malformed = sample_spec(model=replace(good.model, layers=(Layer("lambda", {}),)))
    hidden = sample_spec(title="not in the store yet")
    scene.post(malformed)
    scene.post(sample_spec(edge_server=b"\x09" * 20))
    scene.post(hidden, stored=False)
    scene.post(good)
    scene.start()
    scene.steps()
    assert [scene.code(task) for task in (1, 2, 3, 4, 5)] == [
        "E_NOT_FOUND",
        "E_NOT_FOUND",
        "E_STARTING",
        None,
        "E_NOT_FOUND",
    ]
    scene.store.put(encode(hidden))
    scene.steps()
    assert scene.code(3) is None
    assert scene.driver.desk(4).status().state == "enrolling"


def test_a_task_that_cannot_run_is_not_served_and_gets_no_bond(scene: Scene) -> None:
    with_bond, without = sample_spec(suite="FE65"), replace(_bondless(), suite="FE65")
    for spec in (with_bond, without, sample_spec()):
        scene.post(spec)
    scene.start()
    scene.steps()
    assert [scene.code(task) for task in (1, 2, 3)] == ["E_NOT_FOUND", "E_NOT_FOUND", None]
    assert not scene.poster.bond(1, scene.signer.address).placed


def test_before_the_first_look_nobody_is_sent_away(scene: Scene) -> None:
    scene.post(sample_spec())
    with mock.patch.object(scene.ledger, "head", side_effect=LedgerError("away")):
        with pytest.raises(LedgerError):
            scene.start()
        assert scene.code(1) == scene.code(7) == "E_STARTING"


def test_a_task_is_taken_once_it_has_the_confirmations_that_it_asks_for(scene: Scene) -> None:
    scene.post(sample_spec(confirmations=2))
    scene.start()
    for _ in range(2):
        for _ in range(5):
            scene.step()
        assert scene.code(1) == "E_STARTING"
        scene.chain.pass_time(1)
    scene.steps(5)
    assert scene.code(1) is None


def test_a_task_that_the_chain_took_back_is_forgotten(scene: Scene) -> None:
    snapshot = scene.chain.snapshot()
    scene.post(sample_spec(confirmations=3))
    scene.start()
    assert scene.code(1) == "E_STARTING"
    scene.chain.revert(snapshot)
    scene.steps(8)
    assert scene.code(1) == "E_NOT_FOUND"


def test_the_server_places_its_bond_once(scene: Scene) -> None:
    scene.post(sample_spec())
    scene.post(_bondless())
    scene.start()
    scene.steps()
    scene.crash()
    scene.start()
    scene.steps()
    edge = scene.signer.address
    assert [scene.poster.bond(task, edge).amount for task in (1, 2)] == [5_000, 0]
    placed = [event for event in scene.poster.events() if isinstance(event, BondPlaced)]
    assert [(event.task, event.holder) for event in placed] == [(1, edge)]


def test_a_task_waits_for_a_bond_that_only_its_operator_may_place(scene: Scene) -> None:
    scene.post(sample_spec(deposits=DepositTerms(edge_server=MAX_BOND + 1)))
    scene.start()
    scene.steps()
    assert scene.code(1) == "E_STARTING"
    assert not scene.poster.bond(1, scene.signer.address).placed
    scene.poster.place_bond(1, scene.signer.address, MAX_BOND + 1)
    scene.steps()
    assert scene.code(1) is None


def test_the_server_takes_its_bond_back_when_the_task_is_over(scene: Scene) -> None:
    spec = sample_spec(deposits=DepositTerms(edge_server=MAX_BOND))
    scene.post(spec)
    scene.start()
    scene.steps()
    assert scene.poster.bond(1, scene.signer.address).amount == MAX_BOND
    scene.chain.pass_time(spec.durations.task_seconds + 1)
    scene.steps()
    assert scene.poster.bond(1, scene.signer.address).amount == 0


@pytest.mark.outside  # it starts threads, and reads a thousand tasks
def test_a_thousand_idle_tasks_cost_no_thread_each(scene: Scene) -> None:
    scene.post(_bondless())
    posted = scene.ledger.events()
    posts = [replace(event, task=task, log_index=task) for event in posted for task in range(1, 1_001)]  # type: ignore[call-arg]
    scene.ledger.events = lambda *_: posts  # type: ignore[method-assign]
    scene.start()
    before = threading.active_count()
    scene.driver.start()
    try:
        pause = threading.Event()
        for _ in range(6_000):
            if scene.code(1_000) is None and not scene.driver.due():
                break
            pause.wait(0.01)
        assert scene.code(1_000) is None
        assert threading.active_count() - before <= WORKERS + 2
    finally:
        scene.driver.stop()


@pytest.mark.outside  # it starts threads
def test_a_batch_that_is_due_waits_for_no_other_tasks_moves(scene: Scene) -> None:
    """Every worker waits for the confirmations of somebody else's transaction."""
    for _ in range(WORKERS + 1):
        scene.post(sample_spec())
    scene.start()
    scene.steps()
    release, stepped, stuck = threading.Event(), threading.Event(), threading.Semaphore(0)
    tasks = scene.driver._tasks

    def wait(*_: object) -> int:
        stuck.release()
        release.wait(60)
        return NEVER

    def step(*_: object) -> int:
        stepped.set()
        return NEVER

    others = [mock.patch.object(tasks[number], "step", wait) for number in range(1, WORKERS + 1)]
    late = mock.patch.multiple(tasks[WORKERS + 1], step=step, hurried=lambda _: True)
    with ExitStack() as patched:
        for patch in (*others, late):
            patched.enter_context(patch)
        scene.driver.start()
        try:
            for number in range(1, WORKERS + 1):
                scene.driver.wake(number)
            for _ in range(WORKERS):
                assert stuck.acquire(timeout=60)
            scene.driver.wake(WORKERS + 1)
            assert stepped.wait(60)
        finally:
            release.set()
            scene.driver.stop()


def test_no_bond_is_placed_for_a_task_whose_phases_are_too_short_for_the_chain(scene: Scene) -> None:
    for _ in range(40):
        scene.chain.pass_time(60)
    short, long = sample_spec(), sample_spec()
    long = replace(
        long,
        durations=replace(
            long.durations, commit_seconds=2_000, objection_seconds=60, settle_seconds=2_000, claim_seconds=90_000
        ),
    )
    scene.post(short)
    scene.post(long)
    scene.start()
    scene.steps(3)
    placed = [event.task for event in scene.poster.events() if isinstance(event, BondPlaced)]
    assert (placed, scene.code(1), scene.code(2)) == ([2], "E_NOT_FOUND", None)


def test_news_that_come_during_a_step_are_not_lost(scene: Scene) -> None:
    scene.post(sample_spec())
    scene.start()
    scene.steps()
    assert scene.driver.due() == []
    hosted = scene.driver._tasks[1]
    step = hosted.step

    def interrupted(now: int, bonds: list[int], deep: Callable[[int], int]) -> int:
        scene.driver.wake(1)
        return step(now, bonds, deep)

    with mock.patch.object(hosted, "step", interrupted):
        scene.driver.wake(1)
        scene.driver.step(1)
    assert scene.driver.due() == [1]
