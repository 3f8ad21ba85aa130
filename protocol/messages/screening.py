"""Screening of updates that nobody sees: what the authorities are asked, the verdict."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final

from protocol.canonical import encode
from protocol.content.cid import cid_of
from protocol.identifiers import Address, Amount, Count, Digest, Label, Nonce, PartsPerMillion, Range, Signature, Word
from protocol.messages.keys import Sightings
from protocol.messages.round import RoundPlan
from protocol.messages.screening_terms import MAX_SCREENED
from protocol.messages.settlement import Rejection

MAX_GRAM_REQUEST_BYTES: Final = 2 * 1024 * 1024
MAX_SCREENING_BYTES: Final = 4 * 1024 * 1024
MAX_OPENING_BYTES: Final = 64 * 1024 * 1024  # of an answer: the triangle of 4,000 histories is as much
MAX_PUBLIC: Final = 4
MAX_HISTORIES: Final = 4_000
MAX_LEVEL: Final = 15  # of the weights that FoolsGold gives

GRAM_KIND: Final = "gram"  # kind of the request for a round's openings, beside that for its sum

# Why screening keeps a client out of the sum. The openings show each of them to anybody, for ever.
NORM: Final = "norm"  # the update is longer than the task's bound, or garbage
GRAM: Final = "gram"  # inner products that no vectors of their lengths have: something wrapped
HISTORY: Final = "history"  # the mean update is longer than a clipped one can be
RULE: Final = "rule"  # what the task's rule says


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
    entries: Annotated[tuple[GramEntry, ...], Range(1, MAX_SCREENED)]  # ascending by client
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
class StepSum:
    """Over the rounds of about a window: what a client's updates have in common with the model's last steps."""

    client: Address
    excess: Annotated[int, Range(-(2**63), 2**63 - 1)]  # of inner products above each round's median
    noise: Annotated[int, Range(1, 2**128 - 1)]  # expected excess of a copy
    error: Amount  # products of squared lengths: 512 times the squared error of the excess


@dataclass(frozen=True, slots=True)
class ScreeningVerdict:
    """A pure function of the openings; all tuples ascend by client."""

    label: Label
    request: Digest  # of the GramRequest
    passed: Annotated[tuple[Address, ...], Range(0, MAX_SCREENED)]  # the norm tests: goes into the histories
    accepted: Annotated[tuple[Address, ...], Range(0, MAX_SCREENED)]  # goes into the sum, where its weight is not 0
    rejected: Annotated[tuple[Rejection, ...], Range(0, MAX_SCREENED)]
    stated: bool  # the rule could say something; not: on too few clients, or on data that it is not for
    levels: Annotated[tuple[ClientLevel, ...], Range(0, MAX_HISTORIES)]  # for the next plan; of ``foolsgold`` alone
    shares: Annotated[tuple[ClientShare, ...], Range(0, MAX_SCREENED)]
    idle: Annotated[tuple[Address, ...], Range(0, MAX_SCREENED)]  # free riders, by what they send
    rounds: Count  # settled in the histories that were opened
    steps: Annotated[tuple[StepSum, ...], Range(0, MAX_HISTORIES + MAX_SCREENED)] = ()  # for the next verdict


@dataclass(frozen=True, slots=True)
class OpeningStatement:
    """EIP-712 ``Opening``, signed by the authority: ``answers`` is the content digest of its three answers."""

    task: Word
    round: Annotated[int, Range(1, 2**32 - 1)]
    label: Label
    request: Digest  # of the GramRequest
    authority: Address
    key_epoch: Annotated[int, Range(0, 2**32 - 1)]
    answers: Digest


@dataclass(frozen=True, slots=True)
class SignedOpening:
    statement: OpeningStatement
    signature: Signature


@dataclass(frozen=True, slots=True)
class OpeningAnswer:
    """``answers``: inner products, then norms, then histories, six bytes a word (``docs/screening.md``, section 3)."""

    signed: SignedOpening
    answers: Annotated[bytes, Range(1, MAX_OPENING_BYTES)]


@dataclass(frozen=True, slots=True)
class PlannedGramRequest:
    """What the edge server shows to an authority: the request, the plan it is under, and who saw it on chain."""

    plan: RoundPlan
    request: GramRequest
    sightings: Sightings


@dataclass(frozen=True, slots=True)
class Screening:
    """How a round was screened: all that anybody needs to open it again, and what follows. The request for the round's
    key names it by its digest; where no key is requested, the record of the round does."""

    request: Digest  # of the GramRequest
    sightings: Sightings  # of it
    openings: Annotated[tuple[SignedOpening, ...], Range(1, 16)]  # ascending by position in the committee, that agree
    accused: Annotated[tuple[SignedOpening, ...], Range(0, 16)]  # signed lies, in the same order
    verdict: ScreeningVerdict

    def digest(self) -> Digest:
        return cid_of(encode(self)).digest
