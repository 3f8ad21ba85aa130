"""When a task is over, by the contract's rule (``_over`` in LedgerState.sol), from a view or from a state."""

from __future__ import annotations

from protocol.messages.chain import TaskView
from protocol.task.state import TaskState


def task_over(view: TaskView, now: int) -> bool:
    """No round opens any more; one may still run. ``now`` in seconds of block time."""
    return _over(view.last_round, view.rounds, view.enrolled, view.min_clients, view.enrol_until, view.task_until, now)


def is_over(state: TaskState, now: int) -> bool:
    """The same from events; False for a task that is not posted."""
    posted = state.posted
    if posted is None:
        return False
    terms, rounds, enrolled = posted.terms, len(state.rounds), len(state.enrolled)
    return _over(rounds, terms.rounds, enrolled, terms.min_clients, posted.enrol_until, posted.task_until, now)


def _over(
    opened: int, rounds: int, enrolled: int, min_clients: int, enrol_until: int, task_until: int, now: int
) -> bool:
    too_few = now > enrol_until and enrolled < min_clients
    return opened == rounds or now > task_until or too_few
