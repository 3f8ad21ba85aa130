"""Part of check 29: every draw came when its round could be opened, and in time the round came after it, or a lapse."""

from __future__ import annotations

from typing import Final

from protocol.audit.case import Case, known
from protocol.audit.evidence import Replay
from protocol.audit.report import require, same
from protocol.audit.roster_checks import check_window_waited
from protocol.identifiers import ZERO_DIGEST
from protocol.messages.chain import CohortDrawn, DrawLapsed, RoundOpened
from protocol.task.state import TaskState

HASHES: Final = 256  # how many blocks back the chain tells a block's hash


def check_draws(case: Case) -> None:
    """Raises VerificationError. Who was drawn decides check 8."""
    replay, terms = Replay(case.evidence), known(case.state.posted, "the posting of the task").terms
    draws = terms.max_cohort < terms.max_clients
    for event in replay.own():
        time = case.evidence.time(event)
        match event:
            case CohortDrawn(round=number):
                require(draws, f"a draw for round {number} in a task that plans everybody")
                require(time > replay.state.enrol_until, f"a draw for round {number} before the end of the enrolment")
                same(f"block that draws the cohort of round {number}", event.drawn_at, event.block + 1)
                check_window_waited(replay.state, number, time)
            case DrawLapsed(round=number):
                require(_is_late(replay.state, event.block), f"a draw for round {number} lapsed before its time")
            case RoundOpened(round=number):
                _check_opening(replay.state, event, draws)
    same("draw in the view", case.evidence.task_view.drawn_at, case.state.drawn.drawn_at if case.state.drawn else 0)


def _check_opening(state: TaskState, opened: RoundOpened, draws: bool) -> None:
    if not draws:
        same(f"beacon of round {opened.round}", opened.beacon, ZERO_DIGEST)
        return
    drawn = state.drawn is not None and state.drawn.drawn_at < opened.block and not _is_late(state, opened.block)
    require(drawn and opened.beacon != ZERO_DIGEST, f"round {opened.round} was opened without a draw")


def _is_late(state: TaskState, block: int) -> bool:
    return state.drawn is not None and block > state.drawn.drawn_at + HASHES
