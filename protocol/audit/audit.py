"""The audit of one task: numbered checks over evidence, in protocol order, without I/O and without a secret."""

from __future__ import annotations

from collections.abc import Mapping

from protocol.audit.evidence import ChainEvidence, Fetch
from protocol.audit.money_checks import check_money
from protocol.audit.opening_checks import OpeningAudit
from protocol.audit.report import Report, known, same
from protocol.audit.round_checks import check_commit_phase
from protocol.audit.task_checks import check_envelopes, check_task
from protocol.identifiers import Address
from protocol.incentives.rewards import first_allocation
from protocol.messages.chain import RoundExpired, RoundFrozen, RoundOpened, RoundPublished
from protocol.messages.settlement import Allocation
from protocol.round.planning import History


def audit_task(evidence: ChainEvidence, fetch: Fetch, expected_codes: tuple[bytes, bytes]) -> Report:
    """Re-derives every round, score and payout. FAIL names what contradicts; UNKNOWN what is missing."""
    report = Report()
    task = check_task(report, evidence, fetch, expected_codes)
    history: History | None = None
    allocation: Allocation | None = None
    if task.spec is not None and task.enrolled is not None:
        history = History(tuple(sorted(task.enrolled)), task.spec.initial_model)
        reputations = {client: event.reputation for client, event in task.enrolled.items()}
        allocation = first_allocation(evidence.task, reputations)
    parameters, best = task.parameters, task.initial_correct
    allocations: dict[int, Allocation | None] = {}
    after: dict[int, Allocation | None] = {0: allocation}  # of each round, as if no dispute had frozen it later
    planned: set[Address] = set()
    for number in range(1, evidence.task_view.last_round + 1):
        facts = check_commit_phase(report, evidence, fetch, task, number, history, _at_opening(evidence, number, after))
        planned |= {entry.client for entry in facts.plan.weights} if facts.plan else set()
        opening = OpeningAudit(report, evidence, fetch, task, facts, history, allocation, parameters, best)
        opening.run()
        history, parameters = opening.next_history(), opening.parameters
        if isinstance(facts.ended, RoundPublished) and best is not None:
            best = max(best, facts.ended.correct)  # as published: check 19 is for each of these counts
        after[number] = allocation if isinstance(facts.ended, RoundExpired | None) else opening.allocation
        allocation = allocation if facts.frozen else after[number]
        allocations[number] = allocation
    check_envelopes(report, task, fetch, planned)
    with report.check(6, f"task {evidence.task}"):
        same("rounds with a view", sorted(evidence.rounds), list(range(1, evidence.task_view.last_round + 1)))
        spec = known(task.spec, "the spec")
        same("no more rounds than agreed", evidence.task_view.last_round <= spec.rounds, True)
    check_money(report, evidence, task, allocations)
    return report


def _at_opening(evidence: ChainEvidence, number: int, after: Mapping[int, Allocation | None]) -> Allocation | None:
    """What weights and cohort follow from: a round that was frozen before this one was opened counts for nothing."""
    frozen: set[int] = set()
    for event in evidence.events:
        if isinstance(event, RoundFrozen) and event.task == evidence.task:
            frozen.add(event.round)
        elif isinstance(event, RoundOpened) and (event.task, event.round) == (evidence.task, number):
            break
    return after[max(round_number for round_number in after if round_number not in frozen)]
