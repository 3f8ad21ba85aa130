"""One round as the chain tells it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from protocol.identifiers import Address
from protocol.messages.chain import (
    BatchCommitted,
    DirectCommitted,
    KeyRequested,
    RoundAbandoned,
    RoundExpired,
    RoundFrozen,
    RoundOpened,
    RoundPublished,
    ScreeningRequested,
    TaskTerms,
)
from protocol.messages.submission import Commitment, SignedCommitment
from protocol.round.state_table import RoundState

Settled = RoundPublished | RoundAbandoned
Ended = RoundPublished | RoundAbandoned | RoundExpired


@dataclass(frozen=True, slots=True)
class RoundFacts:
    """What events say of one round so far; its documents are asked of the :class:`~protocol.task.state.TaskState`."""

    opened: RoundOpened
    server: Address  # that opened it, and whose batch it is
    batched: BatchCommitted | None = None
    directs: Mapping[Address, DirectCommitted] = field(default_factory=dict)  # by client
    screening: ScreeningRequested | None = None
    screening_by: Address | None = None
    requested: KeyRequested | None = None
    requested_by: Address | None = None
    ended: Ended | None = None
    ended_by: Address | None = None  # acting edge server at that time
    frozen: RoundFrozen | None = None

    @property
    def number(self) -> int:
        return self.opened.round

    @property
    def state(self) -> RoundState:
        """As the contract has it."""
        if self.frozen is not None:
            return RoundState.FROZEN
        match self.ended:
            case RoundPublished():
                return RoundState.PUBLISHED
            case RoundAbandoned():
                return RoundState.ABANDONED
            case RoundExpired():
                return RoundState.EXPIRED
        return RoundState.OPEN if self.requested is None else RoundState.REQUESTED

    @property
    def running(self) -> bool:
        return self.ended is None and self.frozen is None

    @property
    def commits(self) -> bool:
        """The contract may still take commitments: who knows the sketch, or the set of the key, chooses none."""
        return self.running and self.screening is None and self.requested is None

    @property
    def loses_histories(self) -> bool:
        """Its key was requested, and it ended without a model: what its openings said may never be published, so it
        counts for nobody, and the histories that it may be in begin anew."""
        return self.requested is not None and not self.running and not isinstance(self.ended, RoundPublished)

    @property
    def settled(self) -> Settled | None:
        """Its settlement, if it has one and no dispute has frozen it."""
        return self.ended if isinstance(self.ended, Settled) and self.frozen is None else None

    @property
    def compensates(self) -> bool:
        """It has no tree: whoever committed in it is owed a compensation."""
        return self.frozen is not None or isinstance(self.ended, RoundExpired)

    def compensation(self, terms: TaskTerms) -> int:
        """Of one client that committed, should this round not be published. Whoever requested a key may have opened the
        sum, so it costs the whole reward."""
        return terms.participation if self.requested is None else terms.participation + terms.contribution

    def direct_commitments(self) -> dict[Address, SignedCommitment]:
        """As their clients signed them, by client."""
        return {client: _signed(event) for client, event in self.directs.items()}


def _signed(event: DirectCommitted) -> SignedCommitment:
    commitment = Commitment(event.task, event.round, event.client, event.label, event.nonce, event.ciphertext)
    return SignedCommitment(commitment, event.signature)
