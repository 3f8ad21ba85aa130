"""Rounds as a task plays them, without encryption: the product's own training, index set, quantiser, sum and step.

Encrypted sums are the plain ones (``docs/encryption.md``), so nothing else differs.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from protocol.identifiers import Digest, sha256
from protocol.messages.learning import LearningTerms, ModelSpec
from protocol.model.dataset import Array
from protocol.model.evaluation import count_correct
from protocol.model.initialization import initial_parameters
from protocol.model.layout import Layout
from protocol.model.step import apply_step
from protocol.model.trained import TrainedModel
from protocol.randomness import SeededRandomness
from protocol.round.averaging import average_of
from protocol.round.training import Assignment, Trainer
from protocol.round.update import Update, prepare_update
from protocol.sparse.index_set import IndexSet, select

Parameters = npt.NDArray[np.float32]
Cohort = Callable[[int], Sequence[int]]  # round number -> clients of the round, ascending


@dataclass(frozen=True)
class Played:
    """One round. ``updates``: by client, of those in its cohort; ``model``: after it."""

    number: int
    before: Parameters
    sent: IndexSet
    updates: Mapping[int, Update]
    sums: npt.NDArray[np.int64]
    model: TrainedModel

    @property
    def parameters(self) -> Parameters:
        """After the round."""
        return self.model.parameters


@dataclass(frozen=True)
class Course:
    """What the rounds of one run have in common. ``seed`` draws everything: the task's digest, samples and noise."""

    model: ModelSpec
    learning: LearningTerms
    trainers: Sequence[Trainer]
    seed: int
    weights: Sequence[int] = ()  # of the clients in a sum; one each, if there are none
    task: Digest = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "task", sha256(self.source.draw("task", 32)))

    @property
    def source(self) -> SeededRandomness:
        return SeededRandomness(self.seed.to_bytes(8, "big"))

    def sent(self, number: int) -> IndexSet:
        return select(self.task, self.model, self.learning, number)

    def update(self, number: int, client: int, parameters: Parameters) -> Update:
        """What one client sends in a round."""
        randomness, purpose = self.source.fork(f"client {client}"), f"round {number}"
        assignment = Assignment(parameters, self.learning, self.sent(number), randomness, purpose)
        return prepare_update(self.trainers[client], assignment)

    def round(self, number: int, model: TrainedModel, cohort: Sequence[int]) -> Played:
        """Rounds count from 1. ``cohort``: the clients whose updates are summed, at least one."""
        sent = self.sent(number)
        sums, total, updates = np.zeros(len(sent.indices), dtype=np.int64), 0, dict[int, Update]()
        for client in cohort:
            updates[client] = self.update(number, client, model.parameters)
            weight = self.weights[client] if self.weights else 1
            sums += weight * updates[client].values
            total += weight
        after = apply_step(model, sent, sums, total, self.learning)
        return Played(number, model.parameters, sent, updates, sums, after)


def play(
    course: Course, rounds: int, cohort: Cohort | None = None, start: Parameters | None = None
) -> Iterator[Played]:
    """All rounds, one after the other. ``cohort``: everybody, if left out; ``start``: the model's usual beginning."""
    model = TrainedModel(initial_parameters(course.model) if start is None else start)
    everybody = range(len(course.trainers))
    for number in range(1, rounds + 1):
        played = course.round(number, model, everybody if cohort is None else cohort(number))
        model = played.model
        yield played


class LastModels:
    """Of a run, as a task averages its own: the second document beside the last model."""

    def __init__(self, model: ModelSpec, count: int) -> None:
        self._model, self._kept = model, deque[Parameters](maxlen=count)

    def add(self, parameters: Parameters) -> None:
        self._kept.appendleft(parameters)

    def mean(self) -> Parameters:
        """Of at least one."""
        return Layout.of(self._model).from_safetensors(average_of(self._model, self._kept).document)


def drawn(seed: int, of: int, size: int) -> Cohort:
    """A cohort of ``size`` of ``of`` clients, drawn anew for each round."""

    def cohort(number: int) -> Sequence[int]:
        generator = np.random.Generator(np.random.PCG64([seed, number]))
        return sorted(generator.permutation(of)[:size].tolist())

    return cohort


def dropping(seed: int, of: int, share: float) -> Cohort:
    """All of ``of`` clients but a ``share`` of them, drawn anew for each round: they were trained for nothing."""
    return drawn(seed, of, of - round(share * of))


def accuracy(model: ModelSpec, parameters: Parameters, inputs: Array, labels: Array) -> float:
    """Share of right answers."""
    return count_correct(model, parameters, inputs, labels) / len(labels)
