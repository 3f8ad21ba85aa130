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
CLUSTER_RATE: Final = 0.2  # of learning, where a cluster goes on from the model of all


@dataclass(frozen=True)
class Size:
    """``sensors``: the first so many; ``cohort``: of a round; ``rounds``: of all sensors, then of each cluster."""

    sensors: int
    units: int
    cohort: int
    rounds: int
    clusters: int
    cluster_rounds: int
    local_steps: int
    epochs: int


@lru_cache(maxsize=1)
def week() -> Week:
    return load_traffic(data_folder() / "traffic")


def model_of(size: Size) -> ModelSpec:
    layers = (Layer("gru", {"units": size.units}), Layer("linear", {"outputs": 1, "bias": 1}))
    return ModelSpec((LAGS, 1), 1, layers, tolerance_micro=50_000)


def learning_of(size: Size, rate: float = 0.5, momentum: float = 0.5) -> LearningTerms:
    """Without noise: steps of plain descent on the phone, momentum on the server."""
    return LearningTerms(
        mechanism=MechanismTerms(
            local_steps=size.local_steps,
            sampling_rate_ppm=BATCH * MICRO // EXAMPLES,
            clip_micro=20 * MICRO,
            noise_multiplier_micro=0,
        ),
        optimiser=OptimiserTerms(round(rate * MICRO), EXAMPLES),
        sparsity=SparsityTerms(density_ppm=MICRO, scale_micro=MICRO),
        quantiser=QuantiserTerms(bound_micro=16 * MICRO, bits=26),
        encoding=EncodingTerms(packing=1),
        server=ServerTerms("momentum", MICRO, round(momentum * MICRO)),
    )


def federated(size: Size, seed: int, progress: Progress) -> Mapping[str, Any]:
    """Errors of the model of all sensors, of the clusters' models, and of the means of both predictions."""
    model, learning, data = model_of(size), learning_of(size), week()
    trainers = [trainer_for(model, data.train(sensor)) for sensor in range(size.sensors)]
    total = size.rounds + size.clusters * size.cluster_rounds
    course, rounds = Course(model, learning, trainers, seed), list[tuple[int, float]]()
    everyone = range(size.sensors)

    def watch(number: int, parameters: Parameters) -> None:
        if number % max(1, size.rounds // 6) == 0:
            rounds.append((number, errors(_predictions(model, dict.fromkeys(everyone, parameters)))["MAE"]))
        progress.advance(number, total)

    of_all = _averaged(course, size.rounds, drawn(seed, size.sensors, size.cohort), None, watch)
    clusters = consensus(data.scaled[:ROWS_OF_A_DAY, : size.sensors], size.clusters, seed)
    own, gently = dict[int, Parameters](), learning_of(size, CLUSTER_RATE, 0.0)
    for place, members in enumerate(clusters):
        part = Course(model, gently, [trainers[sensor] for sensor in members], seed + 1)
        cohort = drawn(seed, len(members), min(size.cohort, len(members)))
        before = size.rounds + place * size.cluster_rounds
        of_cluster = _averaged(
            part,
            size.cluster_rounds,
            cohort,
            of_all,
            partial(_advance, progress, before, total),
        )
        own |= dict.fromkeys(members, of_cluster)
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
