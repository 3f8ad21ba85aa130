"""Rules that were rejected (ADR 53), for comparison: what is not sent is owed, and added to a later update.

Each trains all coordinates, with noise on all of them, and keeps a residual on every client. ``half``: half of the sent
coordinates are those with the largest sums of the round before, the others are drawn. ``fading``: coordinates take
turns, a residual loses a share of itself in every round, and the step makes up for that by the time since the last
turn. Both are quantised as the product's own updates are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from protocol.model.initialization import initial_parameters
from protocol.model.layout import within_bound
from protocol.model.specification import dimension_of
from protocol.round.training import Assignment
from protocol.sparse.index_set import everything, sent_count
from protocol.sparse.quantization import bound, dequantise, quantise
from scripts.evaluate.rounds import Cohort, Course, Parameters

Rule = Literal["half", "fading"]
Indices = npt.NDArray[np.uint32]
Reals = npt.NDArray[np.float64]

FADING = 0.8  # of a residual is left after a round


def play_rule(course: Course, rule: Rule, rounds: int, cohort: Cohort) -> Iterator[Parameters]:
    """The model after each round."""
    parameters, state = initial_parameters(course.model), _State.at_start(course)
    for number in range(1, rounds + 1):
        indices, scale = state.chosen(rule, number)
        sums, clients = np.zeros(len(indices), dtype=np.int64), cohort(number)
        for client in clients:
            sums += state.sent_by(client, number, parameters, indices, FADING if rule == "fading" else 1.0)
        state.last = np.zeros(len(parameters))
        state.last[indices] = np.abs(sums)
        stepped = parameters.astype(np.float64)
        stepped[indices] += dequantise(sums, course.learning.quantiser) / len(clients) * scale
        parameters = within_bound(stepped).astype(np.float32)
        yield parameters


@dataclass
class _State:
    course: Course
    residuals: dict[int, Reals]
    last: Reals  # magnitudes of the last sums
    ages: npt.NDArray[np.int64]  # rounds since a coordinate was last sent

    @classmethod
    def at_start(cls, course: Course) -> _State:
        dimension = dimension_of(course.model)
        return cls(course, {}, np.zeros(dimension), np.zeros(dimension, dtype=np.int64))

    def chosen(self, rule: Rule, number: int) -> tuple[Indices, Reals]:
        """Coordinates of the round, and by how much the mean counts at each."""
        if rule == "half":
            return self._half(number)
        self.ages += 1
        sent = self.course.sent(number)
        waited = (1.0 - FADING ** self.ages[sent.indices]) / (1.0 - FADING)
        self.ages[sent.indices] = 0
        turns = np.count_nonzero(~np.isin(np.arange(sent.dimension), sent.indices[~sent.turns]))
        between = turns / max(1, int(np.count_nonzero(sent.turns)))
        return sent.indices, np.where(sent.turns, between / waited, 1.0)

    def _half(self, number: int) -> tuple[Indices, Reals]:
        dimension, count = len(self.last), sent_count(self.course.model, self.course.learning.sparsity.density_ppm)
        top = np.argsort(-self.last, kind="stable")[: count // 2 if number > 1 else 0]
        generator = np.random.Generator(np.random.PCG64([self.course.seed, number]))
        others = generator.permutation(np.setdiff1d(np.arange(dimension), top))[: count - len(top)]
        return np.sort(np.concatenate([top, others])).astype(np.uint32), np.ones(count)

    def sent_by(
        self, client: int, number: int, parameters: Parameters, indices: Indices, kept: float
    ) -> npt.NDArray[np.int64]:
        course, randomness = self.course, self.course.source.fork(f"client {client}")
        training = course.trainers[client].train(
            Assignment(parameters, course.learning, everything(len(parameters)), randomness, f"round {number}")
        )
        owed = training.delta + kept * self.residuals.get(client, np.zeros(len(parameters)))
        random = randomness.draw(f"round {number}/quantise", 8 * len(indices))
        values = quantise(bound(owed[indices], course.learning.quantiser), course.learning.quantiser, random)
        owed[indices] = 0.0
        self.residuals[client] = owed
        return values
