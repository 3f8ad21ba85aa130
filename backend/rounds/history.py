"""One task as chain and content tell it: a fold over its events that a restarted server repeats."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from backend.rounds.acting import Charge, due
from protocol.canonical import decode
from protocol.identifiers import ZERO_DIGEST, Address
from protocol.incentives.rewards import allocation_root, first_allocation
from protocol.messages.chain import (
    BatchCommitted,
    BondForfeited,
    DirectCommitted,
    Enrolled,
    Event,
    KeyRequested,
    Left,
    RoundAbandoned,
    RoundExpired,
    RoundFrozen,
    RoundOpened,
    RoundPublished,
    TakenOver,
)
from protocol.messages.round import MAX_PLAN_BYTES, RoundPlan
from protocol.messages.settlement import MAX_RECORD_BYTES, Allocation, RoundRecord
from protocol.messages.submission import MAX_BATCH_BYTES, Commitment, CommitmentBatch, SignedCommitment
from protocol.messages.task import MAX_SPEC_BYTES, TaskSpec
from protocol.model.layout import Layout
from protocol.round.commitments import committed_set
from protocol.round.key_request import key_request
from protocol.round.planning import (
    History,
    choose_index_set,
    published_history,
    unpublished_history,
)
from protocol.sparse.codec import decode_sums
from storage.content.interface import ContentStore, get_document
from storage.ledger.follower import EventFollower
from storage.ledger.interface import LedgerReader

Ended = RoundPublished | RoundAbandoned | RoundExpired | RoundFrozen


@dataclass
class RoundFacts:
    """What chain and content say of one round so far."""

    opened: RoundOpened
    plan: RoundPlan
    indices: npt.NDArray[np.uint32]
    batch: CommitmentBatch | None = None
    directs: dict[Address, SignedCommitment] = field(default_factory=dict)
    requested: KeyRequested | None = None
    ended: Ended | None = None
    record: RoundRecord | None = None

    @property
    def number(self) -> int:
        return self.opened.round

    @property
    def cohort(self) -> frozenset[Address]:
        return frozenset(entry.client for entry in self.plan.weights)

    def committed(self) -> dict[Address, SignedCommitment]:
        """By planned client, ascending."""
        planned = [signed for client, signed in self.directs.items() if client in self.cohort]
        return committed_set(self.batch or CommitmentBatch(()), planned)


class TaskHistory:
    """Kept up to date by :meth:`refresh`. Documents are checked against their digests on chain when they are read."""

    def __init__(self, ledger: LedgerReader, store: ContentStore, task: int) -> None:
        self._ledger, self._store, self.task = ledger, store, task
        self._follower = EventFollower(ledger, task, Event)
        self.view = ledger.task(task)
        self.spec = decode(TaskSpec, get_document(store, self.view.spec, MAX_SPEC_BYTES), MAX_SPEC_BYTES)
        self.layout = Layout.of(self.spec.model)
        self._start_over()
        self.refresh()

    def refresh(self) -> None:
        """Reads on; from the start when the chain took back something that was read before."""
        if self._follower.refresh() < self._applied:
            self._start_over()
        for event in self._follower.events[self._applied :]:
            self._apply(event)
            self._applied += 1

    def _start_over(self) -> None:
        self._applied = 0
        self.enrolled: dict[Address, Enrolled] = {}
        self.left: set[Address] = set()
        self.rounds: dict[int, RoundFacts] = {}
        self.charge = Charge(self.spec.edge_server)
        self._after: dict[int, tuple[History, Allocation]] = {}

    @property
    def current(self) -> RoundFacts | None:
        """The round that has not ended."""
        last = self.rounds.get(len(self.rounds))
        return last if last is not None and last.ended is None else None

    def may_act(self, server: Address) -> bool:
        """In charge and not dismissed, or the one in charge is late."""
        last = self.rounds.get(len(self.rounds))
        instant = due(self.view.enrol_until, last.opened if last else None, self.current is not None)
        after = self.charge.acts_after(server, instant, self.spec.durations.takeover_seconds)
        return after == 0 or self._ledger.now() > after

    def before(self, number: int) -> tuple[History, Allocation]:
        """Public past and allocation at the opening of round ``number``."""
        if number == 1:
            reputations = {client: event.reputation for client, event in self.enrolled.items()}
            history = History(tuple(sorted(self.enrolled)), self.spec.initial_model)
            return history, first_allocation(self.task, reputations)
        return self._after[number - 1]

    def payable(self) -> Allocation | None:
        """The one that claims are paid from now; None before the first."""
        root, _ = self._ledger.task(self.task).payable(self._ledger.now())
        settled = [f.number for f in self.rounds.values() if isinstance(f.ended, RoundPublished | RoundAbandoned)]
        allocations = (self.before(number + 1)[1] for number in reversed(settled))
        return next((allocation for allocation in allocations if allocation_root(allocation) == root), None)

    def parameters(self, facts: RoundFacts) -> npt.NDArray[np.float32]:
        """Those that the round starts from."""
        return self.layout.from_safetensors(get_document(self._store, facts.plan.model, self.layout.max_bytes))

    def _apply(self, event: Event) -> None:
        match event:
            case Enrolled():
                self.enrolled[event.client] = event
            case Left():
                self.left.add(event.client)
            case RoundOpened():
                plan = decode(RoundPlan, get_document(self._store, event.plan, MAX_PLAN_BYTES), MAX_PLAN_BYTES)
                history, _ = self.before(event.round)
                self.rounds[event.round] = RoundFacts(event, plan, choose_index_set(self.spec, event.round, history))
            case BatchCommitted():
                data = get_document(self._store, event.batch, MAX_BATCH_BYTES)
                self.rounds[event.round].batch = decode(CommitmentBatch, data, MAX_BATCH_BYTES)
            case DirectCommitted():
                commitment = Commitment(
                    self.task, event.round, event.client, event.label, event.nonce, event.ciphertext
                )
                self.rounds[event.round].directs[event.client] = SignedCommitment(commitment, event.signature)
            case KeyRequested():
                self.rounds[event.round].requested = event
            case RoundPublished() | RoundAbandoned() | RoundExpired():
                self._end(self.rounds[event.round], event)
            case RoundFrozen():
                self._freeze(self.rounds[event.round], event)
            case TakenOver():
                self.charge = self.charge.taken_over(event.edge_server, self._ledger.block_timestamp(event.block))
            case BondForfeited():
                self.charge = self.charge.without(event.holder)
            case _:
                pass

    def _freeze(self, facts: RoundFacts, event: RoundFrozen) -> None:
        """Its allocation is void; what it published stays published."""
        history, allocation = self.before(facts.number)
        if facts.ended is None:
            facts.ended = event
            history = unpublished_history(history, facts.plan)
        else:
            history, _ = self._after[facts.number]
        self._after[facts.number] = (history, allocation)

    def _end(self, facts: RoundFacts, event: Ended) -> None:
        """``ended`` comes last: other threads take it as a sign that everything else is there."""
        history, allocation = self.before(facts.number)
        if isinstance(event, RoundExpired | RoundFrozen):
            self._after[facts.number] = (unpublished_history(history, facts.plan), allocation)
            facts.ended = event
            return
        facts.record = decode(RoundRecord, get_document(self._store, event.record, MAX_RECORD_BYTES), MAX_RECORD_BYTES)
        data = get_document(self._store, facts.record.allocation, MAX_RECORD_BYTES)
        allocation = decode(Allocation, data, MAX_RECORD_BYTES)
        after = unpublished_history(history, facts.plan)
        if isinstance(event, RoundPublished) and facts.record.model != ZERO_DIGEST:
            request = key_request(facts.plan, facts.committed(), facts.record.verdict.accepted)
            count = len(facts.indices)
            sums = decode_sums(get_document(self._store, facts.record.aggregate, 8 * count), count)
            after = published_history(history, facts.plan, request, facts.indices, sums, event.model)
        self._after[facts.number] = (after, allocation)
        facts.ended = event
