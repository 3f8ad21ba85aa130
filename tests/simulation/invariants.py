"""What holds after every operation of a simulation, and what at its end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, TypeVar

import numpy as np

from protocol.content.cid import Cid, Codec, cid_of
from protocol.identifiers import NATIVE_COIN, Address, Digest
from protocol.messages.chain import (
    BatchCommitted,
    BondForfeited,
    Event,
    KeyRequested,
    RoundAbandoned,
    RoundExpired,
    RoundFrozen,
    RoundOpened,
    RoundPublished,
)
from protocol.messages.settlement import GARBAGE, PROBATION, Allocation
from protocol.round.state_table import RoundState, may_move
from protocol.sparse.codec import decode_sums
from protocol.task.documents import Absent
from protocol.task.ending import is_over
from protocol.task.past import allocation_before, standing_allocation
from protocol.task.round_facts import RoundFacts
from protocol.task.state import TaskState
from storage.content.interface import get_document
from tests.reference_ledger.ledger import MemoryLedger
from tests.simulation.phones import TASK

if TYPE_CHECKING:
    from tests.simulation.world import World

CONFIRMATIONS: Final = 2
MONEY: Final = 10**20  # of each account, at first
CODECS: Final[tuple[Codec, ...]] = ("raw", "dag-pb")
T = TypeVar("T")

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
        """No round runs or can open, and everybody was paid what the chain owes it and it can show."""
        state, ledger = self._world.reader().state, self._ledger()
        if not is_over(state, ledger.now()) or state.current is not None:
            return False
        if ledger.now() < ledger.task(TASK).payable_from:
            return False
        compensated = all(
            ledger.is_compensated(TASK, facts.number, client)
            for facts in state.rounds
            if facts.compensates
            for client in self._provable(state, facts)
        )
        owed = {holder: amount for holder, amount in self._entitled(state).items() if holder not in state.dismissed}
        return compensated and all(ledger.claimed(TASK, holder) >= amount for holder, amount in owed.items())

    def check_end(self) -> None:
        """Of a task that is settled."""
        self._keys_are_erased()
        self._rounds_were_paid()
        self._nothing_is_left()

    def _keys_are_erased(self) -> None:
        """At the end of a task nobody can open an envelope any more."""
        for _ in range(CONFIRMATIONS + 1):
            self._world.chain.mine()
        for authority in self._world.authorities:
            self._world.step(authority)
            made = [name for name in authority.records._blobs if name.startswith("window-")]
            assert not made, f"{authority.name} still has {made}"

    def _rounds_were_paid(self) -> None:
        """Each client has what its rounds owe it, and no course cost less than to publish."""
        state, ledger, rewards = self._world.reader().state, self._ledger(), self._world.spec.rewards
        owed = Counter[Address]()
        for facts in state.rounds:
            number, paid = facts.number, dict[Address, int]()
            if facts.compensates:
                most = rewards.participation + (rewards.contribution if facts.requested else 0)
                committed = _there(state.committed(number))
                paid = {client: most for client in committed if ledger.is_compensated(TASK, number, client)}
                assert paid.keys() >= self._provable(state, facts)
                self._cost_no_less(state, facts, paid)
            else:
                accepted = _there(state.verdict(number)).accepted
                before = _owed(_there(allocation_before(state, number)))
                after = _owed(_there(standing_allocation(state, number)))
                paid = {client: after[client] - before.get(client, 0) for client in state.enrolled if client in after}
                for client, amount in paid.items():
                    present = client in accepted or client in _on_probation(state, number)
                    low, high = (rewards.participation, self._most()) if present else (0, 0)
                    assert low <= amount <= high, f"round {number} pays {amount}"
            owed.update(paid)
        for event in ledger.events(TASK):
            if isinstance(event, BondForfeited):  # by a server that was not stepped when its batch was due
                owed[event.reporter] += event.share
        for client in state.enrolled:
            received = self._world.chain.books.held[NATIVE_COIN, client] - MONEY
            assert received == owed[client], f"a client received {received}, and is owed {owed[client]}"

    def _most(self) -> int:
        """That one update can earn: where contributions are shared, those of all."""
        terms, rewards = self._world.spec, self._world.spec.rewards
        pool = terms.cohort.max_cohort if terms.screening.on else 1
        return rewards.participation + pool * rewards.contribution

    def _cost_no_less(self, state: TaskState, facts: RoundFacts, paid: Mapping[Address, int]) -> None:
        """Of a round that was not published."""
        said = [event for event in self._ledger().events(TASK) if event.block == _ended(facts).block]
        forfeited = sum(event.amount for event in said if isinstance(event, BondForfeited))
        if facts.requested is None:
            # it comes out of the bond of the server that left it alone
            assert forfeited >= sum(paid.values()) or not paid
            return
        assert not forfeited, "whoever made the authorities silent would make servers pay"
        rewards, most = self._world.spec.rewards, self._world.spec.reputation.maximum
        for entry in _there(state.request(facts.number)).entries:
            price = rewards.participation + rewards.contribution * entry.weight // most
            assert paid.get(entry.client, price) >= price, "to publish would have cost more"

    def _nothing_is_left(self) -> None:
        """After the claims the manufacturer gets the rest, and everybody its bond: nobody's money is stuck."""
        world, task = self._world, self._ledger().task(TASK)
        world.time = max(world.time, task.claim_until + 1)
        world.chain.mine()
        bank = MemoryLedger(world.chain, world.manufacturer.address)
        if bank.task(TASK).escrow:
            bank.refund(TASK)
        for holder in world.spec.edge_servers:
            if bank.bond(TASK, holder).amount:
                bank.return_bond(TASK, holder)
        view = bank.task(TASK)
        assert (view.escrow, view.deposits, bank.balance(bank.ledger)) == (0, 0, 0)

    def _entitled(self, state: TaskState) -> dict[Address, int]:
        """By the tree that is paid from; of servers that are gone for good nobody claims."""
        root, _ = self._ledger().task(TASK).payable(self._ledger().now())
        for facts in reversed(state.rounds):
            if facts.settled is not None and facts.settled.allocation_root == root:
                gone = set(self._world.spec.edge_servers) - {server.signer.address for server in self._world.servers}
                owed = _owed(_there(standing_allocation(state, facts.number)))
                return {holder: amount for holder, amount in owed.items() if holder not in gone}
        return {}

    def _provable(self, state: TaskState, facts: RoundFacts) -> set[Address]:
        """Who can show that it committed: directly, or by its leaf, unless the batch is withheld from it."""
        batch, journals = facts.batched, {phone.signer.address: phone.agent.journal for phone in self._world.phones}
        hidden = batch is not None and any(Cid(c, batch.batch).text in self._world.store.withheld for c in CODECS)
        return {
            client
            for client in _there(state.committed(facts.number))
            if client in facts.directs or not hidden or facts.number in journals[client].included
        }

    def _ledger(self) -> MemoryLedger:
        return MemoryLedger(self._world.chain, bytes(20))

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
        view = self._ledger().task(TASK)
        owed = max(view.allocated, view.pending_allocated) - view.claimed
        assert owed >= 0 and max(view.allocated, view.pending_allocated) <= self._world.spec.budget()
        assert view.escrow >= owed + view.reserved, "the escrow is short"
        assert view.escrow + view.deposits == self._ledger().balance(self._ledger().ledger)
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
                self._sum_is_right(facts.number, verdict.accepted)
            self._checked.add(facts.number)

    def _sum_is_right(self, number: int, accepted: tuple[Address, ...]) -> None:
        state, phones = self._world.reader().state, self._world.phones
        plan, record = _there(state.plan(number)), _there(state.record(number))
        senders = {phone.signer.address for phone in phones if number in phone.nonsense}
        if record.outcome == GARBAGE:
            assert senders & set(accepted), "nobody sent nonsense"
            assert record.model == plan.model
            return
        assert not senders & set(accepted), "a sum that nothing opens was opened"
        expected = np.zeros(plan.dimension, dtype=np.int64)
        for phone in phones:
            if phone.signer.address in accepted:
                expected[phone.coordinate] += phone.steps * (plan.weight_of(phone.signer.address) or 0)
        data = get_document(self._world.store.objects, _there(state.aggregate(number)).digest, 8 * plan.dimension)
        assert decode_sums(data, plan.dimension).tolist() == expected.tolist(), (
            "an update is lost, doubled or misplaced"
        )


def _there(document: T | Absent) -> T:
    assert not isinstance(document, Absent)
    return document


def _on_probation(state: TaskState, number: int) -> set[Address]:
    rejected = _there(state.verdict(number)).rejected
    return {entry.client for entry in rejected if entry.reason == PROBATION}


def _owed(allocation: Allocation) -> dict[Address, int]:
    return {entry.client: entry.cumulative for entry in allocation.entitlements}


def _ended(facts: RoundFacts) -> Event:
    ended = facts.frozen or facts.ended
    assert ended is not None
    return ended
