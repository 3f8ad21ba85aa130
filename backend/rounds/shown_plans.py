"""What phones are shown of a round's plan: its head, their place among the planned, and who endorses it."""

from __future__ import annotations

from collections.abc import Callable

from protocol.cohort import CohortTree
from protocol.identifiers import ZERO_DIGEST, Address, Label
from protocol.messages.round import RoundPlan, ShownPlan, SignedEndorsement
from protocol.messages.task import TaskSpec
from protocol.task.documents import Absent
from protocol.task.state import TaskState

Endorsements = Callable[[Label, TaskSpec], tuple[SignedEndorsement, ...]]  # none while they are too few


class ShownPlans:
    """Of one task. The tree of the last plan that was asked for is kept. May be shared by threads."""

    def __init__(self, endorsements: Endorsements) -> None:
        self._endorsements = endorsements
        self._last: tuple[RoundPlan, CohortTree] | None = None
        self._endorsed = ZERO_DIGEST  # label of the round that was at the last question

    def are_news(self, state: TaskState) -> bool:
        """Since the last question the plan of the round that runs came to be endorsed."""
        facts, spec = state.current, state.spec
        if facts is None or isinstance(spec, Absent) or facts.opened.label == self._endorsed:
            return False
        if self._endorsements(facts.opened.label, spec):
            self._endorsed = facts.opened.label
        return facts.opened.label == self._endorsed

    def of(self, plan: RoundPlan, spec: TaskSpec, client: Address) -> ShownPlan | None:
        """None while too few authorities endorse the cohort."""
        endorsements = self._endorsements(plan.label(), spec)
        if not endorsements:
            return None
        last = self._last
        if last is None or last[0] is not plan:
            last = self._last = plan, CohortTree(plan.weights)
        return ShownPlan(plan.head(), last[1].places(client), endorsements)
