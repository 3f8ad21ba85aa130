"""Documents behind the digests on chain: what each must be, and what stands in the place of one that cannot be read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Any, Final, TypeVar

from protocol.canonical import decode
from protocol.cohort import sum_of
from protocol.errors import HearthError, Party, VerificationError
from protocol.identifiers import Address, Digest, Label
from protocol.messages.keys import MAX_REQUEST_BYTES, KeyRequest
from protocol.messages.round import RoundPlan
from protocol.messages.screening import (
    MAX_GRAM_REQUEST_BYTES,
    MAX_SCREENING_BYTES,
    GramRequest,
    Screening,
    ScreeningVerdict,
)
from protocol.messages.settlement import MAX_RECORD_BYTES, Allocation, RoundRecord, Verdict
from protocol.messages.submission import MAX_BATCH_BYTES, CommitmentBatch
from protocol.messages.task import MAX_SPEC_BYTES, TaskSpec
from protocol.model.layout import Layout
from protocol.sparse.codec import decode_sums

T = TypeVar("T")


class Kind(Enum):
    """What a digest on chain, or in another document, stands for."""

    SPEC = "spec"
    PLAN = "plan"
    BATCH = "batch"
    REQUEST = "key request"
    GRAM = "screening request"
    SCREENING = "screening"
    RECORD = "record"
    ALLOCATION = "allocation"
    AGGREGATE = "aggregate"
    MODEL = "model"


class Lack(StrEnum):
    """Why a document cannot be read."""

    AWAITED = "awaited"  # nobody has handed it in yet
    MISSING = "missing"  # not in the content store
    CORRUPT = "corrupt"  # what the store gives is not what the digest names
    MALFORMED = "malformed"  # it is what the digest names, and not a document of its kind: that never changes


@dataclass(frozen=True, slots=True)
class Absent:
    """In the place of a document that cannot be read; ``keeper`` was to keep it."""

    digest: Digest
    lack: Lack
    keeper: Address


class UnderivableError(HearthError):
    """Too much is withheld, or what follows is not what stands on chain."""

    code = "E_UNDERIVABLE"


def there(document: T | Absent) -> T:
    """Raises UnderivableError for one that is absent."""
    if isinstance(document, Absent):
        raise UnderivableError(f"a document that the round needs is {document.lack}")
    return document


@dataclass(frozen=True, slots=True)
class Present:
    """In the place of a large array that was read and is well formed: whoever needs it reads it again."""

    digest: Digest


@dataclass(frozen=True, slots=True)
class Wanted:
    """A document that a state names. ``size``: of the index set, for sums; else 0."""

    kind: Kind
    digest: Digest
    max_bytes: int
    keeper: Address
    size: int = 0
    layout: Layout | None = None  # of a model
    label: Label | None = None  # of a plan, as it stands on chain


@dataclass(frozen=True, slots=True)
class Delivered:
    """What was found behind the digest: bytes that were held against it already, or why there are none."""

    wanted: Wanted
    found: bytes | Lack


@dataclass(frozen=True, slots=True)
class Rederived:
    """What somebody derived again, and held against the chain, of a settled round whose record nobody can read."""

    number: int
    verdict: Verdict | None = None
    aggregate: Digest | None = None
    allocation: Allocation | None = None


@dataclass(frozen=True, slots=True)
class Screened:
    """What the openings of a settled round say, as somebody derived it from the answers themselves.

    ``verdict``: None where nothing was opened, or what was published of it does not hold: then it counts for nobody.
    """

    number: int
    verdict: ScreeningVerdict | None


Document = (
    TaskSpec | RoundPlan | CommitmentBatch | GramRequest | Screening | KeyRequest | RoundRecord | Allocation | Present
)

MAX_BYTES: Final[Mapping[Kind, int]] = {
    Kind.SPEC: MAX_SPEC_BYTES,
    Kind.BATCH: MAX_BATCH_BYTES,
    Kind.REQUEST: MAX_REQUEST_BYTES,
    Kind.RECORD: MAX_RECORD_BYTES,
    Kind.GRAM: MAX_GRAM_REQUEST_BYTES,
    Kind.SCREENING: MAX_SCREENING_BYTES,
}


def read(delivered: Delivered) -> Document | Absent:
    """The document, or why there is none. Never raises."""
    wanted, found = delivered.wanted, delivered.found
    if isinstance(found, Lack):
        return Absent(wanted.digest, found, wanted.keeper)
    try:
        document: Document = _READERS[wanted.kind](wanted, found)
        return document
    except HearthError:
        return Absent(wanted.digest, Lack.MALFORMED, wanted.keeper)


def _spec(wanted: Wanted, found: bytes) -> TaskSpec:
    spec = decode(TaskSpec, found, wanted.max_bytes)
    Layout.published(spec)  # refuses a model, or a server, that is not allowed
    return spec


def _plan(wanted: Wanted, found: bytes) -> RoundPlan:
    plan = decode(RoundPlan, found, wanted.max_bytes)
    if plan.label() != wanted.label:
        raise VerificationError("the plan is not the one whose label is on chain", fault=Party.EDGE_SERVER)
    if plan.cohort != sum_of(plan.weights):
        raise VerificationError("the plan's clients are not those of its cohort", fault=Party.EDGE_SERVER)
    return plan


def _of(message: type[Any]) -> Callable[[Wanted, bytes], Any]:
    return lambda wanted, found: decode(message, found, wanted.max_bytes)


def _sums(wanted: Wanted, found: bytes) -> Present:
    decode_sums(found, wanted.size)
    return Present(wanted.digest)


def _model(wanted: Wanted, found: bytes) -> Present:
    assert wanted.layout is not None  # that of the spec which named it
    wanted.layout.from_safetensors(found)
    return Present(wanted.digest)


_READERS: Final[Mapping[Kind, Callable[[Wanted, bytes], Any]]] = {
    Kind.SPEC: _spec,
    Kind.PLAN: _plan,
    Kind.BATCH: _of(CommitmentBatch),
    Kind.REQUEST: _of(KeyRequest),
    Kind.GRAM: _of(GramRequest),
    Kind.SCREENING: _of(Screening),
    Kind.RECORD: _of(RoundRecord),
    Kind.ALLOCATION: _of(Allocation),
    Kind.AGGREGATE: _sums,
    Kind.MODEL: _model,
}
