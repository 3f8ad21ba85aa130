"""One run of FedGRU (Liu et al. 2020): a sensor is a client; random cohorts answer a joint announcement; then a model
for each cluster of sensors, and its mean with the model of all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from client_agent.data.traffic import LAGS, ROWS_OF_A_DAY, Week, load_traffic
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
from scripts.demonstration.data_folder import data_folder
from scripts.evaluate.centralised import train_together
from scripts.evaluate.clusters import consensus
from scripts.evaluate.evaluation import Progress
from scripts.evaluate.rounds import Cohort, Course, Parameters, drawn, play

Reals = npt.NDArray[np.float64]

EXAMPLES: Final = 1_428  # of a sensor's five days
BATCH: Final = 32
RATE: Final = 0.03  # of the first task
GENTLE_RATE: Final = 0.01  # of the second one, which goes on from the first one's mean
CLUSTER_RATE: Final = 0.003  # where a cluster goes on from the second one's


@dataclass(frozen=True)
class Size:
    """``sensors``: the first so many; ``cohort``: of a round; ``rounds``: of all sensors, then at the gentle rate, then
    of each cluster; ``epochs``: of the centralised model."""

    sensors: int
    units: int
    cohort: int
    rounds: int
    gentle_rounds: int
    clusters: int
    cluster_rounds: int
    epochs: int


@lru_cache(maxsize=1)
def week() -> Week:
    return load_traffic(data_folder() / "traffic")


def model_of(size: Size) -> ModelSpec:
    layers = (Layer("gru", {"units": size.units}), Layer("linear", {"outputs": 1, "bias": 1}))
    return ModelSpec((LAGS, 1), 1, layers, tolerance_micro=50_000)


def learning_of(rate: float) -> LearningTerms:
    """One step a round without noise, and Adam on the server.

    The clip is no longer than it has to be: gradients of single examples are rounded to parts of it.
    """
    return LearningTerms(
        mechanism=MechanismTerms(
            local_steps=1,
            sampling_rate_ppm=BATCH * MICRO // EXAMPLES,
            clip_micro=MICRO,
            noise_multiplier_micro=0,
        ),
        optimiser=OptimiserTerms(MICRO, EXAMPLES),
        sparsity=SparsityTerms(density_ppm=MICRO, scale_micro=MICRO),
        quantiser=QuantiserTerms(bound_micro=2 * MICRO, bits=26),
        encoding=EncodingTerms(packing=1),
        server=ServerTerms("adam", round(rate * MICRO), 900_000, 990_000, 10),
    )


def federated(size: Size, seed: int, progress: Progress) -> Mapping[str, Any]:
    """Errors of the model of all sensors, of the clusters' models, and of the means of both predictions."""
    model, data, everyone = model_of(size), week(), range(size.sensors)
    trainers = [trainer_for(model, data.train(sensor)) for sensor in everyone]
    of_everyone = size.rounds + size.gentle_rounds
    total, rounds = of_everyone + size.clusters * size.cluster_rounds, list[tuple[int, float]]()

    def watch(before: int, number: int, parameters: Parameters) -> None:
        done = before + number
        if done % (of_everyone // 5) == 0:
            rounds.append((done, errors(_predictions(model, dict.fromkeys(everyone, parameters)))["MAE"]))
        progress.advance(done, total)

    cohort = drawn(seed, size.sensors, size.cohort)
    first = Course(model, learning_of(RATE), trainers, seed)
    of_all = _averaged(first, size.rounds, cohort, None, partial(watch, 0))
    second = Course(model, learning_of(GENTLE_RATE), trainers, seed + 1)
    of_all = _averaged(second, size.gentle_rounds, cohort, of_all, partial(watch, size.rounds))
    clusters = consensus(data.scaled[:ROWS_OF_A_DAY, : size.sensors], size.clusters, seed)
    own = dict[int, Parameters]()
    for place, members in enumerate(clusters):
        part = Course(model, learning_of(CLUSTER_RATE), [trainers[sensor] for sensor in members], seed + 2)
        cohort = drawn(seed, len(members), min(size.cohort, len(members)))
        advance = partial(_advance, progress, of_everyone + place * size.cluster_rounds, total)
        own |= dict.fromkeys(members, _averaged(part, size.cluster_rounds, cohort, of_all, advance))
    alone, clustered = (_predictions(model, of) for of in (dict.fromkeys(everyone, of_all), own))
    return {
        "all": errors(alone),
        "clusters": errors(clustered),
        "ensemble": errors({sensor: (alone[sensor] + clustered[sensor]) / 2.0 for sensor in everyone}),
        "sizes": sorted(map(len, clusters), reverse=True),
        "course": rounds,
    }


def _advance(progress: Progress, before: int, total: int, number: int, _: Parameters) -> None:
    progress.advance(before + number, total)


def _averaged(
    course: Course, rounds: int, cohort: Cohort, start: Parameters | None, watch: Callable[[int, Parameters], None]
) -> Parameters:
    """The mean of the models after the last third of the rounds: a task's second document."""
    first, sum_ = rounds - max(1, rounds // 3), np.zeros(0)
    for played in play(course, rounds, cohort, start):
        watch(played.number, played.parameters)
        if played.number > first:
            sum_ = played.parameters.astype(np.float64) + (sum_ if len(sum_) else 0.0)
    mean: Parameters = (sum_ / (rounds - first)).astype(np.float32)
    return mean


def centralised(size: Size, seed: int, progress: Progress) -> Mapping[str, Any]:
    """The same model on all sensors' examples in one place."""
    model, everyone = model_of(size), range(size.sensors)
    pieces = [week().train(sensor) for sensor in everyone]
    inputs, labels = (np.concatenate([piece.arrays[name] for piece in pieces]) for name in ("inputs", "labels"))
    parameters = train_together(model, inputs, labels, seed, size.epochs)
    return {"all": errors(_predictions(model, dict.fromkeys(everyone, parameters)))}


def persistence(size: Size, progress: Progress) -> Mapping[str, Any]:
    """What was is taken to go on."""
    tests = {sensor: week().test(sensor).arrays["inputs"] for sensor in range(size.sensors)}
    return {"all": errors({sensor: inputs[:, -1, 0].astype(np.float64) for sensor, inputs in tests.items()})}


def errors(predictions: Mapping[int, Reals]) -> dict[str, float]:
    """On days 6 and 7 of all sensors together, in miles an hour; MAPE is a share."""
    data = week()
    found = np.concatenate([predictions[sensor] for sensor in sorted(predictions)]) * data.span + data.lowest
    wanted = [data.test(sensor).arrays["labels"].astype(np.float64) for sensor in sorted(predictions)]
    speeds = np.concatenate(wanted) * data.span + data.lowest
    off = np.abs(found - speeds)
    squares = float(np.square(off).mean())
    return {"MAE": float(off.mean()), "MSE": squares, "RMSE": squares**0.5, "MAPE": float((off / speeds).mean())}


def _predictions(model: ModelSpec, parameters: Mapping[int, Parameters]) -> dict[int, Reals]:
    """Of each sensor by its own parameters; sensors that share them are asked together."""
    found = dict[int, Reals]()
    groups: dict[bytes, list[int]] = {}
    for sensor, own in parameters.items():
        groups.setdefault(own.tobytes(), []).append(sensor)
    for sensors in groups.values():
        inputs = [week().test(sensor).arrays["inputs"] for sensor in sensors]
        scores = scores_of(model, parameters[sensors[0]], np.concatenate(inputs))[0]
        pieces: Sequence[Reals] = np.split(scores, np.cumsum([len(one) for one in inputs])[:-1])
        found |= dict(zip(sensors, pieces, strict=True))
    return found
