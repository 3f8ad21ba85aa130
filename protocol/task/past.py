"""The public past of a task at the opening of a round: the model and the allocation that the round goes on from.

A published round whose documents nobody can read or derive counts as abandoned for the model: whoever opens the next
round goes on from the last model that it can read. The money of such a round stays what the chain says. Neither does a
round move the model that came to garbage: it publishes one that stands already.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from protocol.identifiers import ZERO_DIGEST, Digest, Label
from protocol.incentives.rewards import admit, allocation_root, first_allocation
from protocol.messages.chain import RoundPublished
from protocol.messages.settlement import Allocation
from protocol.messages.task import TaskSpec
from protocol.privacy.spending import Rounds, planned
from protocol.task.documents import Absent, Lack
from protocol.task.round_facts import RoundFacts, Settled
from protocol.task.state import TaskState


@dataclass(frozen=True, slots=True)
class Past:
    """What the plan of a round depends on."""

    model: Digest
    previous_label: Label  # of the last opened round; zero before the first


def readable(state: TaskState, number: int) -> bool:
    """Everything that a later round needs of this one, which moved the model, can be read."""
    needed = (
        state.plan(number),
        state.verdict(number),
        state.committed(number),
        state.aggregate(number),
        state.model(number),
    )
    return not any(isinstance(document, Absent) for document in needed)


def published(state: TaskState, number: int) -> RoundPublished | None:
    """A frozen round keeps the model that it published."""
    ended = state.rounds[number - 1].ended
    return ended if isinstance(ended, RoundPublished) else None


def stepped(state: TaskState, number: int) -> RoundPublished | None:
    """A published round that moved the model: its own is neither the initial one nor any that was published before.

    By the chain alone, so that everybody goes on from the same round, whatever can be read.
    """
    event, spec = published(state, number), state.spec
    if event is None or (isinstance(spec, TaskSpec) and event.model == spec.initial_model):
        return None
    earlier = (published(state, before) for before in range(1, number))
    return None if any(one is not None and one.model == event.model for one in earlier) else event


def past_before(state: TaskState, number: int) -> Past | Absent:
    """At the opening of round ``number``, from the last round that moved the model and can be read."""
    spec = state.spec
    if isinstance(spec, Absent):
        return spec
    label = state.rounds[number - 2].opened.label if number > 1 else ZERO_DIGEST
    for earlier in range(number - 1, 0, -1):
        event = stepped(state, earlier)
        if event is not None and readable(state, earlier):
            return Past(event.model, label)
    return Past(spec.initial_model, label)


def allocation_before(state: TaskState, number: int) -> Allocation | Absent:
    """That of the last settled round before ``number`` which no dispute has frozen, and with it everybody who enrolled
    since, before the opening of round ``number``; absent when it cannot be read."""
    enrolled = {client: event.reputation for client, event in state.enrolled_before(number).items()}
    for earlier in range(number - 1, 0, -1):
        if state.rounds[earlier - 1].settled is not None:
            found, known = standing_allocation(state, earlier), state.enrolled_before(earlier)
            newcomers = {client: reputation for client, reputation in enrolled.items() if client not in known}
            return found if isinstance(found, Absent) else admit(found, newcomers)
    return first_allocation(state.task, enrolled)


def settled_at_opening(state: TaskState, number: int) -> tuple[RoundFacts, ...]:
    """The settled rounds that stood when round ``number`` opened, the last one first: its plan goes by that one's
    reputations, or by those of the enrolments when there is none. A dispute that came later does not change a plan.
    """
    opened = state.rounds[number - 1].opened

    def stood(facts: RoundFacts) -> bool:
        frozen = facts.frozen
        return frozen is None or (frozen.block, frozen.log_index) > (opened.block, opened.log_index)

    settled = (facts for facts in state.rounds[: number - 1] if isinstance(facts.ended, Settled) and stood(facts))
    return tuple(settled)[::-1]


def standing_allocation(state: TaskState, number: int) -> Allocation | Absent:
    """The allocation of a settled round, absent unless its root is the one on chain."""
    settled, allocation = state.rounds[number - 1].settled, state.allocation(number)
    assert settled is not None
    if isinstance(allocation, Allocation) and allocation_root(allocation) != settled.allocation_root:
        return Absent(allocation_root(allocation), Lack.MALFORMED, state.rounds[number - 1].server)
    return allocation


def lineage(state: TaskState, spec: TaskSpec, model: Digest) -> Iterator[Digest]:
    """This model, if a round published it, the one from which that round went on, and so on back to the initial one or
    to a plan that cannot be read."""
    makers = {event.model: n for n in range(len(state.rounds), 0, -1) if (event := published(state, n)) is not None}
    while model in makers and model != spec.initial_model:
        yield model
        plan = state.plan(makers[model])
        if isinstance(plan, Absent):
            return
        model = plan.model


def rounds_planned(state: TaskState, spec: TaskSpec, number: int) -> Rounds:
    """How often each mechanism was planned up to round ``number``; a plan that cannot be read counts with the most
    steps that the task allows."""
    if not spec.control.max_local_steps:
        return planned(spec, number)
    (most,) = planned(spec, 1)
    plans = (state.plan(earlier) for earlier in range(1, number + 1))
    return Counter(most if isinstance(plan, Absent) else plan.learning.mechanism for plan in plans)


def best_count(state: TaskState, number: int) -> int:
    """Most right answers of any model published before round ``number``, as published; 0 when there is none."""
    counts = (event.correct for earlier in range(1, number) if (event := published(state, earlier)))
    return max(counts, default=0)
