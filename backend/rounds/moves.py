"""The moves of an edge server, and what it knows of a task besides chain and content.

What it does next is decided in :mod:`backend.rounds.next_move` and carried out in :mod:`backend.rounds.performer`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from protocol.identifiers import ZERO_DIGEST, Address, Digest
from protocol.messages.settlement import Verdict


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do before block time ``until``, unless an event or a message comes first."""

    until: int


@dataclass(frozen=True, slots=True)
class Fetch:
    """Look for the documents that are missing."""


@dataclass(frozen=True, slots=True)
class ReadTimes:
    """Ask the chain for the times of these blocks."""

    blocks: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ShowTask:
    """Show the spec to the key authorities."""


@dataclass(frozen=True, slots=True)
class AskKeys:
    """Ask the key authorities for the keys of this window of rounds, to which phones seal their shares."""

    window: int


@dataclass(frozen=True, slots=True)
class ShowEnvelopes:
    """Show these clients' envelopes to the authorities that have not confirmed their shares."""

    clients: tuple[Address, ...]


@dataclass(frozen=True, slots=True)
class DrawCohort:
    """Have a block draw the cohort of this round, or end a draw with which it can be opened no more."""

    number: int


@dataclass(frozen=True, slots=True)
class ReadBeacon:
    """Ask the chain for the hash of the block that draws the next cohort, once it is deep enough."""

    block: int


@dataclass(frozen=True, slots=True)
class OpenRound:
    number: int
    cohort: Mapping[Address, int]  # reputation by client


@dataclass(frozen=True, slots=True)
class AskEndorsements:
    """Ask the key authorities for their word on the cohort of the round that runs."""

    number: int


@dataclass(frozen=True, slots=True)
class CommitBatch:
    """Close the batch for good, then put it on chain."""

    number: int


@dataclass(frozen=True, slots=True)
class VerifyUpdates:
    """Fetch the committed ciphertexts, decide once who is accepted, add those up."""

    number: int


@dataclass(frozen=True, slots=True)
class ExamineUpdates:
    """Fetch the committed ciphertexts of a screened round: which of them came."""

    number: int


@dataclass(frozen=True, slots=True)
class RequestScreening:
    """Put the request for the openings of all updates that came on chain, once there is the block that draws them."""

    number: int


@dataclass(frozen=True, slots=True)
class AskOpenings:
    """Ask the authorities for their answers to the request on chain, open what they say, and take its verdict."""

    number: int


@dataclass(frozen=True, slots=True)
class GoUnopened:
    """Take the verdict of a round that too few authorities open, or for which nobody is asked."""

    number: int


@dataclass(frozen=True, slots=True)
class RequestKey:
    number: int


@dataclass(frozen=True, slots=True)
class FollowRequest:
    """Go on with the accepted set whose key another server requested."""

    number: int


@dataclass(frozen=True, slots=True)
class DecryptSum:
    """Ask the authorities for the key of the request on chain, decrypt the sum, step the model."""

    number: int


@dataclass(frozen=True, slots=True)
class Publish:
    number: int


@dataclass(frozen=True, slots=True)
class Abandon:
    number: int


@dataclass(frozen=True, slots=True)
class Expire:
    number: int


@dataclass(frozen=True, slots=True)
class Rederive:
    """Derive again what somebody withholds of a settled round."""

    number: int


@dataclass(frozen=True, slots=True)
class End:
    """Nobody can claim any more."""


Move = (
    Wait | Fetch | ReadTimes | ShowTask | AskKeys | ShowEnvelopes | DrawCohort | ReadBeacon | OpenRound
    | AskEndorsements | CommitBatch | VerifyUpdates | ExamineUpdates | RequestScreening | AskOpenings
    | GoUnopened | RequestKey | FollowRequest | DecryptSum | Publish | Abandon | Expire | Rederive | End
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Screened:
    """What this server knows of the screening of the last round.

    ``evidence``: digest of the Screening that its verdict follows from, zero where that follows from none.
    """

    came: int | None = None  # updates; None: not examined yet, or not for this request
    overdue: bool = False  # the chain does not tell a contract any more which block drew the sketch
    asked: bool = False  # the authorities, at least once, for the openings of the request on chain
    evidence: Digest = ZERO_DIGEST


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What this server knows of the task besides chain and content.

    ``submissions`` to ``undecryptable`` are of the last round, ``beacon`` and ``overdue`` of the draw for the next one.
    ``not_before``: block time before which a kind of move is not tried again.
    """

    server: Address
    missing: bool = False  # documents are worth a look
    told: bool = False  # the authorities were shown the spec
    keyed: frozenset[int] = frozenset()  # windows for which the keys of all authorities are here
    acceptances: Mapping[Address, frozenset[Address]] = field(default_factory=dict)  # client -> authorities
    shown: frozenset[Address] = frozenset()  # clients whose envelope was before the authorities at least once
    refused: frozenset[Address] = frozenset()  # clients whose envelope an authority found wrong
    unendorsed: bool = False  # too few authorities have given their word on the cohort of the last round yet
    submissions: frozenset[Address] = frozenset()  # clients whose commitment was taken
    censored: frozenset[Address] = frozenset()  # clients that this server ignores on purpose
    closed: bool = False  # the batch takes no more
    screened: Screened = field(default_factory=Screened)  # of a task that is
    verdict: Verdict | None = None
    summed: bool = False  # the sum of the accepted is at hand
    keyless: bool = False  # the ledger takes no request for a key: too few authorities have their bonds still
    opened: bool = False  # what the key of the request opens is at hand, a sum or garbage
    undecryptable: bool = False  # the sum cannot be made, or decrypted, whoever asks
    beacon: Digest | None = None
    overdue: bool = False  # no block that comes can tell the beacon any more
    underivable: Mapping[int, int] = field(default_factory=dict)  # rounds for which deriving again did not help, until
    not_before: Mapping[type[Move], int] = field(default_factory=dict)
