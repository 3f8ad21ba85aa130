"""Early stop: a task whose model gets no better opens no further round, by its own terms and the chain alone.

The ledger knows nothing of it: for the ledger such a task is one whose rounds are not all opened yet. So everybody who
opens rounds, or joins them, or checks them, holds this rule against the chain.
"""

from __future__ import annotations

from protocol.messages.chain import RoundPublished
from protocol.task.documents import Absent
from protocol.task.state import TaskState


def stopped_after(state: TaskState) -> int | None:
    """The round with which ``control.patience`` was used up: no later one may be opened. None while there is none.

    What counts are right answers as published, of rounds that moved the model: one that came to garbage says nothing
    of it, and whoever spoils a sum ends no task. The first such round is better than none. Later events change nothing.
    """
    spec = state.spec
    if isinstance(spec, Absent) or not spec.control.patience:
        return None
    best, waited, seen = -1, 0, {spec.initial_model}
    for facts in state.rounds:
        event = facts.ended
        if not isinstance(event, RoundPublished) or event.model in seen:
            continue
        seen.add(event.model)
        best, waited = (event.correct, 0) if event.correct > best else (best, waited + 1)
        if waited == spec.control.patience:
            return facts.number
    return None
