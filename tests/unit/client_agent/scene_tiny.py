"""A model and a pool of examples so small that a test can go through all households that there are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Final

import numpy as np
import numpy.typing as npt

from client_agent.training.trainers import trainer_for
from protocol.messages.learning import MICRO, Layer, LearningTerms, ModelSpec
from protocol.model.dataset import OWNERS, Examples
from protocol.randomness import SeededRandomness
from protocol.round.training import Assignment, Training
from protocol.sparse.grid import clip_of, units_of_clip
from protocol.sparse.index_set import IndexSet, everything
from tests.samples import with_terms
from tests.unit.client_agent.scene_learning import NOISELESS

TINY: Final = ModelSpec((2,), 2, (Layer("linear", {"outputs": 2, "bias": 0}),))
POOL: Final = (((0, 1), 0), ((3, 0), 1), ((3, 0), 0), ((200, 7), 1), ((1, 1), 0))  # inputs and label
EVERYTHING: Final = everything(4)
POINTS: Final = [np.array(point, dtype=np.float32) for point in ((0, 0, 0, 0), (1, -2, 0.5, 3), (-0.01, 0.02, 0.03, 0))]
TERMS: Final = with_terms(NOISELESS, clip_micro=MICRO // 2, reference_count=1)
SECRET: Final = bytes(range(32))

Household = tuple[int, ...]  # places in the pool


def households(most: int) -> Iterator[Household]:
    """Every one of at least one example and at most so many."""
    for size in range(1, most + 1):
        yield from combinations(range(len(POOL)), size)


def examples_of(household: Sequence[int], owners: Sequence[int] = ()) -> Examples:
    inputs = np.array([POOL[place][0] for place in household], dtype=np.uint8)
    arrays = {"inputs": inputs, "labels": np.array([POOL[place][1] for place in household], dtype=np.uint8)}
    return Examples({**arrays, OWNERS: np.array(owners)} if owners else arrays)


def trained(
    examples: Examples,
    learning: LearningTerms,
    point: npt.NDArray[np.float32],
    sent: IndexSet = EVERYTHING,
    seed: bytes = b"tiny",
) -> Training:
    trainer = trainer_for(TINY, examples, secret=SECRET)
    return trainer.train(Assignment(point, learning, sent, SeededRandomness(seed), f"round {sent.round_number}"))


def steps_of(delta: npt.NDArray[np.float64], learning: LearningTerms, moved: float = 1.0) -> list[int]:
    """A delta without noise in steps of the grid, each of which moves a parameter by ``moved`` times its length."""
    step = clip_of(learning.mechanism, EVERYTHING) / units_of_clip(len(delta)) * moved
    found = np.rint(delta / step)
    np.testing.assert_allclose(found * step, delta, rtol=1e-9, atol=step / 1e6)
    return [int(one) for one in found]


def square(steps: Sequence[int]) -> int:
    return sum(one * one for one in steps)
