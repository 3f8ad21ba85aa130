"""What the phone takes from the chain's events: opened rounds, how they ended, its own reputation and reward."""

from __future__ import annotations

from protocol.canonical import decode
from protocol.errors import Party, VerificationError
from protocol.identifiers import Address, Digest
from protocol.incentives.rewards import allocation_root, claim_proof
from protocol.messages.chain import (
    Enrolled,
    Event,
    RoundAbandoned,
    RoundExpired,
    RoundFrozen,
    RoundOpened,
    RoundPublished,
)
from protocol.messages.settlement import MAX_RECORD_BYTES, Allocation, Entitlement, RoundRecord
from storage.content.interface import ContentStore, get_document
from storage.ledger.interface import LedgerReader


class ChainView:
    """A fold over one task's events, read in ranges; documents are checked against what is on chain."""

    def __init__(self, ledger: LedgerReader, store: ContentStore, task: int, client: Address) -> None:
        self._ledger, self._store, self._task, self._client = ledger, store, task, client
        self._next_block = 0
        self._opened: dict[int, RoundOpened] = {}
        self._outcomes: dict[int, bool] = {}
        self._allocations: dict[Digest, Allocation] = {}  # by root, in the order of their rounds
        self._enrolled_reputation = 0

    @property
    def bytes_sent(self) -> int:
        return int(getattr(self._ledger, "bytes_sent", 0))

    def refresh(self) -> None:
        events = self._ledger.events(self._task, self._next_block)
        for event in events:
            self._apply(event)
            self._next_block = event.block + 1

    def opened(self, round_number: int) -> RoundOpened | None:
        if round_number not in self._opened:
            self.refresh()
        return self._opened.get(round_number)

    def outcome(self, round_number: int) -> bool | None:
        """True: this client's update went into the model; False: it did not; None: not settled yet."""
        return self._outcomes.get(round_number)

    @property
    def reputation(self) -> int:
        own = self._own_entitlement()
        return own.reputation if own else self._enrolled_reputation

    def entitlement(self) -> tuple[int, Entitlement, tuple[Digest, ...]] | None:
        """Index, leaf and proof of this client's claim as of now; None when it lists nothing for it."""
        self.refresh()
        root, _ = self._ledger.task(self._task).payable(self._ledger.now())
        allocation = self._allocations.get(root)
        if allocation is None or self._client not in {entry.client for entry in allocation.entitlements}:
            return None
        return claim_proof(allocation, self._client)

    def payable_from(self) -> int:
        """When the last settled round can be claimed, in seconds of block time."""
        return self._ledger.task(self._task).payable_from

    def _own_entitlement(self) -> Entitlement | None:
        last = next(reversed(self._allocations.values()), None)
        return next((e for e in last.entitlements if e.client == self._client), None) if last else None

    def _apply(self, event: Event) -> None:
        match event:
            case Enrolled(client=client) if client == self._client:
                self._enrolled_reputation = event.reputation
            case RoundOpened():
                self._opened[event.round] = event
            case RoundPublished():
                record = self._settled(event.record, event.allocation_root)
                self._outcomes[event.round] = self._client in record.verdict.accepted
            case RoundAbandoned():
                self._settled(event.record, event.allocation_root)
                self._outcomes[event.round] = False
            case RoundExpired():
                self._outcomes[event.round] = False
            case RoundFrozen():
                self._outcomes.setdefault(event.round, False)
            case _:
                pass

    def _settled(self, record_digest: Digest, root: Digest) -> RoundRecord:
        record = decode(RoundRecord, get_document(self._store, record_digest, MAX_RECORD_BYTES))
        allocation = decode(Allocation, get_document(self._store, record.allocation, MAX_RECORD_BYTES))
        if allocation_root(allocation) != root:
            raise VerificationError("the allocation is not the one on chain", fault=Party.EDGE_SERVER)
        self._allocations.pop(root, None)  # a round that paid nobody repeats the tree of an earlier one
        self._allocations[root] = allocation
        return record
