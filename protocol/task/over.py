"""When a task is over, by the contract's rule (``_over`` in LedgerState.sol)."""

from __future__ import annotations

from protocol.messages.chain import TaskView


def task_over(view: TaskView, now: int) -> bool:
    """No round opens any more; one may still run. ``now`` in seconds of block time."""
    too_few = now > view.enrol_until and view.enrolled < view.min_clients
    return view.last_round == view.rounds or now > view.task_until or too_few
