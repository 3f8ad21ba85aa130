"""Of which round something is withheld that others need, and that follows from what is public."""

from __future__ import annotations

from typing import Final

from backend.rounds.moves import Knowledge
from protocol.task.documents import Absent, Kind, Lack
from protocol.task.past import allocation_before, readable, stepped
from protocol.task.screened_rounds import unscreened
from protocol.task.state import TaskState

_LOST: Final = (Lack.MISSING, Lack.CORRUPT)


def underived(state: TaskState, known: Knowledge) -> int:
    """The last round that moved the model, the last settled one, or the one that runs, without its plan; before them
    the first whose openings nobody could derive. 0 for none."""
    last = next((facts.number for facts in reversed(state.rounds) if stepped(state, facts.number)), 0)
    withheld = [last] if last and not readable(state, last) else []
    settled, current = state.last_settled(), state.current
    if settled is not None and isinstance(allocation_before(state, settled.number + 1), Absent):
        withheld.append(settled.number)
    if current is not None:
        plan = state.plan(current.number)
        withheld += [current.number] if isinstance(plan, Absent) and plan.lack in _LOST else []
    if unread := unscreened(state):
        withheld = [unread] if _is_withheld(state, unread) else []
    return next((number for number in withheld if number not in known.underivable), 0)


def _is_withheld(state: TaskState, number: int) -> bool:
    """Nobody just has to look for it; answers of authorities are no documents of a state, so they may be what lacks."""
    kinds = {Kind.GRAM, Kind.SCREENING, Kind.REQUEST, Kind.RECORD}
    wanted = [one for one in state.wanted_of(number) if one.kind in kinds]
    return all((one.kind, one.digest) in state.documents for one in wanted)
