"""The phone's view of a chain that takes blocks back, and of rounds that a dispute has frozen."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, cast

import pytest

from client_agent.chain_view import ChainView
from protocol.canonical import encode
from protocol.identifiers import ZERO_DIGEST
from protocol.incentives.rewards import allocation_root
from protocol.messages.chain import (
    Enrolled,
    Event,
    Left,
    RoundAbandoned,
    RoundExpired,
    RoundFrozen,
    RoundOpened,
    RoundPublished,
    TakenOver,
    TaskPosted,
    TaskView,
)
from protocol.messages.settlement import PUBLISHED, Allocation, Entitlement, RoundRecord, Verdict
from protocol.privacy.spending import spent
from protocol.round.planning import terms_of
from storage.content.memory import MemoryStore
from storage.ledger.interface import LedgerReader
from tests.samples import client_address, sample_spec

ME, OTHER = client_address(0), client_address(1)
CONFIRMATIONS = 2
CHARGE = spent(sample_spec().learning.mechanism, sample_spec().privacy, 1)
ENROLLED_WITH = 2


@dataclass
class _Chain:
    """Blocks of at most one event; ``fork`` makes the hashes of what is mined from then on differ."""

    blocks: list[tuple[str, Event | None]] = field(default_factory=list)
    fork: str = "a"
    root: bytes = ZERO_DIGEST  # that claims are paid from

    def mine(self, kind: type[Event] | None = None, **fields: Any) -> None:
        place: dict[str, Any] = {"block": len(self.blocks), "log_index": 0, "transaction": ZERO_DIGEST, "task": 1}
        self.blocks.append((self.fork, kind(**place, **fields) if kind else None))

    def fall_back(self, height: int) -> None:
        del self.blocks[height:]
        self.fork += "b"

    def head(self) -> tuple[int, bytes]:
        return len(self.blocks) - 1, self._hash(len(self.blocks) - 1)

    def block_hash(self, block: int) -> bytes | None:
        return self._hash(block) if block < len(self.blocks) else None

    def _hash(self, block: int) -> bytes:
        return f"{block} {self.blocks[block][0]}".encode().ljust(32)

    def events(self, task: int | None = None, from_block: int = 0) -> list[Event]:
        return [event for _, event in self.blocks[from_block:] if event is not None]

    def now(self) -> int:
        return 0

    def task(self, task: int) -> TaskView:
        zeros = dict.fromkeys(TaskView.__dataclass_fields__, 0)
        return replace(TaskView(**zeros), allocation_root=self.root)  # type: ignore[arg-type]


class _Scene:
    """A posted task with two clients, and what its edge server puts into content."""

    def __init__(self) -> None:
        self.chain, self.store = _Chain(), MemoryStore()
        spec = sample_spec(confirmations=CONFIRMATIONS)
        self.store.put(encode(spec))
        self.view = ChainView(cast(LedgerReader, self.chain), self.store, 1, ME)
        self.chain.mine(
            TaskPosted, manufacturer=OTHER, terms=terms_of(spec), escrow=1, enrol_until=1, task_until=1, claim_until=1
        )
        self.chain.mine(Enrolled, client=ME, envelope=ZERO_DIGEST, reputation=ENROLLED_WITH, signature=bytes(65))

    def open(self, number: int, plan: bytes = b"\1" * 32) -> None:
        self.chain.mine(RoundOpened, round=number, plan=plan, label=plan, cohort=2, commit_until=1, settle_until=1)

    def publish(self, number: int, reputation: int, accepted: tuple[bytes, ...] = (ME,)) -> None:
        digests = self._settled(number, reputation, accepted)
        self.chain.mine(RoundPublished, round=number, model=b"\2" * 32, allocated=1, correct=1, examples=1, **digests)

    def abandon(self, number: int, reputation: int) -> None:
        self.chain.mine(RoundAbandoned, round=number, allocated=1, **self._settled(number, reputation, (ME,)))

    def _settled(self, number: int, reputation: int, accepted: tuple[bytes, ...]) -> dict[str, bytes]:
        allocation = Allocation(1, number, (Entitlement(ME, number, reputation),))
        verdict = Verdict(ZERO_DIGEST, accepted, ())
        record = RoundRecord(
            ZERO_DIGEST, PUBLISHED, verdict, ZERO_DIGEST, (), (), ZERO_DIGEST, ZERO_DIGEST, 0, ZERO_DIGEST, 0, 0,
            CHARGE,
            self.store.put(encode(allocation)).digest,
        )  # fmt: skip
        return {"record": self.store.put(encode(record)).digest, "allocation_root": allocation_root(allocation)}

    def bury(self) -> None:
        for _ in range(CONFIRMATIONS):
            self.chain.mine()

    def outcome(self, number: int) -> bool | None:
        self.view.refresh()
        return self.view.outcome(number)


@pytest.fixture
def scene() -> _Scene:
    return _Scene()


def test_an_outcome_counts_once_the_task_s_confirmations_lie_upon_it(scene: _Scene) -> None:
    scene.open(1)
    scene.publish(1, reputation=3)
    for _ in range(CONFIRMATIONS):
        assert scene.outcome(1) is None
        scene.chain.mine()
    assert scene.outcome(1) is True
    assert scene.view.outcome(2) is None


def test_a_round_that_vanishes_ends_as_it_ends_afterwards(scene: _Scene) -> None:
    scene.open(1, plan=b"\1" * 32)
    scene.publish(1, reputation=3)
    assert scene.outcome(1) is None
    opened = scene.view.opened(1)
    assert opened is not None and opened.plan == b"\1" * 32
    scene.chain.fall_back(2)
    scene.open(1, plan=b"\7" * 32)
    scene.publish(1, reputation=1, accepted=(OTHER,))
    scene.bury()
    assert scene.outcome(1) is False
    opened = scene.view.opened(1)
    assert opened is not None and opened.plan == b"\7" * 32
    scene.open(2)
    scene.view.refresh()
    assert scene.view.reputation == 1


def test_who_opened_a_round_and_when_this_client_left(scene: _Scene) -> None:
    first, second = terms_of(sample_spec()).edge_servers[0], b"\x77" * 20
    scene.open(1)
    scene.chain.mine(Left, client=OTHER, signature=bytes(65))
    scene.view.refresh()
    assert not scene.view.left_before(2)
    assert not scene.view.is_over(1)
    scene.chain.mine(Left, client=ME, signature=bytes(65))
    scene.publish(1, reputation=3)
    scene.view.refresh()
    assert scene.view.is_over(1), "whatever lies upon it"
    assert scene.view.outcome(1) is None
    scene.chain.mine(TakenOver, edge_server=second)
    scene.open(2)
    scene.view.refresh()
    assert [scene.view.server_of(number) for number in (1, 2, 3)] == [first, second, None]
    assert [scene.view.left_before(number) for number in (1, 2)] == [False, True]


def test_what_only_the_lost_branch_said_is_forgotten(scene: _Scene) -> None:
    scene.open(1)
    scene.publish(1, reputation=3)
    scene.open(2)
    scene.view.refresh()
    assert scene.view.reputation == 3
    scene.chain.root = scene.chain.blocks[3][1].allocation_root  # type: ignore[union-attr]
    assert scene.view.entitlement() is not None
    scene.chain.fall_back(2)
    scene.bury()
    assert scene.outcome(1) is None
    assert scene.view.opened(1) is None
    assert scene.view.entitlement() is None


@pytest.mark.parametrize("kind", ["abandoned", "expired", "frozen"])
def test_other_ends_leave_the_update_out(scene: _Scene, kind: str) -> None:
    scene.open(1)
    if kind == "abandoned":
        scene.abandon(1, reputation=3)
    elif kind == "expired":
        scene.chain.mine(RoundExpired, round=1)
    else:
        scene.chain.mine(RoundFrozen, round=1, culprit=OTHER)
    assert scene.outcome(1) is None
    scene.bury()
    assert scene.outcome(1) is False


def test_a_frozen_round_keeps_its_update_and_loses_its_reputations(scene: _Scene) -> None:
    scene.open(1)
    scene.publish(1, reputation=3)
    scene.open(2)
    scene.publish(2, reputation=4)
    scene.open(3)
    scene.view.refresh()
    assert scene.view.reputation == 4
    scene.chain.mine(RoundFrozen, round=2, culprit=OTHER)
    scene.view.refresh()
    assert scene.view.reputation == 4, "round 3 was planned before the dispute"
    scene.publish(3, reputation=5)
    scene.chain.mine(RoundFrozen, round=3, culprit=OTHER)
    scene.open(4)
    scene.bury()
    assert scene.outcome(2) is True
    assert scene.view.reputation == 3, "only round 1 still stands"


def test_before_any_settled_round_the_reputation_is_that_of_the_enrolment(scene: _Scene) -> None:
    scene.open(1)
    scene.view.refresh()
    assert scene.view.reputation == ENROLLED_WITH


def test_a_document_that_is_away_is_asked_for_again(scene: _Scene) -> None:
    scene.open(1)
    scene.publish(1, reputation=3)
    scene.bury()
    kept, scene.store.objects = scene.store.objects, {}
    with pytest.raises(Exception, match="not in this store"):
        scene.view.refresh()
    scene.store.objects = kept
    assert scene.outcome(1) is True
