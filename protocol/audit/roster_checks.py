"""Part of check 29: each roster was there before its window began, and the window did not begin before its rosters."""

from __future__ import annotations

from protocol.audit.case import Case, known
from protocol.audit.report import require
from protocol.identifiers import to_hex
from protocol.messages.chain import RoundOpened
from protocol.messages.rosters import RosterPosted
from protocol.round.windows import first_round, window_of
from protocol.task.acting import rosters_until


def check_rosters(case: Case) -> None:
    """Raises VerificationError. Whether the rosters are true nobody can tell; who is in them decides check 8."""
    posted, rounds = known(case.state.posted, "TaskPosted"), case.state.rounds
    for event in case.of_task(RosterPosted):
        what = f"roster of {to_hex(event.authority)} for window {event.window}"
        require(event.authority in posted.terms.authorities, f"{what}, who is no authority of the task")
        before = first_round(event.window, posted.terms.roster_rounds) - 1
        require(before <= len(rounds), f"{what} came before its time")
        require(case.evidence.time(event) <= rosters_until(posted, rounds[:before]), f"{what} came too late")
        bits = max(int.from_bytes(event.held, "little"), int.from_bytes(event.refused, "little"))
        require(bits >> len(case.state.enrolled) == 0, f"{what} names somebody who never enrolled")


def check_window_waited(case: Case, opened: RoundOpened) -> None:
    """The first round of a window comes after all rosters, or after their deadline. Raises VerificationError."""
    posted, rounds = known(case.state.posted, "TaskPosted"), case.state.rounds
    window = window_of(opened.round, posted.terms.roster_rounds)
    if first_round(window, posted.terms.roster_rounds) != opened.round:
        return
    if len(case.state.rosters.get(window, {})) < len(posted.terms.authorities):
        until = rosters_until(posted, rounds[: opened.round - 1])
        require(case.evidence.time(opened) > until, f"window {window} began while a roster could still come")
