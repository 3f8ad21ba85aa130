"""What an edge server does between two rounds, until it opens the next one. Pure, as all of its decisions."""

from __future__ import annotations

from typing import Final

from backend.rounds.envelopes import awaited, to_show
from backend.rounds.moves import (
    DrawCohort,
    Knowledge,
    Move,
    OpenRound,
    ReadBeacon,
    Rederive,
    ShowEnvelopes,
    ShowTask,
    Wait,
)
from backend.rounds.withheld import underived
from protocol.identifiers import ZERO_DIGEST, Digest
from protocol.messages.chain import TaskPosted
from protocol.messages.settlement import Allocation
from protocol.messages.task import TaskSpec
from protocol.round.eligibility import candidates, cohort_of
from protocol.round.windows import enrolment_window, first_round
from protocol.task.acting import NEVER, acts_after, rosters_until
from protocol.task.documents import Absent
from protocol.task.past import allocation_before
from protocol.task.screened_rounds import unscreened
from protocol.task.state import TaskState

DERIVE_SECONDS: Final = 5  # between two looks whether it can be derived by now what the last round's openings say


def between_rounds(state: TaskState, posted: TaskPosted, spec: TaskSpec, known: Knowledge, now: int) -> Move:
    if not known.told:
        return ShowTask()
    if unread := underived(state, known):
        return Rederive(unread)
    waiting = awaited(state, spec, known)
    if showing := to_show(waiting, known, now):
        return showing
    again = known.not_before.get(ShowEnvelopes, NEVER) if waiting else NEVER
    if not state.rounds and now <= state.enrol_until:
        return Wait(min(again, state.enrol_until + 1))
    after = acts_after(state, known.server)
    if now <= after:
        return Wait(min(again, after + 1))
    if unscreened(state):
        return Wait(min(again, now + DERIVE_SECONDS))  # nobody can tell what everyone weighs
    until = _rosters_awaited(state, posted, now)
    if until is not None:
        return Wait(min(again, until + 1))
    return _opened(state, spec, known) or Wait(min(again, posted.task_until + 1))


def may_answer(state: TaskState, spec: TaskSpec) -> bool:
    """Enough authorities have their role still for a request to be seen by a quorum."""
    return len(set(spec.committee.members) - state.dismissed) >= max(spec.committee.quorum, spec.committee.threshold)


def _opened(state: TaskState, spec: TaskSpec, known: Knowledge) -> Move | None:
    """None while too few are eligible, or can answer. Nobody draws for a round that cannot be opened."""
    number = len(state.rounds) + 1
    before = allocation_before(state, number)
    if isinstance(before, Absent) or not may_answer(state, spec):
        return None
    if len(candidates(state, spec, number, before)) < spec.cohort.min_clients:
        return None
    return _drawn(state, spec, known, before) if spec.cohort.draws else _open(state, spec, before, ZERO_DIGEST)


def _drawn(state: TaskState, spec: TaskSpec, known: Knowledge, before: Allocation) -> Move:
    if state.drawn is None or known.overdue:
        return DrawCohort(len(state.rounds) + 1)
    if known.beacon is None:
        return ReadBeacon(state.drawn.drawn_at)
    return _open(state, spec, before, known.beacon)


def _open(state: TaskState, spec: TaskSpec, before: Allocation, beacon: Digest) -> OpenRound:
    number = len(state.rounds) + 1
    return OpenRound(number, cohort_of(state, spec, number, before, beacon))


def _rosters_awaited(state: TaskState, posted: TaskPosted, now: int) -> int | None:
    """The last instant at which one that is missing may still come; None when the next round waits for none."""
    window, until = enrolment_window(len(state.rounds), posted.terms.roster_rounds), rosters_until(state)
    first = first_round(window, posted.terms.roster_rounds) == len(state.rounds) + 1
    all_here = len(state.rosters.get(window, {})) == len(set(posted.terms.authorities) - state.dismissed)
    return until if first and not all_here and now <= until else None
