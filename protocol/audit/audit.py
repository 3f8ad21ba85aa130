"""The audit of one task: numbered checks over evidence, in protocol order, without I/O and without a secret."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from protocol.audit.case import Case
from protocol.audit.codes import PublishedCode
from protocol.audit.draw_checks import check_draws
from protocol.audit.enrolment_checks import check_envelopes
from protocol.audit.evidence import ChainEvidence, Fetch, Replay
from protocol.audit.issued_checks import Answer, check_issued
from protocol.audit.money_checks import check_money
from protocol.audit.opened import Opened, open_rounds
from protocol.audit.opening_checks import OpeningAudit
from protocol.audit.report import Report, require, same
from protocol.audit.roster_checks import check_rosters
from protocol.audit.round_checks import Base, check_commit_phase
from protocol.audit.screening_checks import check_screened
from protocol.audit.task_checks import TaskFacts, check_task
from protocol.audit.wording import event_words
from protocol.identifiers import Digest
from protocol.incentives.rewards import admit, first_allocation
from protocol.messages.chain import RoundAbandoned, RoundOpened, RoundPublished
from protocol.messages.round import RoundPlan
from protocol.messages.settlement import Allocation
from protocol.messages.task import TaskSpec
from protocol.model.trained import TrainedModel
from protocol.task.past import stepped
from protocol.task.round_facts import Settled
from protocol.task.state import TaskState


def audit_task(
    evidence: ChainEvidence,
    state: TaskState,
    fetch: Fetch,
    published: Mapping[str, PublishedCode],
    issued: Mapping[str, Answer] | None = None,
    tell: Callable[[str], object] = lambda _: None,
) -> Report:
    """Re-derives every round, score and payout. FAIL names what contradicts; UNKNOWN what is missing.

    ``state``: the fold of ``evidence.events`` with the documents that were found; ``fetch`` gives what else is needed,
    each object once. ``published``: code of the ledger's contracts as compiled, by name. ``issued``: what authorities
    answered that were asked for the keys they issued, by URL. ``tell``: hears what is checked next.
    """
    case = Case(Report(tell=tell), evidence, state, fetch)
    task = check_task(case, published)
    with case.report.check(6, f"task {evidence.task}"):
        _check_rounds(case)
    case, opened = open_rounds(case)
    with case.report.check(29, f"task {evidence.task} rosters"):
        check_rosters(case)
    with case.report.check(29, f"task {evidence.task} draws"):
        check_draws(case)
    allocations = _check_each_round(case, task, opened)
    plans = (state.plan(facts.number) for facts in state.rounds)
    check_envelopes(case, {entry.client for plan in plans if isinstance(plan, RoundPlan) for entry in plan.weights})
    check_money(case, allocations)
    with case.report.check(28, f"task {evidence.task}") as remarks:
        remarks += check_issued(case, issued or {})
    return case.report


def _check_rounds(case: Case) -> None:
    numbers = list(range(1, case.evidence.task_view.last_round + 1))
    same("rounds opened", [facts.number for facts in case.state.rounds], numbers)
    same("rounds with a view", sorted(case.evidence.rounds), numbers)
    strays = [event_words(event) for event in case.state.misfits]
    require(not strays, f"not along the state table: {', '.join(strays[:5])}")
    require(len(numbers) <= case.state.total_rounds, "more rounds than agreed")


def _check_each_round(case: Case, task: TaskFacts, opened: Mapping[int, Opened]) -> dict[int, Allocation]:
    """The allocations that stood on chain, by their round, as far as they could be established."""
    state, (at_opening, at_end) = case.state, _settled_before(case.evidence)
    allocations, bases, last_use = dict[int, Allocation](), _beginning(case, task), dict[Digest, int]()
    for facts in state.rounds:
        plan = state.plan(facts.number)
        last_use |= {plan.model: facts.number} if isinstance(plan, RoundPlan) else {}
    for facts in state.rounds:
        number = facts.number
        audit = check_commit_phase(case, facts, bases, _before(state, allocations, at_opening[number], number))
        audit.opened = opened.get(number)
        check_screened(case, facts, audit.opened)
        if isinstance(facts.ended, Settled):
            opening = OpeningAudit(case, task, audit, facts.ended, _before(state, allocations, at_end[number], number))
            opening.run()
            if opening.allocation is not None:
                allocations[number] = opening.allocation
            event = stepped(state, number)
            if event is not None and (base := opening.base()) is not None:
                bases[event.model] = base
        bases = {model: base for model, base in bases.items() if last_use.get(model, 0) > number}
    return allocations


def _before(state: TaskState, allocations: Mapping[int, Allocation], last: int, number: int) -> Allocation | None:
    """What round ``number`` goes on from: the allocation of round ``last``, and who enrolled since, before its opening.

    None where it is not known.
    """
    enrolled = {client: event.reputation for client, event in state.enrolled_before(number).items()}
    if not last:
        return first_allocation(state.task, enrolled)
    known = state.enrolled_before(last)
    newcomers = {client: reputation for client, reputation in enrolled.items() if client not in known}
    return admit(allocations[last], newcomers) if last in allocations else None


def _beginning(case: Case, task: TaskFacts) -> dict[Digest, Base]:
    spec = case.state.spec
    if not isinstance(spec, TaskSpec):
        return {}
    return {spec.initial_model: Base(TrainedModel(task.parameters) if task.parameters is not None else None)}


def _settled_before(evidence: ChainEvidence) -> tuple[dict[int, int], dict[int, int]]:
    """The last round whose allocation stood when each round was opened, and when it was settled; 0 for none."""
    at_opening, at_end, replay = dict[int, int](), dict[int, int](), Replay(evidence)
    for event in replay.own():
        if isinstance(event, RoundOpened | RoundPublished | RoundAbandoned):
            last = replay.state.last_settled()
            moments = at_opening if isinstance(event, RoundOpened) else at_end
            moments[event.round] = last.number if last else 0
    return at_opening, at_end
