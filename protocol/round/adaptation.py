"""Local steps that follow what is public anyway: the sums of a round, and the loss on the public test set.

Wang et al. (JSAC 2019) have each client report its gradients. Here nobody may: the three numbers of their bound come
from the test set's loss at three points of the way that the cohort's mean update goes. Slope and smoothness are those
along it. Divergence shows in the length of the update: clients that pull in many directions, or are done with their own
data early, make it shorter than the slope at its beginning and the number of steps let one expect; what the curvature
explains is not counted. A first round with one step, where nobody can drift, measures the expected length.

What is remembered from round to round stands in the published model: whoever has it knows the steps of the next plan.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import islice
from math import inf, sqrt
from typing import Final

import numpy as np
import numpy.typing as npt

from protocol.errors import Party, VerificationError
from protocol.messages.learning import MICRO, LearningTerms, ModelSpec
from protocol.messages.round import PlanHead
from protocol.messages.task import ControlTerms, TaskSpec
from protocol.model.arithmetic import total
from protocol.model.dataset import Array
from protocol.model.evaluation import mean_loss
from protocol.model.layout import within_bound
from protocol.model.local_steps import LEAST_SMOOTHNESS, SEARCH_FACTOR, Budget, Estimates, best_steps, drifts
from protocol.model.trained import Control, TrainedModel
from protocol.sparse.grid import clip_of, divisor_of
from protocol.sparse.index_set import IndexSet
from protocol.sparse.quantization import meaning

LabelledSet = tuple[Array, Array]
_HELD: Final = 0.99  # a round: the bound asks for the largest there are, and one bad round is not to last for ever
_UNSURE: Final = 1.05  # times the length of an update that a test set cannot tell from its own sampling
_LEAST_SHARE: Final = 1e-3  # of an update's length, after the noise is taken off, or of the expected one


def learning_of(spec: TaskSpec, before: TrainedModel) -> LearningTerms:
    """The learning that the plan of a round has which goes on from this model."""
    if not spec.control.max_local_steps or before.control is None:
        return spec.learning
    return with_steps(spec.learning, before.control.local_steps)


def with_steps(learning: LearningTerms, local_steps: int) -> LearningTerms:
    return replace(learning, mechanism=replace(learning.mechanism, local_steps=local_steps))


def check_steps(plan: PlanHead, spec: TaskSpec, before: TrainedModel) -> None:
    """Raises VerificationError where a plan has other local steps than follow from the model that it goes on from."""
    planned, due = (learning.mechanism.local_steps for learning in (plan.learning, learning_of(spec, before)))
    if planned != due:
        raise VerificationError(f"the plan has {planned} local steps, and {due} follow", fault=Party.EDGE_SERVER)


@dataclass(frozen=True, slots=True)
class Adaptation:
    """Of one task. ``usual_steps``: the terms' own local steps, which the first round takes."""

    model: ModelSpec
    control: ControlTerms
    rounds: int
    usual_steps: int

    @classmethod
    def of(cls, spec: TaskSpec) -> Adaptation:
        return cls(spec.model, spec.control, spec.rounds, spec.learning.mechanism.local_steps)

    @property
    def budget(self) -> Budget:
        """What all rounds with the usual steps would cost, in rounds without a step."""
        step = self.control.step_cost_ppm / MICRO
        return Budget(step, 1.0, self.rounds * (1.0 + step * self.usual_steps))

    def after(
        self,
        learning: LearningTerms,
        before: TrainedModel,
        sent: IndexSet,
        sums: npt.NDArray[np.int64],
        weights: list[int],
        test_set: LabelledSet,
    ) -> Control:
        """What the model after a round with this ``learning`` says of the next one. ``weights``: of the clients in the
        sums; an update that does not lower the loss where it begins is followed by a round with one step."""
        taken = learning.mechanism.local_steps
        known = before.control or Control(taken, learning.optimiser.learning_rate_micro / MICRO, 0.0, 0.0)
        found = self._measured(learning, known, before, sent, sums, weights, test_set)
        if found is None:
            return replace(known, local_steps=1)
        most = min(self.control.max_local_steps, SEARCH_FACTOR * taken)
        steps = best_steps(found, self.control.phi_micro / MICRO, self.budget, most)
        slope = found.slope if taken > 1 else known.slope
        return Control(steps, found.rate, slope, found.divergence)

    def _measured(
        self,
        learning: LearningTerms,
        known: Control,
        before: TrainedModel,
        sent: IndexSet,
        sums: npt.NDArray[np.int64],
        weights: list[int],
        test_set: LabelledSet,
    ) -> Estimates | None:
        taken, update = learning.mechanism.local_steps, meaning(sums, learning, sent) / sum(weights)
        square, (start, half, end) = (
            float(total(update * update)),
            self._losses(learning, before, sent, update, test_set),
        )
        square = max(square - _noise(learning, sent, weights), _LEAST_SHARE * square)
        descent, curvature = 3.0 * start - 4.0 * half + end, 4.0 * (start - 2.0 * half + end)
        if not (0.0 < descent < inf and 0.0 < square < inf):
            return None
        smoothness, slope = max(curvature / square, LEAST_SMOOTHNESS), abs(start - end) / sqrt(square)
        if taken == 1:
            return Estimates(known.slope or slope, smoothness, known.divergence / 2.0, square / descent)
        expected = _shortening(known.rate * smoothness, taken)
        shortened = max(square / (known.rate * taken * descent), _LEAST_SHARE)
        drift = sqrt(square) * max(0.0, expected / shortened - _UNSURE)
        unit = next(islice(drifts(Estimates(slope, smoothness, 1.0, known.rate)), taken - 1, None))
        divergence = drift / unit if unit > 0.0 else known.divergence
        slope, divergence = max(_HELD * known.slope, slope), max(_HELD * known.divergence, divergence)
        return Estimates(slope, smoothness, divergence, known.rate) if divergence < inf else None

    def _losses(
        self,
        learning: LearningTerms,
        before: TrainedModel,
        sent: IndexSet,
        update: npt.NDArray[np.float64],
        test_set: LabelledSet,
    ) -> list[float]:
        """At the model before, halfway along the update, and at its end."""
        found = []
        for share in (0.0, 0.5, 1.0):
            point = before.parameters.astype(np.float64)
            point[sent.indices] += share * update
            parameters = within_bound(point).astype(np.float32)
            found.append(mean_loss(self.model, parameters, *test_set, learning.optimiser.class_weights_micro))
        return found


def _shortening(rate_times_smoothness: float, steps: int) -> float:
    """The length of ``steps`` steps of one model in a bowl of this curvature, by that of as many first steps."""
    left = 1.0
    for _ in range(steps):
        left *= 1.0 - min(rate_times_smoothness, 1.0)
    return (1.0 - left) / (min(rate_times_smoothness, 1.0) * steps)


def _noise(learning: LearningTerms, sent: IndexSet, weights: list[int]) -> float:
    """Expected square of the length that the clients' own noise gives the mean update."""
    clip = clip_of(learning.mechanism, sent) * learning.noise_multiplier_micro / MICRO
    one = learning.optimiser.learning_rate_micro / MICRO * clip / divisor_of(learning)
    together = sum(weight * weight for weight in weights) / sum(weights) ** 2
    return len(sent.indices) * learning.mechanism.local_steps * one * one * together
