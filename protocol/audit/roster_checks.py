"""Part of check 29: each roster was there before its window began, and the window did not begin before its rosters."""

from __future__ import annotations

from collections.abc import Sequence

from protocol.audit.case import Case, known
from protocol.audit.evidence import Replay
from protocol.audit.report import require
from protocol.errors import MalformedError
from protocol.identifiers import Address, to_hex
from protocol.messages.rosters import RosterPosted, chosen_by
from protocol.round.windows import first_round, window_of
from protocol.task.acting import rosters_until
from protocol.task.state import TaskState


def check_rosters(case: Case) -> None:
    """Raises VerificationError. Whether the rosters are true nobody can tell; who is in them decides check 8."""
    replay = Replay(case.evidence)
    for event in replay.own():
        if not isinstance(event, RosterPosted):
            continue
        posted, state = known(replay.state.posted, "the posting of the task"), replay.state
        what = f"roster of {to_hex(event.authority)} for window {event.window}"
        require(event.authority in posted.terms.authorities, f"{what}, who is no authority of the task")
        before = first_round(event.window, posted.terms.roster_rounds) - 1
        require(before == len(state.rounds), f"{what} came before its time")
        require(case.evidence.time(event) <= rosters_until(state, before), f"{what} came too late")
        for runs in (event.held, event.refused):
            _require_readable(runs, tuple(state.enrolled), what)


def _require_readable(runs: bytes, clients: Sequence[Address], what: str) -> None:
    try:
        chosen_by(clients, runs)
    except MalformedError as error:
        require(False, f"{what}: {error.args[0]}")


def check_window_waited(state: TaskState, number: int, time: int) -> None:
    """The first round of a window, and its draw, come after all rosters, or after their deadline.

    ``state``: the one right before. Raises VerificationError.
    """
    posted = known(state.posted, "the posting of the task")
    window = window_of(number, posted.terms.roster_rounds)
    if first_round(window, posted.terms.roster_rounds) != number:
        return
    if len(state.rosters.get(window, {})) < len(posted.terms.authorities):
        until = rosters_until(state, number - 1)
        require(time > until, f"window {window} began while a roster could still come")
