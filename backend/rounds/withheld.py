"""Of which round something is withheld that others need, and that follows from what is public."""

from __future__ import annotations

from typing import Final

from backend.rounds.moves import Knowledge
from protocol.task.documents import Absent, Lack
from protocol.task.past import allocation_before, readable, stepped
from protocol.task.state import TaskState

_LOST: Final = (Lack.MISSING, Lack.CORRUPT)


def underived(state: TaskState, known: Knowledge) -> int:
    """The last round that moved the model, the last settled one, or the one that runs, without its plan; 0 for none."""
    last = next((facts.number for facts in reversed(state.rounds) if stepped(state, facts.number)), 0)
    withheld = [last] if last and not readable(state, last) else []
    settled, current = state.last_settled(), state.current
    if settled is not None and isinstance(allocation_before(state, settled.number + 1), Absent):
        withheld.append(settled.number)
    if current is not None:
        plan = state.plan(current.number)
        withheld += [current.number] if isinstance(plan, Absent) and plan.lack in _LOST else []
    return next((number for number in withheld if number not in known.underivable), 0)
