"""One run of federated gradient descent without noise on digits, until its budget is spent: the steps of a round fixed,
adapted from public numbers as in a task, or adapted from what clients report (Wang et al., JSAC 2019).

The cases are the paper's. The first deals everything out at random. The second gives each client its own labels. The
fourth does the one with half of the labels, and the other with the rest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from client_agent.data.datasets import load_digits
from client_agent.training.gradients import Gradients
from client_agent.training.trainers import trainer_for
from protocol.messages.learning import (
    MICRO,
    EncodingTerms,
    Layer,
    LearningTerms,
    MechanismTerms,
    ModelSpec,
    OptimiserTerms,
    QuantiserTerms,
    SparsityTerms,
)
from protocol.messages.task import ControlTerms
from protocol.model.dataset import Array, Examples
from protocol.model.evaluation import mean_loss
from protocol.model.local_steps import LEAST_SMOOTHNESS, SEARCH_FACTOR, Budget, Estimates, best_steps
from protocol.model.specification import dimension_of
from protocol.model.trained import TrainedModel
from protocol.round.adaptation import Adaptation, with_steps
from protocol.sparse.grid import units_of_clip
from protocol.sparse.index_set import everything
from scripts.evaluate.evaluation import Progress
from scripts.evaluate.rounds import Course

CLIENTS: Final = 5
CASES: Final = ("random", "labels", "half")
PUBLIC, REPORTED = "public", "reported"
STEP_COST: Final = 0.013015156  # seconds, and the next ones, too: measured by the paper
ROUND_COST: Final = 0.131604348
_MODEL: Final = ModelSpec((1, 8, 8), 10, (Layer("flatten", {}), Layer("linear", {"outputs": 10, "bias": 1})))
_RATE: Final = 0.05
_CLIP: Final = 8.0  # longer than any gradient here
_DARKEST: Final = 16  # of a pixel
_MOST: Final = 100

Reals = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Setting:
    """``seconds``: the budget; ``steps``: of every round, or none, and then ``by`` says what adapts them."""

    case: str
    seconds: float
    steps: int = 0
    by: str = ""
    phi: float = 0.0


def run(setting: Setting, seed: int, progress: Progress) -> Mapping[str, Any]:
    """``loss`` on all training examples when the budget is spent, ``correct`` of the test set, ``steps`` by round."""
    parts, test = dealt(setting.case, seed)
    course, budget = _course(parts, seed), Budget(STEP_COST, ROUND_COST, setting.seconds)
    model, spent, taken, steps = course.start, 0.0, list[int](), setting.steps or 1
    while True:
        steps = min(steps, int((budget.whole - spent - budget.round) / budget.step))
        if steps < 1:
            break
        number, learning = len(taken) + 1, with_steps(course.learning, steps)
        played = replace(course.rounds, learning=learning).round(number, model, range(CLIENTS))
        spent, after = spent + steps * budget.step + budget.round, played.model
        taken.append(steps)
        if setting.by == PUBLIC:
            adaptation = Adaptation(
                _MODEL, _control(setting.phi), round(budget.whole / (budget.step + budget.round)), 1
            )
            weights = [1] * CLIENTS
            after = replace(after, control=adaptation.after(learning, model, played.sent, played.sums, weights, test))
            assert after.control is not None
            steps = after.control.local_steps
        elif setting.by == REPORTED:
            locals_ = [model.parameters + course.moved(update.values, learning) for update in played.updates.values()]
            most = min(_MOST, SEARCH_FACTOR * steps)
            steps = best_steps(course.reported(locals_, after.parameters), setting.phi, budget, most)
        model = after
        progress.advance(min(999, int(1000 * spent / budget.whole)), 1000)
    progress.advance(1, 1)
    return {
        "loss": course.loss(model.parameters),
        "test": mean_loss(_MODEL, model.parameters, *test),
        "steps": taken,
        "phi": setting.phi,
    }


@dataclass(frozen=True)
class _Federation:
    """``parts``: inputs and labels of each client."""

    parts: Sequence[tuple[Array, Array]]
    rounds: Course
    gradients: Sequence[Gradients] = field(default=())

    @property
    def learning(self) -> LearningTerms:
        return self.rounds.learning

    @property
    def start(self) -> TrainedModel:
        return TrainedModel(np.zeros(dimension_of(_MODEL), dtype=np.float32))

    @property
    def shares(self) -> Reals:
        counts = np.array([len(labels) for _, labels in self.parts], dtype=np.float64)
        shares: Reals = counts / counts.sum()
        return shares

    def moved(self, values: npt.NDArray[np.int64], learning: LearningTerms) -> npt.NDArray[np.float32]:
        """One client's update, for its own mean gradient."""
        bound, bits = learning.quantiser.bound_micro / MICRO, learning.quantiser.bits
        moved: npt.NDArray[np.float32] = (values * (bound / (2 ** (bits - 1) - 1))).astype(np.float32)
        return moved

    def loss(self, parameters: npt.NDArray[np.float32]) -> float:
        losses = [mean_loss(_MODEL, parameters, *part) for part in self.parts]
        return float(np.dot(self.shares, losses))

    def reported(self, locals_: Sequence[npt.NDArray[np.float32]], after: npt.NDArray[np.float32]) -> Estimates:
        """The paper's three numbers, as clients that hide nothing would report them."""
        at_mean = [self._gradient(client, after) for client in range(CLIENTS)]
        mean = np.average(np.stack(at_mean), axis=0, weights=self.shares)
        slope = smoothness = divergence = 0.0
        for client, (share, own) in enumerate(zip(self.shares, locals_, strict=True)):
            apart = float(np.linalg.norm(own.astype(np.float64) - after))
            if apart > 1e-10:
                change = self._gradient(client, own) - at_mean[client]
                smoothness += share * float(np.linalg.norm(change)) / apart
                losses = [mean_loss(_MODEL, point, *self.parts[client]) for point in (own, after)]
                slope += share * abs(losses[0] - losses[1]) / apart
            divergence += share * float(np.linalg.norm(at_mean[client] - mean))
        return Estimates(slope, max(smoothness, LEAST_SMOOTHNESS), divergence, _RATE)

    def _gradient(self, client: int, point: npt.NDArray[np.float32]) -> Reals:
        own, sent = self.gradients[client], everything(len(point)).indices
        total = own.clipped_sum(point.astype(np.float64), sent, np.arange(len(own)), _CLIP).total
        gradient: Reals = total.astype(np.float64) * (_CLIP / units_of_clip(len(sent)) / len(own))
        return gradient


def _control(phi: float) -> ControlTerms:
    return ControlTerms(
        max_local_steps=_MOST, phi_micro=round(phi * MICRO), step_cost_ppm=round(STEP_COST / ROUND_COST * MICRO)
    )


def _course(parts: Sequence[tuple[Array, Array]], seed: int) -> _Federation:
    learning = LearningTerms(
        mechanism=MechanismTerms(1, MICRO, round(_CLIP * MICRO), 0),
        optimiser=OptimiserTerms(round(_RATE * MICRO), round(np.mean([len(labels) for _, labels in parts]))),
        sparsity=SparsityTerms(MICRO, MICRO),
        quantiser=QuantiserTerms(bound_micro=32 * MICRO, bits=30),
        encoding=EncodingTerms(packing=1),
    )
    examples = [Examples({"inputs": inputs, "labels": labels}) for inputs, labels in parts]
    trainers = [trainer_for(_MODEL, own) for own in examples]
    return _Federation(parts, Course(_MODEL, learning, trainers, seed), [Gradients(_MODEL, *part) for part in parts])


@cache
def dealt(case: str, seed: int) -> tuple[list[tuple[Array, Array]], tuple[Array, Array]]:
    """Inputs and labels of each client, and of the test set."""
    train, test = load_digits()
    inputs, labels = train.labelled()
    order = np.random.Generator(np.random.PCG64([seed, 8])).permutation(len(labels))
    inputs, labels = _scaled(inputs[order]), labels[order]
    test_inputs, test_labels = test.labelled()
    return [(inputs[part], labels[part]) for part in _parts(case, labels)], (_scaled(test_inputs), test_labels)


def _scaled(inputs: Array) -> Array:
    return (inputs / _DARKEST).astype(np.float32)


def _parts(case: str, labels: Array) -> list[npt.NDArray[np.int64]]:
    everyone = np.arange(len(labels))
    if case == "random":
        return np.array_split(everyone, CLIENTS)
    if case == "labels":
        return [np.flatnonzero(labels % CLIENTS == client) for client in range(CLIENTS)]
    spread = np.array_split(np.flatnonzero(labels < 5), 2)
    owners = {5: 0, 6: 0, 7: 1, 8: 1, 9: 2}
    return spread + [
        np.array([place for place in everyone if owners.get(int(labels[place])) == client]) for client in range(3)
    ]
