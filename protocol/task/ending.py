"""When a task is over, and when for one of its clients: the contract's rules, from a view or from a state."""

from __future__ import annotations

from protocol.identifiers import Address
from protocol.messages.chain import TaskView
from protocol.task.round_facts import RoundFacts
from protocol.task.state import TaskState


def task_over(view: TaskView, now: int) -> bool:
    """No round opens any more; one may still run. ``now`` in seconds of block time."""
    too_few = now > view.enrol_until and view.enrolled < view.min_clients
    return view.last_round == view.rounds or view.stopped or now > view.task_until or too_few


def is_over(state: TaskState, now: int) -> bool:
    """The same from events; False for a task that is not posted."""
    posted = state.posted
    if posted is None:
        return False
    too_few = now > state.enrol_until and state.lacks_clients
    return len(state.rounds) == state.total_rounds or state.stopped or now > posted.task_until or too_few


def is_final(state: TaskState, client: Address, now: int) -> bool:
    """Whether no round can change any more what this client is owed, or its reputation.

    Looks at every round that may concern it. False while the time of a settlement is not known.
    """
    if client not in state.left and not is_over(state, now):
        return False
    return all(_decided(state, facts, now) for facts in state.rounds[: state.left.get(client)])


def _decided(state: TaskState, facts: RoundFacts, now: int) -> bool:
    """It is over, and nothing that it settled can be disputed any more."""
    if facts.running or facts.settled is None or state.posted is None:
        return not facts.running
    time = state.times.get(facts.settled.block)
    return time is not None and now >= time + state.posted.terms.dispute_seconds
