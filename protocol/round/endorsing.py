"""Whose word a phone takes for a round's cohort: a quorum of authorities that derived it from chain and documents.

So a phone needs neither enrolments nor rosters nor anybody else's past: its place in the cohort's tree is enough.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import reduce
from typing import Final

from protocol.content.cid import cid_of
from protocol.domain import Domain
from protocol.errors import Party, VerificationError
from protocol.identifiers import Address, Label, to_hex
from protocol.messages.chain import Event
from protocol.messages.round import MAX_PLAN_BYTES, EndorsementStatement, RoundPlan, SignedEndorsement
from protocol.messages.screening import ScreeningVerdict
from protocol.messages.task import Committee, TaskSpec
from protocol.round.eligibility import check_derived, standing_before
from protocol.round.planning import planned_weights
from protocol.round.quorum import check_quorum_says
from protocol.round.restless import counted
from protocol.round.screening_verdict import levels_before
from protocol.task.documents import Delivered, Kind, Screened, Wanted, there
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
    """The documents of earlier rounds that the cohort of an opened round follows from, and in a screened task its
    weights; none of a task that is not screened and draws nobody."""
    if not spec.cohort.draws and not spec.screening.on:
        return
    standing = settled_at_opening(state, number)[:1]
    rounds = counted(state, spec.cohort, number) if spec.cohort.draws else ()
    wanted = {facts.number: {Kind.PLAN, Kind.RECORD} for facts in rounds}
    for facts in standing:
        wanted[facts.number] = wanted.get(facts.number, set()) | {Kind.RECORD, Kind.ALLOCATION}
    for earlier, kinds in sorted(wanted.items()):
        yield from (document for document in state.wanted_of(earlier) if document.kind in kinds)


def check_cohort(
    events: Iterable[Event],
    spec: TaskSpec,
    plan: RoundPlan,
    documents: Sequence[bytes],
    screened: Mapping[int, ScreeningVerdict | None] | None = None,
) -> None:
    """As an authority holds it against its own chain. ``events``: all of the task; ``documents``: the spec, and those
    of :func:`evidence_for`; ``screened``: of a screened task, what the openings of all rounds before say, as the
    authority derived it. Raises VerificationError, or UnderivableError where one of them is missing."""
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
    if spec.screening.on:
        verdicts = [Screened(number, verdict) for number, verdict in (screened or {}).items()]
        check_weights(reduce(apply, verdicts, state), spec, plan)


def check_weights(state: TaskState, spec: TaskSpec, plan: RoundPlan) -> None:
    """Of a screened task: that each weight of an opened round's plan is what reputation and openings give its client,
    so that nobody is weighed out of the sum, or into it. Raises VerificationError, UnderivableError."""
    reputations = {entry.client: entry.reputation for entry in there(standing_before(state, plan.round)).entitlements}
    cohort = {entry.client: reputations[entry.client] for entry in plan.weights if entry.client in reputations}
    expected = planned_weights(spec, cohort, levels_before(state, plan.round))
    for entry in plan.weights:
        if entry.weight != expected.get(entry.client):
            message = f"{to_hex(entry.client)} is planned with weight {entry.weight}, not {expected.get(entry.client)}"
            raise VerificationError(message, fault=Party.EDGE_SERVER)
