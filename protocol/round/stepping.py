"""From a round's sums to the model after it: its step, and what the task's control says of the next round."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from protocol.messages.round import RoundPlan
from protocol.messages.task import TaskSpec
from protocol.model.dataset import Array
from protocol.model.step import apply_step
from protocol.model.trained import TrainedModel
from protocol.round.adaptation import Adaptation
from protocol.round.planning import choose_index_set

LabelledSet = tuple[Array, Array]


@dataclass(frozen=True)
class Stepping:
    """Of one round. ``weights``: of the clients in its sums; ``test_set`` is asked for only where it is needed."""

    spec: TaskSpec
    plan: RoundPlan
    before: TrainedModel
    weights: list[int]
    test_set: Callable[[], LabelledSet]

    def after(self, sums: npt.NDArray[np.int64]) -> TrainedModel:
        """The same bits for everybody. Raises what ``test_set`` does."""
        sent = choose_index_set(self.spec, self.plan.round)
        stepped = apply_step(self.before, sent, sums, sum(self.weights), self.plan.learning)
        if not self.spec.control.max_local_steps:
            return stepped
        adaptation, learning = Adaptation.of(self.spec), self.plan.learning
        control = adaptation.after(learning, self.before, sent, sums, self.weights, self.test_set())
        return replace(stepped, control=control)
