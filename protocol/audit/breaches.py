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
from protocol.identifiers import Address, Label
from protocol.messages.chain import TaskTerms
from protocol.messages.keys import SignedPartialKey
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


Breach = BadLeaf | Disorder | TwoKeys


def find_breaches(domain: Domain, state: TaskState) -> Iterator[Breach]:
    """At most one of each kind for a batch, and one for each authority and label with two keys."""
    if state.posted is None:
        return
    for facts in state.rounds:
        yield from _of_batch(domain, state, facts)
    yield from _of_keys(domain, state, state.posted.terms)


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


def _of_keys(domain: Domain, state: TaskState, terms: TaskTerms) -> Iterator[TwoKeys]:
    first: dict[tuple[Address, int, Label], SignedPartialKey] = {}
    shown = set[tuple[Address, int, Label]]()
    for number in range(1, len(state.rounds) + 1):
        record = state.record(number)
        for signed in (*record.keys, *record.accused) if isinstance(record, RoundRecord) else ():
            said = signed.statement
            key = (said.authority, said.round, said.label)
            concerned = said.task == state.task and said.authority in terms.authorities
            if not concerned or not _is_by(domain, said, signed.signature, said.authority):
                continue
            before = first.setdefault(key, signed).statement
            if key not in shown and (before.request, before.residues) != (said.request, said.residues):
                shown.add(key)
                yield TwoKeys(said.task, said.round, said.authority, first[key], signed)


def _is_by(domain: Domain, message: Signable, signature: bytes, signer: Address) -> bool:
    try:
        verify(domain, message, signature, signer, Party.OURS)
    except HearthError:
        return False
    return True
