"""How a round ends: the verdict, the published record and what everyone is owed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from protocol.identifiers import ZERO_DIGEST, Address, Amount, Count, Digest, Label, Range, Word
from protocol.messages.charge import Charge
from protocol.messages.keys import Sightings, SignedPartialKey
from protocol.messages.learning import ShortText
from protocol.messages.task import MAX_CLIENTS

MAX_RECORD_BYTES = 8 * 1024 * 1024
_PARTIES = 32  # edge servers and authorities, who have a leaf as well
_ENTITLEMENT_BYTES = 127  # at most, with what separates two

PUBLISHED = "published"
ABANDONED = "abandoned"
GARBAGE = "garbage"  # published, though what the key opens is no sum: the model stays as it was

# Why a commitment is not in the accepted set. The first two cannot be refuted later; the third can.
UNAVAILABLE = "unavailable"
CORRUPT = "corrupt"
MALFORMED = "malformed"
# Of a screened round, beside what ``protocol.messages.screening`` names: nobody's fault, and its update is not lost.
PROBATION = "probation"  # the first rounds move no model
LEVEL = "level"  # its weight is 0, by the openings of the rounds before


@dataclass(frozen=True, slots=True)
class Rejection:
    client: Address
    reason: ShortText


@dataclass(frozen=True, slots=True)
class Verdict:
    """A pure function of public data: the commitments of a round and the state of their ciphertexts."""

    label: Label
    accepted: Annotated[tuple[Address, ...], Range(0, 10_000)]  # ascending
    rejected: Annotated[tuple[Rejection, ...], Range(0, 10_000)]  # ascending by client


@dataclass(frozen=True, slots=True)
class Entitlement:
    """One leaf of the allocation tree: everything that a client, server or authority has earned in the task so far.

    ``reputation``: of a client; 0 for everybody else.
    """

    client: Address
    cumulative: Amount
    reputation: Annotated[int, Range(0, 255)]


@dataclass(frozen=True, slots=True)
class Allocation:
    """Ascending by client; the leaf's index is its position."""

    task: Word
    round: Count
    entitlements: Annotated[tuple[Entitlement, ...], Range(0, MAX_CLIENTS + _PARTIES)]


def max_allocation_bytes(clients: int) -> int:
    """Of a task of so many clients at most."""
    return 1024 + _ENTITLEMENT_BYTES * (clients + _PARTIES)


@dataclass(frozen=True, slots=True)
class ProvenEntitlement:
    """One leaf of the allocation of ``round``, and what leads from it to the root on chain: all that a claim takes."""

    round: Count
    index: Annotated[int, Range(0, 2**32 - 1)]
    entitlement: Entitlement
    proof: Annotated[tuple[Digest, ...], Range(0, 32)]


@dataclass(frozen=True, slots=True)
class RoundRecord:
    """Everything about a finished round that an auditor cannot derive from the plan alone.

    An abandoned round has no key, aggregate or model: their digests are zero, ``sightings``, ``keys`` and ``accused``
    empty. One whose key opens garbage has no aggregate, and the model that its plan starts from.
    """

    label: Label
    outcome: ShortText
    verdict: Verdict
    request: Digest
    sightings: Sightings  # of the request, without which no authority answers
    keys: Annotated[tuple[SignedPartialKey, ...], Range(0, 16)]  # ascending by position in the committee
    accused: Annotated[tuple[SignedPartialKey, ...], Range(0, 16)]  # signed lies, in the same order
    functional_key: Digest  # SHA-256 of the combined key's bytes
    aggregate: Digest  # content digest of the decrypted sums (i64 little-endian)
    max_residual: Annotated[int, Range(0, 2**64 - 1)]  # in ciphertext words, rounded up
    model: Digest  # content digest of the parameters after the round
    correct: Count  # right answers on the public test set, of ...
    examples: Count
    charge: Charge  # spent so far by a client that trained in every round
    allocation: Digest  # content digest of the canonical Allocation
    averaged: Digest = ZERO_DIGEST  # content digest of the mean parameters of the last models, of ...
    averaged_rounds: Count = 0  # zero where the task asks for none, and where the round made no model
    screening: Digest = ZERO_DIGEST  # content digest of the Screening; zero where nothing was opened
