"""What an edge server does next in a screened round until its verdict is there. Pure, as all of its decisions."""

from __future__ import annotations

from backend.rounds.moves import (
    AskOpenings,
    ExamineUpdates,
    FollowRequest,
    GoUnopened,
    Knowledge,
    Move,
    RequestScreening,
    Wait,
)
from backend.rounds.opening import may_answer
from backend.rounds.requested import may_follow
from protocol.identifiers import ZERO_DIGEST
from protocol.messages.task import TaskSpec
from protocol.round.unscreened import may_continue
from protocol.task.documents import Absent, there
from protocol.task.margins import margins
from protocol.task.round_facts import RoundFacts
from protocol.task.state import TaskState


def before_verdict(state: TaskState, spec: TaskSpec, known: Knowledge, facts: RoundFacts, now: int) -> Move:
    """Once plan and commitments can be read and nobody can commit any more.

    The openings of a request on chain are asked for until the middle of the settle phase, and once at least: a server
    may have to take over later.
    """
    number, screened, until = facts.number, known.screened, margins(spec, facts.opened, state.times)
    if facts.requested is not None:
        if known.undecryptable or not may_follow(
            there(state.plan(number)), there(state.committed(number)), state.request(number)
        ):
            return Wait(facts.opened.settle_until + 1)
        return FollowRequest(number)
    readable, in_time = not isinstance(state.gram_request(number), Absent), now < until.publish_due
    if facts.screening is not None and in_time and (now <= until.openings_due or not screened.asked):
        if readable:
            return AskOpenings(number)
        if now <= until.openings_due:
            return Wait(until.openings_due + 1)
    if screened.came is None:
        return ExamineUpdates(number)
    if facts.screening is None and in_time and _may_be_screened(state, spec, known, screened.came):
        return RequestScreening(number)
    return GoUnopened(number)


def may_request(state: TaskState, spec: TaskSpec, known: Knowledge, facts: RoundFacts, now: int) -> bool:
    """The task allows a request for the key of the verdict that is known, now."""
    if not spec.screening.on or known.screened.evidence != ZERO_DIGEST:
        return True
    return (
        may_continue(spec, facts.number)
        and facts.screening is not None
        and now > margins(spec, facts.opened, state.times).openings_due
    )


def _may_be_screened(state: TaskState, spec: TaskSpec, known: Knowledge, came: int) -> bool:
    """As many as may be summed: the openings of fewer say more of each."""
    least = max(spec.cohort.min_clients, 2)
    return came >= least and not known.screened.overdue and not known.keyless and may_answer(state, spec)
