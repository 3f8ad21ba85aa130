"""Whose word a phone takes for a round's cohort: a quorum of authorities that derived it from chain and documents.

So a phone needs neither enrolments nor rosters nor anybody else's past: its place in the cohort's tree is enough.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import reduce
from typing import Final

from protocol.content.cid import cid_of
from protocol.domain import Domain
from protocol.identifiers import Address, Label
from protocol.messages.chain import Event
from protocol.messages.round import MAX_PLAN_BYTES, EndorsementStatement, RoundPlan, SignedEndorsement
from protocol.messages.task import Committee, TaskSpec
from protocol.round.eligibility import check_derived
from protocol.round.quorum import check_quorum_says
from protocol.round.restless import counted
from protocol.task.documents import Delivered, Kind, Wanted
from protocol.task.fold import apply, fold
from protocol.task.past import settled_at_opening
from protocol.task.state import TaskState

MAX_EVIDENCE_BYTES: Final = 64 * 1024 * 1024 + 2 * MAX_PLAN_BYTES
EVIDENCE: Final = frozenset({Kind.SPEC, Kind.PLAN, Kind.RECORD, Kind.ALLOCATION})


def endorsement_of(task: int, round_number: int, label: Label, authority: Address) -> EndorsementStatement:
    """What ``authority`` says of the round with this label."""
    return EndorsementStatement(task, round_number, label, authority)


def check_endorsements(
    domain: Domain,
    committee: Committee,
    task: int,
    round_number: int,
    label: Label,
    endorsements: Sequence[SignedEndorsement],
) -> None:
    """Raises EncryptionError ``E_ENDORSEMENTS``."""

    def expected(authority: Address) -> EndorsementStatement:
        return endorsement_of(task, round_number, label, authority)

    check_quorum_says(domain, committee, expected, endorsements, "E_ENDORSEMENTS")


def evidence_for(state: TaskState, spec: TaskSpec, number: int) -> Iterator[Wanted]:
    """The documents of earlier rounds that the cohort of an opened round follows from; none where nobody is drawn."""
    if not spec.cohort.draws:
        return
    standing = settled_at_opening(state, number)[:1]
    wanted = {facts.number: {Kind.PLAN, Kind.RECORD} for facts in counted(state, spec.cohort, number)}
    for facts in standing:
        wanted[facts.number] = wanted.get(facts.number, set()) | {Kind.RECORD, Kind.ALLOCATION}
    for earlier, kinds in sorted(wanted.items()):
        yield from (document for document in state.wanted_of(earlier) if document.kind in kinds)


def check_cohort(events: Iterable[Event], spec: TaskSpec, plan: RoundPlan, documents: Sequence[bytes]) -> None:
    """As an authority holds it against its own chain. ``events``: all of the task; ``documents``: the spec, and those
    of :func:`evidence_for`. Raises VerificationError, or UnderivableError where one of them is missing."""
    found = {cid_of(body).digest: body for body in documents}
    state, delivered = fold(plan.task, events), True
    while delivered:
        new = [
            Delivered(document, found[document.digest])
            for document in state.wanted()
            if document.kind in EVIDENCE
            and document.digest in found
            and (document.kind, document.digest) not in state.documents
        ]
        state, delivered = reduce(apply, new, state), bool(new)
    check_derived(state, spec, plan)
