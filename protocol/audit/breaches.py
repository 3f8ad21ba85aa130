"""What the ledger's judge can convict a party of, as far as chain and content show it: docs/protocol.md, section 6.

Whatever cannot be read proves nothing. Receipts and signed statements are not public: whoever holds two that contradict
each other makes the proof.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from protocol.cohort import sum_of
from protocol.domain import Domain
from protocol.errors import HearthError, Party
from protocol.identifiers import Address
from protocol.incentives.rewards import total_owed
from protocol.messages.chain import RoundOpened, TaskTerms
from protocol.messages.keys import SightingStatement, SignedPartialKey, SignedSighting
from protocol.messages.round import ClientWeight, RoundPlan
from protocol.messages.screening import Screening, SignedOpening
from protocol.messages.settlement import Allocation, RoundRecord
from protocol.messages.submission import CommitmentBatch, SignedCommitment
from protocol.round.commitments import batch_root
from protocol.signing import Signable, verify
from protocol.task.documents import Absent
from protocol.task.past import standing_allocation
from protocol.task.round_facts import RoundFacts, Settled
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
class UnplannedLeaf:
    """A leaf of a client that is not in the cohort; ``weights``: the whole cohort, ascending, as it stands on chain."""

    task: int
    round: int
    culprit: Address
    batch: CommitmentBatch
    index: int
    weights: tuple[ClientWeight, ...]


@dataclass(frozen=True, slots=True)
class LoweredLeaf:
    """``client`` is owed less in the tree ``after`` than in the one ``before`` it; ``round`` settled the later one."""

    task: int
    round: int
    culprit: Address
    before: Allocation
    after: Allocation
    client: Address


@dataclass(frozen=True, slots=True)
class OverAllocated:
    """The leaves of the tree owe more together than ``allocated``, which is what ``round`` put on chain."""

    task: int
    round: int
    culprit: Address
    allocation: Allocation
    allocated: int


@dataclass(frozen=True, slots=True)
class TwoKeys:
    """One authority signed two things under one label."""

    task: int
    round: int
    culprit: Address
    one: SignedPartialKey
    other: SignedPartialKey


@dataclass(frozen=True, slots=True)
class TwoOpenings:
    """One authority answered the openings under one label with two things."""

    task: int
    round: int
    culprit: Address
    one: SignedOpening
    other: SignedOpening


@dataclass(frozen=True, slots=True)
class TwoSightings:
    """One authority saw two requests of one kind under one label."""

    task: int
    round: int
    culprit: Address
    one: SignedSighting
    other: SignedSighting


OfBatch = BadLeaf | Disorder | UnplannedLeaf
OfTree = LoweredLeaf | OverAllocated
OfAuthority = TwoKeys | TwoOpenings | TwoSightings
Breach = OfBatch | OfTree | OfAuthority
AuthorityWord = SignedPartialKey | SignedOpening | SignedSighting


def two_words(one: AuthorityWord, other: AuthorityWord) -> OfAuthority | None:
    """The breach in two statements that one authority signed; whether it did is for the caller to verify."""
    where = other.statement.task, other.statement.round, other.statement.authority
    if place_of(one) != place_of(other):
        return None
    if isinstance(one, SignedSighting) and isinstance(other, SignedSighting):
        return TwoSightings(*where, one, other) if one.statement.digest != other.statement.digest else None
    if isinstance(one, SignedPartialKey) and isinstance(other, SignedPartialKey):
        said = [(signed.statement.request, signed.statement.residues) for signed in (one, other)]
        return TwoKeys(*where, one, other) if said[0] != said[1] else None
    if isinstance(one, SignedOpening) and isinstance(other, SignedOpening):
        answers = [(signed.statement.request, signed.statement.answers) for signed in (one, other)]
        return TwoOpenings(*where, one, other) if answers[0] != answers[1] else None
    return None


def place_of(signed: AuthorityWord) -> tuple[object, ...]:
    """In one place an authority may say one thing only."""
    said = signed.statement
    place = (type(said), said.task, said.round, said.label, said.authority)
    return (*place, said.kind) if isinstance(said, SightingStatement) else place


def find_breaches(domain: Domain, state: TaskState) -> Iterator[Breach]:
    """At most one of each kind for a batch or a tree, and one for each place where an authority said two things."""
    if state.posted is None:
        return
    for facts in state.rounds:
        yield from _of_batch(domain, state, facts)
    yield from _of_tree(state)
    yield from _of_authorities(domain, state, state.posted.terms)


def _of_batch(domain: Domain, state: TaskState, facts: RoundFacts) -> Iterator[OfBatch]:
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
    yield from _unplanned(state, facts, batch)


def _unplanned(state: TaskState, facts: RoundFacts, batch: CommitmentBatch) -> Iterator[UnplannedLeaf]:
    plan, opened = state.plan(facts.number), facts.opened
    if not isinstance(plan, RoundPlan) or not _is_cohort(plan.weights, opened):
        return  # who is in the cohort on chain, nobody can show
    planned = {entry.client for entry in plan.weights}
    for index, signed in enumerate(batch.commitments):
        if signed.commitment.client not in planned:
            yield UnplannedLeaf(state.task, facts.number, facts.server, batch, index, plan.weights)
            return


def _is_cohort(weights: tuple[ClientWeight, ...], opened: RoundOpened) -> bool:
    clients = [entry.client for entry in weights]
    if not clients or clients != sorted(set(clients)):
        return False
    total = sum_of(weights)
    return (total.root, total.count) == (opened.cohort_root, opened.cohort)


def _of_tree(state: TaskState) -> Iterator[OfTree]:
    """Of the tree that was settled last: the judge knows of no earlier one than the one before it."""
    ended = [facts for facts in state.rounds if isinstance(facts.ended, Settled)]
    if not ended or ended[-1].settled is None:
        return
    settled, number = ended[-1].settled, ended[-1].number
    where = state.task, number, ended[-1].ended_by or ended[-1].server
    after = standing_allocation(state, number)
    if not isinstance(after, Allocation):
        return
    if total_owed(after) > settled.allocated:
        yield OverAllocated(*where, after, settled.allocated)
    earlier = [facts.number for facts in ended[:-1] if facts.settled is not None]
    before = standing_allocation(state, earlier[-1]) if earlier else None
    if isinstance(before, Allocation):
        owed = {entry.client: entry.cumulative for entry in before.entitlements}
        for entry in after.entitlements:
            if entry.cumulative < owed.get(entry.client, 0):
                yield LoweredLeaf(*where, before, after, entry.client)
                return


def _is_fair(domain: Domain, state: TaskState, facts: RoundFacts, signed: SignedCommitment) -> bool:
    commitment = signed.commitment
    where = (commitment.task, commitment.round, commitment.label)
    here = where == (state.task, facts.number, facts.opened.label) and commitment.client in state.enrolled
    return here and _is_by(domain, commitment, signed.signature, state.signer_of(commitment.client))


def _of_authorities(domain: Domain, state: TaskState, terms: TaskTerms) -> Iterator[OfAuthority]:
    first: dict[tuple[object, ...], AuthorityWord] = {}
    shown = set[tuple[object, ...]]()
    for number in range(1, len(state.rounds) + 1):
        for signed in _words(state.record(number), state.screening(number)):
            said, place = signed.statement, place_of(signed)
            concerned = said.task == state.task and said.authority in terms.authorities
            if not concerned or not _is_by(domain, said, signed.signature, said.authority):
                continue
            breach = two_words(first.setdefault(place, signed), signed)
            if breach is not None and place not in shown:
                shown.add(place)
                yield breach


def _words(record: RoundRecord | Absent, screening: Screening | Absent | None) -> Iterator[AuthorityWord]:
    if isinstance(record, RoundRecord):
        yield from record.sightings
        yield from (*record.keys, *record.accused)
    if isinstance(screening, Screening):
        yield from screening.sightings
        yield from (*screening.openings, *screening.accused)


def _is_by(domain: Domain, message: Signable, signature: bytes, signer: Address) -> bool:
    try:
        verify(domain, message, signature, signer, Party.OURS)
    except HearthError:
        return False
    return True
