"""Screening of updates that nobody sees: a task's terms, what the authorities are asked, the verdict."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final

from protocol.canonical import encode
from protocol.content.cid import cid_of
from protocol.errors import SpecError
from protocol.identifiers import Address, Count, Digest, Label, Nonce, PartsPerMillion, Range, Signature
from protocol.messages.learning import ShortText
from protocol.messages.settlement import Rejection

MAX_CLIENTS: Final = 1000
MAX_PUBLIC: Final = 4
MAX_HISTORIES: Final = 10_000
MAX_LEVEL: Final = 15  # of the weights that FoolsGold gives

# The rules by name.
KRUM: Final = "krum"
FOOLSGOLD: Final = "foolsgold"
ALIGNMENT: Final = "alignment"
RULES: Final = (KRUM, FOOLSGOLD, ALIGNMENT)

# Why screening keeps a client out of the sum. The openings show each of them to anybody, for ever.
NORM: Final = "norm"  # the update is longer than the task's bound, or garbage
GRAM: Final = "gram"  # inner products that no vectors of their lengths have: something wrapped
HISTORY: Final = "history"  # the mean update is longer than a clipped one can be
RULE: Final = "rule"  # what the task's rule says


@dataclass(frozen=True, slots=True)
class ScreeningTerms:
    """Which rule screens a task, with which bounds; all integers are in units of quantised updates."""

    rule: ShortText
    norm_bound: Annotated[int, Range(1, 2**20)]  # B: longest update of an honest client, noise included
    clip: Annotated[int, Range(1, 2**20)]  # C: longest update before noise
    window: Annotated[int, Range(2, 10_000)]  # R, even: rounds that a history remembers at most
    probation: Annotated[int, Range(0, 10_000)] = 3  # first rounds, which collect history and move no model
    suspects_ppm: Annotated[int, Range(0, 499_999)] = 300_000  # ``krum``: f, of the clients that are compared
    slack_ppm: Annotated[int, Range(0, 10_000_000)] = 500_000  # of the mean update's squared length in a history
    floor_ppm: Annotated[int, Range(1, 100_000_000)] = 1_000_000  # least corrected squared norm, of the noise's
    idle_ppm: PartsPerMillion = 50_000  # below this part of the median alignment, a client is idle
    copy_ppm: PartsPerMillion = 980_000  # |cosine| with a public vector from which on a client copies it

    def __post_init__(self) -> None:
        if self.rule not in RULES:
            raise SpecError("screening.rule", f"{self.rule!r} is none of {', '.join(RULES)}")
        if self.window % 2:
            raise SpecError("screening.window", f"{self.window} rounds have no two halves")
        if 12 * (self.window * self.norm_bound) ** 2 >= 2**48 - 59:
            raise SpecError("screening.window", f"{self.window} rounds with norms up to {self.norm_bound} may wrap")
        if self.clip > self.norm_bound:
            raise SpecError("screening.clip", "is above the bound on norms, which counts the noise, too")


@dataclass(frozen=True, slots=True)
class GramEntry:
    client: Address
    nonce: Nonce
    ciphertext: Digest
    signature: Signature  # of the client's Commitment


@dataclass(frozen=True, slots=True)
class GramRequest:
    """Names all openings of a round: of the updates that came, whatever their weights, of public vectors beside them,
    and of the histories. On chain, as a digest, before any authority answers."""

    label: Label
    beacon: Digest
    entries: Annotated[tuple[GramEntry, ...], Range(1, MAX_CLIENTS)]  # ascending by client
    public: Annotated[tuple[Digest, ...], Range(0, MAX_PUBLIC)]  # content digests of vectors that free riders copy
    histories: Annotated[tuple[Address, ...], Range(0, MAX_HISTORIES)]  # ascending

    def digest(self) -> Digest:
        """As content: it is there before it is on chain, so that everybody can read it."""
        return cid_of(encode(self)).digest


@dataclass(frozen=True, slots=True)
class ClientLevel:
    client: Address
    level: Annotated[int, Range(0, MAX_LEVEL)]


@dataclass(frozen=True, slots=True)
class ClientShare:
    """Of a contribution: parts per million of what the accepted clients contributed together."""

    client: Address
    aligned_ppm: PartsPerMillion  # with the others' histories
    projected_ppm: PartsPerMillion  # on the round's own sum


@dataclass(frozen=True, slots=True)
class ScreeningVerdict:
    """A pure function of the openings; all tuples ascend by client."""

    label: Label
    request: Digest  # of the GramRequest
    passed: Annotated[tuple[Address, ...], Range(0, MAX_CLIENTS)]  # the norm tests: goes into the histories
    accepted: Annotated[tuple[Address, ...], Range(0, MAX_CLIENTS)]  # goes into the sum, where its weight is not 0
    rejected: Annotated[tuple[Rejection, ...], Range(0, MAX_CLIENTS)]
    stated: bool  # the rule could say something; not: on too few clients, or on data that it is not for
    levels: Annotated[tuple[ClientLevel, ...], Range(0, MAX_HISTORIES)]  # for the next plan; of ``foolsgold`` alone
    shares: Annotated[tuple[ClientShare, ...], Range(0, MAX_CLIENTS)]
    idle: Annotated[tuple[Address, ...], Range(0, MAX_CLIENTS)]  # free riders, by what they send
    rounds: Count  # settled in the histories that were opened
