"""What a key authority issued, by its own signed word: who requested a key and did not publish is seen by it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final

from protocol.identifiers import Address, Digest, Label, Range, Signature, Word

MAX_ISSUED_BYTES: Final = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class IssuedStatement:
    """EIP-712 ``Issued``, signed by the authority: it answered ``request`` with its share of the key of this round."""

    task: Word
    round: Annotated[int, Range(1, 2**32 - 1)]
    label: Label
    request: Digest
    authority: Address


@dataclass(frozen=True, slots=True)
class SignedIssued:
    statement: IssuedStatement
    signature: Signature


@dataclass(frozen=True, slots=True)
class IssuedRecord:
    """Of one authority and one task, all that it ever issued."""

    issued: Annotated[tuple[SignedIssued, ...], Range(0, 100_000)]  # ascending by round
