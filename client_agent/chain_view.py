"""What the phone takes from the chain's events: opened rounds, how they ended, its own reputation and reward."""

from __future__ import annotations

from protocol.canonical import decode
from protocol.errors import Party, VerificationError
from protocol.identifiers import Address, Digest
from protocol.incentives.rewards import allocation_root, claim_proof
from protocol.messages.chain import (
    BatchCommitted,
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
)
from protocol.messages.settlement import MAX_RECORD_BYTES, Allocation, ProvenEntitlement, RoundRecord
from protocol.messages.task import MAX_SPEC_BYTES, TaskSpec
from storage.content.interface import ContentStore, get_document
from storage.ledger.follower import EventFollower
from storage.ledger.interface import LedgerReader


class ChainView:
    """A fold over one task's events, made anew when the chain takes some back; documents are checked against it."""

    def __init__(self, ledger: LedgerReader, store: ContentStore, task: int, client: Address) -> None:
        self._ledger, self._store, self._task, self._client = ledger, store, task, client
        self._follower = EventFollower(ledger, task, Event)
        self._start_over()

    def _start_over(self) -> None:
        self._applied = self._confirmations = 0
        self._in_charge: Address | None = None
        self._left_round: int | None = None
        self._opened: dict[int, tuple[RoundOpened, Address]] = {}  # with the edge server that did it
        self._batches: dict[int, BatchCommitted] = {}
        self._outcomes: dict[int, tuple[bool, int]] = {}  # with the block that says so
        self._allocations: dict[int, tuple[Digest, Allocation]] = {}  # of settled rounds, without the frozen ones
        self._enrolled_reputation = self._planned_reputation = 0

    @property
    def bytes_sent(self) -> int:
        return int(getattr(self._ledger, "bytes_sent", 0))

    def refresh(self) -> None:
        """Reads on; from the start when the chain took back something that was read before."""
        if self._follower.refresh() < self._applied:
            self._start_over()
        for event in self._follower.events[self._applied :]:
            self._apply(event)
            self._applied += 1

    def opened(self, round_number: int) -> RoundOpened | None:
        if round_number not in self._opened:
            self.refresh()
        found = self._opened.get(round_number)
        return found[0] if found else None

    def server_of(self, round_number: int) -> Address | None:
        """The edge server that opened this round, whose batch it will be; None for a round that is not on chain."""
        found = self._opened.get(round_number)
        return found[1] if found else None

    def left_before(self, round_number: int) -> bool:
        """Whether this client left, and no round from this one on can plan it."""
        return self._left_round is not None and self._left_round < round_number

    def is_over(self, round_number: int) -> bool:
        """The round has ended, as far as the chain goes now."""
        return round_number in self._outcomes

    def ended(self) -> bool:
        """No later round can open: all are done, or the task's time is over and none runs."""
        self.refresh()
        view = self._ledger.task(self._task)
        over = view.last_round >= view.rounds or self._ledger.now() > view.task_until
        return over and (view.last_round == 0 or view.last_round in self._outcomes)

    def batch(self, round_number: int) -> BatchCommitted | None:
        """None when there is none so far."""
        return self._batches.get(round_number)

    def outcome(self, round_number: int) -> bool | None:
        """True: this client's update went into the model; False: it did not; None: not settled, or not deep enough.

        The phone keeps its residual by this and never asks again, so it must not change any more: the task's
        confirmations lie upon it.
        """
        outcome, block = self._outcomes.get(round_number, (None, 0))
        return outcome if outcome is not None and self._follower.head - block >= self._confirmations else None

    @property
    def reputation(self) -> int:
        """The one that the last opened round has to plan this client with; no later dispute changes it."""
        return self._planned_reputation

    def entitlement(self) -> ProvenEntitlement | None:
        """Of this client's claim as of now; None when it lists nothing for it."""
        self.refresh()
        root, _ = self._ledger.task(self._task).payable(self._ledger.now())
        allocation = dict(self._allocations.values()).get(root)
        if allocation is None or self._client not in {entry.client for entry in allocation.entitlements}:
            return None
        return claim_proof(allocation, self._client)

    def payable_from(self) -> int:
        """When the last settled round can be claimed, in seconds of block time."""
        return self._ledger.task(self._task).payable_from

    def _standing_reputation(self) -> int:
        last = self._allocations[max(self._allocations)][1].entitlements if self._allocations else ()
        return next((entry.reputation for entry in last if entry.client == self._client), self._enrolled_reputation)

    def _apply(self, event: Event) -> None:
        match event:
            case TaskPosted():
                self._in_charge = event.terms.edge_servers[0]
                data = get_document(self._store, event.terms.spec, MAX_SPEC_BYTES)
                self._confirmations = decode(TaskSpec, data, MAX_SPEC_BYTES).confirmations
            case Enrolled(client=client) if client == self._client:
                self._enrolled_reputation = event.reputation
            case Left(client=client) if client == self._client:
                self._left_round = max(self._opened, default=0)
            case TakenOver():
                self._in_charge = event.edge_server
            case RoundOpened():
                assert self._in_charge is not None  # the task was posted before
                self._opened[event.round] = event, self._in_charge
                self._planned_reputation = self._standing_reputation()
            case BatchCommitted():
                self._batches[event.round] = event
            case RoundPublished():
                record = self._settled(event)
                self._outcomes[event.round] = self._client in record.verdict.accepted, event.block
            case RoundAbandoned():
                self._settled(event)
                self._outcomes[event.round] = False, event.block
            case RoundExpired():
                self._outcomes[event.round] = False, event.block
            case RoundFrozen():
                self._allocations.pop(event.round, None)
                self._outcomes.setdefault(event.round, (False, event.block))
            case _:
                pass

    def _settled(self, event: RoundPublished | RoundAbandoned) -> RoundRecord:
        record = decode(RoundRecord, get_document(self._store, event.record, MAX_RECORD_BYTES))
        allocation = decode(Allocation, get_document(self._store, record.allocation, MAX_RECORD_BYTES))
        if allocation_root(allocation) != event.allocation_root:
            raise VerificationError("the allocation is not the one on chain", fault=Party.EDGE_SERVER)
        self._allocations[event.round] = event.allocation_root, allocation
        return record
