"""One run of an evaluation of appliances: what is dealt to whom, and rounds by a household's own training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from client_agent.data.appliance_split import households_of_plugs, unseen_folds
from client_agent.data.power_windows import WINDOW_MINUTES, Windows, type_windows, varied
from client_agent.data.tracebase import TYPES, Appliance, ApplianceDay, load_tracebase
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
    ServerTerms,
    SparsityTerms,
)
from protocol.model.evaluation import scores_of
from protocol.round.training import Trainer
from scripts.demonstration.data_folder import tracebase_folder
from scripts.evaluate.centralised import train_together
from scripts.evaluate.evaluation import Progress
from scripts.evaluate.rounds import Course, Parameters, play

HOUSEHOLDS: Final = 20
SPLIT_SEED: Final = 1  # of folds and households: part of the evaluation, not of its randomness
STRIDE_MINUTES: Final = 60  # between windows that are trained on; those of the test set do not overlap
SPREAD: Final = 0.2  # of the factors that vary a household's windows
UNIT_EXAMPLES: Final = 8  # windows of one appliance in a round

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Fold:
    """``households``: the appliances of each; ``tested``: appliances that none of them has."""

    trained: Windows
    households: Sequence[Sequence[Appliance]]
    tested: Windows


@lru_cache(maxsize=1)
def _days() -> Sequence[ApplianceDay]:
    return load_tracebase(tracebase_folder())


@lru_cache(maxsize=1)
def _windows() -> tuple[Windows, Windows]:
    """To be trained on, and to be tested on."""
    return varied(type_windows(_days(), stride=STRIDE_MINUTES), SPREAD, SPLIT_SEED), type_windows(_days())


def fold_of(number: int, split_seed: int = SPLIT_SEED, households: int = HOUSEHOLDS) -> Fold:
    trained, tested = _windows()
    unseen = unseen_folds(tested.appliances, split_seed)[number]
    known = [appliance for appliance in trained.appliances if appliance not in unseen]
    return Fold(trained.of(known), households_of_plugs(known, households, split_seed), tested.of(unseen))


def model_of(channels: Sequence[int], hidden: int) -> ModelSpec:
    """Convolutions over time, the mean and the highest of each channel, two linear layers."""
    layers = list[Layer]()
    for width in channels:
        kernel = {"channels": width, "rows": 1, "columns": 9, "row_stride": 1, "column_stride": 2}
        layers += [Layer("rectangular_convolution", kernel), Layer("relu", {})]
    layers += [
        Layer("global_pool", {"mean": 1, "maximum": 1}),
        Layer("linear", {"outputs": hidden, "bias": 1}),
        Layer("relu", {}),
        Layer("linear", {"outputs": len(TYPES), "bias": 1}),
    ]
    return ModelSpec((3, 1, WINDOW_MINUTES), len(TYPES), tuple(layers))


def class_weights(fold: Fold) -> tuple[int, ...]:
    """So that each type weighs the same: by how many appliances the households own of it, which is public here."""
    owned = np.bincount([one.kind for household in fold.households for one in household], minlength=len(TYPES))
    return tuple(round(MICRO * owned.sum() / (len(TYPES) * max(1, count))) for count in owned)


def learning_of(fold: Fold, rate: float, clip: float = 20.0, noise: float = 0.0) -> LearningTerms:
    """One step a round on a few windows of each appliance, and Adam on the server."""
    return LearningTerms(
        mechanism=MechanismTerms(
            local_steps=1,
            sampling_rate_ppm=MICRO,
            clip_micro=round(clip * MICRO),
            noise_multiplier_micro=round(noise * MICRO),
            unit="appliance",
            unit_examples=UNIT_EXAMPLES,
        ),
        optimiser=OptimiserTerms(MICRO, 2, class_weights(fold)),
        sparsity=SparsityTerms(density_ppm=MICRO, scale_micro=MICRO),
        quantiser=QuantiserTerms(bound_micro=64 * MICRO, bits=26),
        encoding=EncodingTerms(packing=1),
        server=ServerTerms("adam", round(rate * MICRO), 900_000, 990_000, 10),
    )


def trainers_of(fold: Fold, model: ModelSpec) -> list[Trainer]:
    return [trainer_for(model, fold.trained.of(household).examples()) for household in fold.households]


def federated(
    fold: Fold, model: ModelSpec, learning: LearningTerms, rounds: int, seed: int, progress: Progress
) -> Mapping[str, Any]:
    """Of the last model, and of the mean of the last half of all models."""
    course = Course(model, learning, trainers_of(fold, model), seed)
    mean, course_of = np.zeros(0), list[tuple[int, float]]()
    last: Parameters = np.zeros(0, dtype=np.float32)
    for played in play(course, rounds):
        last = played.parameters
        if 2 * played.number > rounds:
            mean = last.astype(np.float64) + (mean if len(mean) else 0.0)
        if played.number % max(1, rounds // 10) == 0:
            course_of.append((played.number, figures_of(fold.tested, model, last)["day"]))
        progress.advance(played.number, rounds)
    averaged = (mean / (rounds - rounds // 2)).astype(np.float32)
    return {
        "last": figures_of(fold.tested, model, last),
        "averaged": figures_of(fold.tested, model, averaged),
        "course": course_of,
    }


def centralised(fold: Fold, model: ModelSpec, epochs: int, seed: int) -> Mapping[str, Any]:
    """All households' windows in one place: each type as often as any other, and each appliance of a type."""
    windows, owners = fold.trained, np.bincount(fold.trained.owners)
    kinds = np.bincount([one.kind for household in fold.households for one in household], minlength=len(TYPES))
    odds = 1.0 / (owners[windows.owners] * kinds[windows.labels])
    return {
        "last": figures_of(
            fold.tested, model, train_together(model, windows.inputs, windows.labels, seed, epochs, odds)
        )
    }


def figures_of(tested: Windows, model: ModelSpec, parameters: Parameters) -> dict[str, float]:
    """Shares of right answers: of windows, and of days by the mean log probability of their windows; balanced ones
    are means over types."""
    return judged(tested, _log_probabilities(scores_of(model, parameters, tested.inputs).T))


def judged(tested: Windows, logs: Floats) -> dict[str, float]:
    """``logs``: of every window and type, shape (N, types)."""
    keys = tested.owners * 10**7 + tested.days
    _, first, day = np.unique(keys, return_index=True, return_inverse=True)
    summed = np.zeros((len(first), logs.shape[1]))
    np.add.at(summed, day, logs)
    window = logs.argmax(axis=1) == tested.labels
    days, kinds = summed.argmax(axis=1) == tested.labels[first], tested.labels[first]
    return {
        "window": float(window.mean()),
        "window balanced": _balanced(window, tested.labels),
        "day": float(days.mean()),
        "day balanced": _balanced(days, kinds),
    }


def _balanced(right: npt.NDArray[np.bool_], labels: npt.NDArray[Any]) -> float:
    return float(np.mean([right[labels == kind].mean() for kind in np.unique(labels)]))


def _log_probabilities(scores: Floats) -> Floats:
    shifted = scores - scores.max(axis=1, keepdims=True)
    found: Floats = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return found
