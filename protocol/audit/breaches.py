"""What the ledger's judge can convict a party of, as far as chain and content show it: docs/protocol.md, section 6.

Whatever cannot be read proves nothing. Receipts and signed statements are not public: whoever holds two that contradict
each other makes the proof.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from protocol.domain import Domain
from protocol.errors import HearthError, Party
from protocol.identifiers import Address
from protocol.messages.chain import TaskTerms
from protocol.messages.keys import SightingStatement, SignedPartialKey, SignedSighting
from protocol.messages.settlement import RoundRecord
from protocol.messages.submission import CommitmentBatch, SignedCommitment
from protocol.round.commitments import batch_root
from protocol.signing import Signable, verify
from protocol.task.round_facts import RoundFacts
from protocol.task.state import TaskState


@dataclass(frozen=True, slots=True)
class BadLeaf:
    """A leaf that is not its client's commitment for this round."""

    task: int
    round: int
    culprit: Address
    batch: CommitmentBatch
    index: int


@dataclass(frozen=True, slots=True)
class Disorder:
    """Leaf ``index`` and the next one do not ascend by client."""

    task: int
    round: int
    culprit: Address
    batch: CommitmentBatch
    index: int


@dataclass(frozen=True, slots=True)
class TwoKeys:
    """One authority signed two things under one label."""

    task: int
    round: int
    culprit: Address
    one: SignedPartialKey
    other: SignedPartialKey


@dataclass(frozen=True, slots=True)
class TwoSightings:
    """One authority saw two requests of one kind under one label."""

    task: int
    round: int
    culprit: Address
    one: SignedSighting
    other: SignedSighting


Breach = BadLeaf | Disorder | TwoKeys | TwoSightings
AuthorityWord = SignedPartialKey | SignedSighting


def two_words(one: AuthorityWord, other: AuthorityWord) -> TwoKeys | TwoSightings | None:
    """The breach in two statements that one authority signed; whether it did is for the caller to verify."""
    where = other.statement.task, other.statement.round, other.statement.authority
    if place_of(one) != place_of(other):
        return None
    if isinstance(one, SignedSighting) and isinstance(other, SignedSighting):
        return TwoSightings(*where, one, other) if one.statement.digest != other.statement.digest else None
    if isinstance(one, SignedPartialKey) and isinstance(other, SignedPartialKey):
        said = [(signed.statement.request, signed.statement.residues) for signed in (one, other)]
        return TwoKeys(*where, one, other) if said[0] != said[1] else None
    return None


def place_of(signed: AuthorityWord) -> tuple[object, ...]:
    """In one place an authority may say one thing only."""
    said = signed.statement
    place = (type(said), said.task, said.round, said.label, said.authority)
    return (*place, said.kind) if isinstance(said, SightingStatement) else place


def find_breaches(domain: Domain, state: TaskState) -> Iterator[Breach]:
    """At most one of each kind for a batch, and one for each place where an authority said two things."""
    if state.posted is None:
        return
    for facts in state.rounds:
        yield from _of_batch(domain, state, facts)
    yield from _of_authorities(domain, state, state.posted.terms)


def _of_batch(domain: Domain, state: TaskState, facts: RoundFacts) -> Iterator[BadLeaf | Disorder]:
    event, batch = facts.batched, state.batch(facts.number)
    if event is None or not isinstance(batch, CommitmentBatch) or not batch.commitments:
        return
    if batch_root(batch) != event.root:
        return  # what the leaves under the root are, nobody can show
    for index, signed in enumerate(batch.commitments):
        if index >= event.count or not _is_fair(domain, state, facts, signed):
            yield BadLeaf(state.task, facts.number, facts.server, batch, index)
            break
    clients = [signed.commitment.client for signed in batch.commitments]
    for low, (one, other) in enumerate(pairwise(clients)):
        if one >= other:
            yield Disorder(state.task, facts.number, facts.server, batch, low)
            break


def _is_fair(domain: Domain, state: TaskState, facts: RoundFacts, signed: SignedCommitment) -> bool:
    commitment = signed.commitment
    where = (commitment.task, commitment.round, commitment.label)
    here = where == (state.task, facts.number, facts.opened.label) and commitment.client in state.enrolled
    return here and _is_by(domain, commitment, signed.signature, commitment.client)


def _of_authorities(domain: Domain, state: TaskState, terms: TaskTerms) -> Iterator[TwoKeys | TwoSightings]:
    first: dict[tuple[object, ...], AuthorityWord] = {}
    shown = set[tuple[object, ...]]()
    for number in range(1, len(state.rounds) + 1):
        record = state.record(number)
        for signed in _words(record) if isinstance(record, RoundRecord) else ():
            said, place = signed.statement, place_of(signed)
            concerned = said.task == state.task and said.authority in terms.authorities
            if not concerned or not _is_by(domain, said, signed.signature, said.authority):
                continue
            breach = two_words(first.setdefault(place, signed), signed)
            if breach is not None and place not in shown:
                shown.add(place)
                yield breach


def _words(record: RoundRecord) -> tuple[AuthorityWord, ...]:
    return (*record.sightings, *record.keys, *record.accused)


def _is_by(domain: Domain, message: Signable, signature: bytes, signer: Address) -> bool:
    try:
        verify(domain, message, signature, signer, Party.OURS)
    except HearthError:
        return False
    return True
