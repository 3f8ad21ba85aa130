"""What holds after every operation of a simulation, and what at its end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from protocol.content.cid import cid_of
from protocol.identifiers import Address, Digest
from protocol.messages.chain import (
    BatchCommitted,
    Event,
    KeyRequested,
    RoundAbandoned,
    RoundExpired,
    RoundFrozen,
    RoundOpened,
    RoundPublished,
)
from protocol.round.state_table import RoundState, may_move
from protocol.sparse.codec import decode_sums
from protocol.task.documents import Absent
from storage.content.interface import get_document
from tests.reference_ledger.ledger import MemoryLedger
from tests.simulation.phones import TASK

if TYPE_CHECKING:
    from tests.simulation.world import World

_AFTER: dict[type[Event], RoundState] = {
    RoundOpened: RoundState.OPEN,
    BatchCommitted: RoundState.OPEN,
    KeyRequested: RoundState.REQUESTED,
    RoundPublished: RoundState.PUBLISHED,
    RoundAbandoned: RoundState.ABANDONED,
    RoundExpired: RoundState.EXPIRED,
    RoundFrozen: RoundState.FROZEN,
}


class Invariants:
    """Of one world. What was checked of a finished round is not checked again."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._answers: dict[tuple[str, Digest], Digest] = {}  # (authority, label) -> its one answer
        self._height, self._checked = 0, set[int]()

    def check(self) -> None:
        self._one_key_for_each_label()
        if len(self._world.chain.blocks) != self._height:
            self._height = len(self._world.chain.blocks)
            self._states_along_the_table()
            self._money_is_kept()
            self._every_update_is_summed_or_named()

    def settled(self) -> bool:
        """No round runs or can open, and everybody was paid what the last readable allocation says."""
        world, state = self._world, self._world.reader().state
        ledger = MemoryLedger(world.chain, bytes(20))
        over = len(state.rounds) == world.spec.rounds or world.time > ledger.task(TASK).task_until
        if not over or state.current is not None:
            return False
        root, _ = ledger.task(TASK).payable(ledger.now())
        if ledger.now() < ledger.task(TASK).payable_from:
            return False
        for facts in state.rounds:
            allocation = state.allocation(facts.number) if facts.settled else None
            if facts.settled is None or isinstance(allocation, Absent | None) or facts.settled.allocation_root != root:
                continue
            return all(ledger.claimed(TASK, e.client) >= e.cumulative for e in allocation.entitlements)
        return True

    def keys_are_erased(self) -> None:
        """At the end of a task nobody can open an envelope any more."""
        for authority in self._world.authorities:
            made = [name for name in authority.records._blobs if name.startswith("window-")]
            assert not made, f"{authority.name} still has {made}"

    def _one_key_for_each_label(self) -> None:
        for authority in self._world.authorities:
            for name in authority.records._blobs:
                if name.startswith("answer-"):
                    digest = cid_of(authority.records._blobs[name]).digest
                    known = self._answers.setdefault((authority.name, name.encode()), digest)
                    assert known == digest, f"{authority.name} answered one label twice"

    def _states_along_the_table(self) -> None:
        states: dict[int, RoundState] = {}
        for event in MemoryLedger(self._world.chain, bytes(20)).events(TASK):
            after = _AFTER.get(type(event))
            if after is not None:
                number: int = event.round  # type: ignore[attr-defined]
                before = states.get(number, RoundState.NONE)
                assert may_move(before, after), f"round {number} went from {before} to {after}"
                states[number] = after
        assert sorted(states) == list(range(1, len(states) + 1))

    def _money_is_kept(self) -> None:
        books = self._world.chain.books
        view = MemoryLedger(self._world.chain, bytes(20)).task(TASK)
        assert view.claimed <= max(view.allocated, view.pending_allocated) <= self._world.spec.budget()
        assert sum(amount for (_, _holder), amount in books.held.items()) == self._world.total, "money came or went"

    def _every_update_is_summed_or_named(self) -> None:
        reader = self._world.reader()
        state = reader.state
        for facts in state.rounds:
            plan, committed, verdict = state.plan(facts.number), state.committed(facts.number), None
            assert not isinstance(plan, Absent) and not isinstance(committed, Absent)
            clients = [entry.client for entry in plan.weights]
            assert clients == sorted(set(clients)), "nobody is planned twice"
            if facts.number in self._checked or facts.settled is None:
                continue
            verdict = state.verdict(facts.number)
            assert not isinstance(verdict, Absent)
            named = {entry.client for entry in verdict.rejected}
            assert set(verdict.accepted) | named == set(committed), "every delivered update is summed or named"
            assert not set(verdict.accepted) & named
            if isinstance(facts.ended, RoundPublished):
                self._sum_is_right(facts.number, verdict.accepted, state)
            self._checked.add(facts.number)

    def _sum_is_right(self, number: int, accepted: tuple[Address, ...], state: object) -> None:
        reader = self._world.reader().state
        plan, aggregate = reader.plan(number), reader.aggregate(number)
        assert not isinstance(plan, Absent) and not isinstance(aggregate, Absent)
        expected = np.zeros(plan.dimension, dtype=np.int64)
        for phone in self._world.phones:
            if phone.signer.address in accepted:
                expected[phone.coordinate] += plan.weight_of(phone.signer.address) or 0
        data = get_document(self._world.store.objects, aggregate.digest, 8 * plan.dimension)
        assert decode_sums(data, plan.dimension).tolist() == expected.tolist(), (
            "an update is lost, doubled or misplaced"
        )
