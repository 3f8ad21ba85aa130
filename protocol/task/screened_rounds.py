"""Of which rounds of a screened task it is known what their openings say."""

from __future__ import annotations

from protocol.messages.task import TaskSpec
from protocol.task.state import TaskState


def unscreened(state: TaskState) -> int:
    """The first ended round of which nobody has entered yet what its openings say; 0 for none, and in a task that is
    not screened. No later plan follows from the state before that."""
    if not isinstance(state.spec, TaskSpec) or not state.spec.screening.on:
        return 0
    ended = (facts.number for facts in state.rounds if not facts.running)
    return next((number for number in ended if number not in state.screened), 0)
