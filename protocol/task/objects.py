"""Everything in a content store that a task needs, by digest: what its operator keeps, and what an audit reads.

What is named by a document that nobody can read is not known, and so not listed; it is as soon as that can be read.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from protocol.content.cid import CHUNK_BYTES
from protocol.encryption.envelope import MAX_ENVELOPE_BYTES
from protocol.errors import EncryptionError
from protocol.identifiers import Digest
from protocol.messages.screening import MAX_OPENING_BYTES, Screening
from protocol.model.dataset import MAX_DATASET_BYTES
from protocol.model.layout import Layout
from protocol.round.scheme import RoundScheme
from protocol.task.documents import MAX_BYTES, Absent, Kind
from protocol.task.state import TaskState


@dataclass(frozen=True, slots=True)
class TaskObject:
    """``chunk_bytes``: of the tree that the digest may be the root of."""

    digest: Digest
    what: str
    max_bytes: int
    chunk_bytes: int = CHUNK_BYTES


def objects_of(state: TaskState, first: int = 1) -> Iterator[TaskObject]:
    """Of the task itself, and of its rounds from ``first`` on; each at least once."""
    if state.posted is None:
        return
    yield TaskObject(state.posted.terms.spec, Kind.SPEC.value, MAX_BYTES[Kind.SPEC])
    spec = state.spec
    if not isinstance(spec, Absent):
        yield TaskObject(spec.initial_model, "initial model", Layout.published(spec).max_bytes)
        yield TaskObject(spec.test_set, "test set", MAX_DATASET_BYTES)
    for enrolled in state.enrolled.values():
        yield TaskObject(enrolled.envelope, "key envelope", MAX_ENVELOPE_BYTES)
    for number in range(first, len(state.rounds) + 1):
        yield from round_objects(state, number)


def round_objects(state: TaskState, number: int) -> Iterator[TaskObject]:
    """The documents of one round, and its ciphertexts."""
    for wanted in state.wanted_of(number):
        yield TaskObject(wanted.digest, wanted.kind.value, wanted.max_bytes)
    yield from _answers(state, number)
    spec, plan, committed = state.spec, state.plan(number), state.committed(number)
    if isinstance(spec, Absent) or isinstance(plan, Absent) or isinstance(committed, Absent):
        return
    try:
        scheme = RoundScheme.of(plan, spec.committee)
    except EncryptionError:  # a suite that there is not: nobody encrypts with it
        return
    for signed in committed.values():
        yield TaskObject(signed.commitment.ciphertext, "ciphertext", scheme.max_fetched_bytes, scheme.block_bytes)


def _answers(state: TaskState, number: int) -> Iterator[TaskObject]:
    """Of the authorities, from which the round's openings are opened again."""
    screening = state.screening(number)
    if isinstance(screening, Screening):
        for signed in (*screening.openings, *screening.accused):
            yield TaskObject(signed.statement.answers, "openings", MAX_OPENING_BYTES)
