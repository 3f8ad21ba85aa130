"""Which round a plan goes on from: the last one that moved the model, unless other servers published those since."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from protocol.errors import Party, VerificationError
from protocol.identifiers import Address, Digest
from protocol.messages.task import TaskSpec
from protocol.task.past import stepped
from protocol.task.state import TaskState
from protocol.task.stopping import stopped_after


@dataclass(frozen=True, slots=True)
class Skipped:
    number: int
    publisher: Address


@dataclass(frozen=True, slots=True)
class Continuation:
    """``number``: of the round whose model a plan goes on from, 0 for the initial one."""

    number: int
    skipped: tuple[Skipped, ...]


def continuation(
    state: TaskState, spec: TaskSpec, number: int, model: Digest, is_gone: Callable[[Digest], bool] = lambda _: False
) -> Continuation:
    """Of the plan of round ``number``, which starts from ``model``.

    Nobody can tell later what a server withheld from another one, so a plan may skip rounds that others published;
    and one whose model is gone now. Raises VerificationError for a model that nobody published, for skipping any other
    round of the plan's own server, and for going on after the task's early stop.
    """
    last = stopped_after(state)
    if last is not None and number > last:
        raise VerificationError(f"the task stopped early, after round {last}", fault=Party.EDGE_SERVER)
    server, skipped = state.rounds[number - 1].server, list[Skipped]()
    for earlier in range(number - 1, 0, -1):
        event, publisher = stepped(state, earlier), state.rounds[earlier - 1].ended_by
        if event is None:
            continue
        if event.model == model:
            return Continuation(earlier, tuple(skipped))
        if publisher is None or (publisher == server and not is_gone(event.model)):
            raise _refusal(f"skips round {earlier}, which its own server published")
        skipped.append(Skipped(earlier, publisher))
    if model != spec.initial_model:
        raise _refusal("goes on from a model that nobody published")
    return Continuation(0, tuple(skipped))


def _refusal(what: str) -> VerificationError:
    return VerificationError(f"the plan {what}", fault=Party.EDGE_SERVER)
