"""Checks 6 to 11: one round up to its committed set, from events, views, plan and batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from protocol.audit.case import Case, known, read
from protocol.audit.evidence import MissingEvidenceError
from protocol.audit.opened import Opened
from protocol.audit.report import Status, blamed, require, same
from protocol.audit.roster_checks import check_window_waited
from protocol.errors import Party
from protocol.identifiers import ZERO_DIGEST, Address, Digest, to_hex
from protocol.messages.chain import RoundExpired
from protocol.messages.round import RoundPlan
from protocol.messages.settlement import Allocation
from protocol.messages.submission import SignedCommitment
from protocol.messages.task import TaskSpec
from protocol.model.trained import TrainedModel
from protocol.round.adaptation import check_steps
from protocol.round.commitments import batch_root, verify_batch, verify_commitment
from protocol.round.eligibility import cohort_of
from protocol.round.objection import batch_window, key_after
from protocol.round.planning import check_plan, choose_index_set, planned_weights, sent_parameters
from protocol.round.screening_verdict import levels_before
from protocol.sparse.index_set import IndexSet
from protocol.task.continuation import continuation
from protocol.task.documents import UnderivableError
from protocol.task.round_facts import RoundFacts


@dataclass(frozen=True, slots=True)
class Base:
    """What a plan goes on from: a published round, or the task's beginning. None: not established."""

    model: TrainedModel | None


@dataclass
class RoundAudit:
    """One round, and what its checks have established so far; None where they have not."""

    facts: RoundFacts
    plan: RoundPlan | None = None
    base: Base | None = None
    sent: IndexSet | None = None
    committed: Mapping[Address, SignedCommitment] | None = None
    opened: Opened | None = None  # of a screened task

    @property
    def number(self) -> int:
        return self.facts.number

    @property
    def subject(self) -> str:
        return f"round {self.number}"


def check_commit_phase(
    case: Case, facts: RoundFacts, bases: Mapping[Digest, Base], before: Allocation | None
) -> RoundAudit:
    """``bases`` by the digest of their model; ``before``: the allocation that stood when the round was opened."""
    audit, report = RoundAudit(facts), case.report
    subject = audit.subject
    with report.check(6, subject):
        _check_deadlines(case, facts)
    with report.check(7, subject) as remarks:
        _check_plan(case, audit)
        remarks += _check_model(case, audit)
    audit.base = bases.get(audit.plan.model) if audit.plan else None
    spec = case.state.spec
    if isinstance(spec, TaskSpec) and spec.control.max_local_steps:
        with report.check(7, f"{subject} local steps"):
            base = known(audit.base, "the round that it goes on from")
            check_steps(known(audit.plan, "the plan"), spec, known(base.model, "the model before"))
    with report.check(8, subject):
        _check_weights(case, audit, known(before, "the allocation before"))
    with report.check(29, subject):
        _check_cohort(case, audit)
    with report.check(9, subject):
        _check_index_set(case, audit)
    with report.check(10, subject):
        _check_batch(case, audit)
    sound = report.lines[-1].status is not Status.FAIL
    for client in facts.directs:
        with report.check(11, f"{subject} client {to_hex(client)}"):
            _check_direct(case, audit, client)
        sound = sound and report.lines[-1].status is not Status.FAIL
    with report.check(11, subject):
        view = known(case.evidence.rounds.get(facts.number), "the round's view")
        same("number of direct commitments", view.direct, len(facts.directs))
        same("clients with a direct commitment", case.evidence.directs.get(facts.number), facts.directs.keys())
    committed = case.state.committed(facts.number)
    if sound and audit.plan is not None and isinstance(committed, dict):
        audit.committed = committed
    return audit


def _check_deadlines(case: Case, facts: RoundFacts) -> None:
    evidence, opened, ended = case.evidence, facts.opened, facts.ended
    view = known(evidence.rounds.get(facts.number), "the round's view")
    require(evidence.time(opened) <= evidence.task_view.task_until, "opened after the task's end")
    require(evidence.time(opened) > case.state.enrol_until, "opened before the end of the enrolment")
    in_time = all(evidence.time(event) <= opened.commit_until for event in facts.directs.values())
    require(in_time, "a commitment after the commit deadline")
    object_until = _check_batch_time(case, facts)
    for asked in (event for event in (facts.screening, facts.requested) if event is not None):
        time, count, what = evidence.time(asked), len(facts.directs), "key" if asked is facts.requested else "openings"
        count += facts.batched.count if facts.batched else 0
        until = key_after(opened.commit_until, object_until, count >= opened.cohort)
        require(time > until, f"{what} requested before everyone could commit")
        require(time <= opened.settle_until, f"{what} requested after the settle deadline")
    if isinstance(ended, RoundExpired):
        require(evidence.time(ended) > opened.settle_until, "expired before the deadline")
    elif ended is not None:
        require(evidence.time(ended) <= opened.settle_until, "settled after the deadline")
    same("state", view.state, facts.state)
    same("deadlines in the view", (view.commit_until, view.settle_until), (opened.commit_until, opened.settle_until))
    same("end of objections in the view", view.object_until, object_until)
    same("cohort in the view", view.cohort, opened.cohort)
    same("label in the view", view.label, opened.label)
    servers = known(case.state.posted, "the posting of the task").terms.edge_servers
    same("edge server in the view", servers[view.server : view.server + 1], (facts.server,))
    screened = facts.screening.request if facts.screening else ZERO_DIGEST
    same("screening in the view", view.screening, screened)
    same("request in the view", view.request, facts.requested.request if facts.requested else ZERO_DIGEST)


def _check_batch_time(case: Case, facts: RoundFacts) -> int:
    """The end of the objections to the round's batch, 0 without one."""
    if facts.batched is None:
        return 0
    terms = known(case.state.posted, "the posting of the task").terms
    time, (first, last) = case.evidence.time(facts.batched), batch_window(terms, facts.opened.commit_until)
    require(first <= time, "a batch before every phone had to send")
    require(time <= last, "a batch too late for objections")
    same("end of objections", facts.batched.object_until, time + terms.objection_seconds)
    return facts.batched.object_until


def _check_plan(case: Case, audit: RoundAudit) -> None:
    opened, number = audit.facts.opened, audit.number
    plan = read(case.state.plan(number), "plan")
    of_its_size = replace(plan, dimension=sent_parameters(case.spec))  # which is for check 9
    check_plan(of_its_size, case.spec, case.evidence.domain, case.evidence.task, number)
    commit_until = case.evidence.time(opened) + plan.commit_seconds
    deadlines = (commit_until, commit_until + plan.settle_seconds)
    same("deadlines", (opened.commit_until, opened.settle_until), deadlines)
    audit.plan = plan
    previous = case.state.rounds[number - 2].opened.label if number > 1 else ZERO_DIGEST
    same("previous label", plan.previous_label, previous)


def _check_model(case: Case, audit: RoundAudit) -> list[str]:
    plan = known(audit.plan, "the plan")
    skipped = continuation(case.state, case.spec, audit.number, plan.model).skipped
    return [f"skips round {one.number}, which {to_hex(one.publisher)} published" for one in skipped]


def _check_weights(case: Case, audit: RoundAudit, before: Allocation) -> None:
    plan, beacon = known(audit.plan, "the plan"), audit.facts.opened.beacon
    cohort, levels = cohort_of(case.state, case.spec, audit.number, before, beacon), _levels(case, audit)
    planned, drawn = {e.client: e.weight for e in plan.weights}, " and drawn" if case.spec.cohort.draws else ""
    weights = planned_weights(case.spec, cohort, levels)
    for client in sorted(planned.keys() | cohort.keys()):
        require(client in cohort, f"{to_hex(client)} is planned without being eligible{drawn}")
        require(client in planned, f"{to_hex(client)} is left out, though it is eligible{drawn}")
        same(f"weight of {to_hex(client)}", planned[client], weights[client])


def _levels(case: Case, audit: RoundAudit) -> Mapping[Address, int]:
    """What openings of earlier rounds leave of each client's weight."""
    if not case.spec.screening.on:
        return {}
    try:
        return levels_before(case.state, audit.number)
    except UnderivableError as error:
        raise MissingEvidenceError(str(error.args[0])) from error


def _check_cohort(case: Case, audit: RoundAudit) -> None:
    """Against this root clients prove their places: to commit directly, and to be paid when nobody settles."""
    plan, opened = known(audit.plan, "the plan"), audit.facts.opened
    same("root of the cohort", opened.cohort_root, plan.cohort.root)
    same("cohort", opened.cohort, plan.cohort.count)
    view = known(case.evidence.rounds.get(audit.number), "the round's view")
    same("root in the view", view.cohort_root, opened.cohort_root)
    check_window_waited(case.state, opened.round, case.evidence.time(opened))


def _check_index_set(case: Case, audit: RoundAudit) -> None:
    plan, sent = known(audit.plan, "the plan"), choose_index_set(case.spec, audit.number)
    audit.plan = None  # nothing more follows from a plan of another size
    same("dimension", plan.dimension, len(sent.indices))
    audit.plan, audit.sent = plan, sent


def _check_batch(case: Case, audit: RoundAudit) -> None:
    event = audit.facts.batched
    view = known(case.evidence.rounds.get(audit.number), "the round's view")
    in_view = (event.root, event.count) if event else (ZERO_DIGEST, 0)
    same("batch in the view", (view.batch_root, view.batched), in_view)
    if event is None:
        return
    batch = read(case.state.batch(audit.number), "batch")
    same("root", event.root, batch_root(batch))
    same("count", event.count, len(batch.commitments))
    with blamed(Party.EDGE_SERVER):
        verify_batch(known(audit.plan, "the plan"), batch, case.state.signer_of)


def _check_direct(case: Case, audit: RoundAudit, client: Address) -> None:
    plan, signed = known(audit.plan, "the plan"), audit.facts.direct_commitments()[client]
    require(client in case.state.enrolled, "a direct commitment of an outsider")
    same("label", signed.commitment.label, plan.label())
    with blamed(Party.LEDGER):
        verify_commitment(plan, signed, case.state.signer_of)
