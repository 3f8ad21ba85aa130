"""Small models and terms for tests of training, and a source of randomness that counts what is drawn."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from client_agent.training.gradients import Gradients
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
from protocol.model.specification import dimension_of
from protocol.model.speed import PROCESS, Gradual
from protocol.randomness import SeededRandomness
from protocol.sparse.index_set import IndexSet
from tests.samples import with_terms

FEATURES = 12
CLASSES = 3
LINEAR = ModelSpec((FEATURES,), CLASSES, (Layer("linear", {"outputs": CLASSES, "bias": 1}),))
NO_BIAS = ModelSpec((FEATURES,), CLASSES, (Layer("linear", {"outputs": CLASSES, "bias": 0}),))
DEEP = ModelSpec(
    (FEATURES,),
    CLASSES,
    (Layer("linear", {"outputs": 5, "bias": 1}), Layer("tanh", {}), Layer("linear", {"outputs": CLASSES, "bias": 1})),
)
CONVOLUTION = ModelSpec(
    (1, 6, 6),
    CLASSES,
    (
        Layer("convolution", {"channels": 2, "kernel": 3, "stride": 2}),
        Layer("relu", {}),
        Layer("flatten", {}),
        Layer("linear", {"outputs": CLASSES, "bias": 1}),
    ),
)
DEEP_CONVOLUTION = ModelSpec(
    (2, 7, 7),
    CLASSES,
    (
        Layer("convolution", {"channels": 3, "kernel": 3, "stride": 2}),
        Layer("tanh", {}),
        Layer("convolution", {"channels": 2, "kernel": 2, "stride": 1}),
        Layer("relu", {}),
        Layer("flatten", {}),
        Layer("linear", {"outputs": CLASSES, "bias": 0}),
    ),
)
POOLED = ModelSpec(
    (2, 3, 11),
    CLASSES,
    (
        Layer("rectangular_convolution", {"channels": 4, "rows": 2, "columns": 3, "row_stride": 1, "column_stride": 2}),
        Layer("sigmoid", {}),
        Layer("max_pool", {"rows": 1, "columns": 2}),
        Layer("tanh", {}),
        Layer("global_pool", {"mean": 1, "maximum": 1}),
        Layer("linear", {"outputs": CLASSES, "bias": 1}),
    ),
)
AVERAGED = ModelSpec(
    (1, 7, 9),
    CLASSES,
    (
        Layer("mean_pool", {"rows": 2, "columns": 3}),
        Layer("convolution", {"channels": 3, "kernel": 2, "stride": 1}),
        Layer("relu", {}),
        Layer("global_pool", {"mean": 0, "maximum": 1}),
        Layer("linear", {"outputs": CLASSES, "bias": 1}),
    ),
)
RECURRENT = ModelSpec(
    (4, 3),
    CLASSES,
    (Layer("tanh", {}), Layer("gru", {"units": 5}), Layer("linear", {"outputs": CLASSES, "bias": 1})),
)
SMALL = [LINEAR, NO_BIAS, DEEP, CONVOLUTION, DEEP_CONVOLUTION, POOLED, AVERAGED, RECURRENT]
NUMBER = ModelSpec(
    (5, 2),
    1,
    (Layer("gru", {"units": 3}), Layer("linear", {"outputs": 1, "bias": 1})),
    tolerance_micro=MICRO // 2,
)

TERMS = LearningTerms(
    mechanism=MechanismTerms(
        local_steps=1, sampling_rate_ppm=MICRO, clip_micro=MICRO, noise_multiplier_micro=2 * MICRO
    ),
    optimiser=OptimiserTerms(learning_rate_micro=MICRO, reference_count=10),
    sparsity=SparsityTerms(density_ppm=500_000, scale_micro=MICRO),
    quantiser=QuantiserTerms(bound_micro=10 * MICRO, bits=16),
    encoding=EncodingTerms(packing=2),
)
NOISELESS = with_terms(TERMS, noise_multiplier_micro=0)


def examples(
    count: int, seed: int, shape: tuple[int, ...] = (FEATURES,)
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Images (count, *shape) and labels (count,)."""
    generator = np.random.default_rng(seed)
    images = generator.integers(0, 256, (count, *shape)).astype(np.uint8)
    return images, generator.integers(0, CLASSES, count).astype(np.uint8)


def point_of(model: ModelSpec, scale: float, seed: int = 0) -> npt.NDArray[np.float64]:
    """Random parameters."""
    return np.random.default_rng(seed).normal(0.0, 1.0, dimension_of(model)) * scale


def gradients_of(model: ModelSpec, count: int, seed: int, work: Gradual = PROCESS) -> Gradients:
    return Gradients(model, *examples(count, seed, model.input_shape), work=work)


def everything(model: ModelSpec) -> IndexSet:
    """All coordinates, each of which takes its turn in every round."""
    return some(model, np.arange(dimension_of(model)))


def some(model: ModelSpec, places: npt.NDArray[np.int64]) -> IndexSet:
    """These coordinates, in ascending order."""
    indices = np.sort(places).astype(np.uint32)
    return IndexSet(indices, np.ones(len(indices), dtype=np.bool_), dimension_of(model))


class Recorder:
    """Seeded randomness that remembers purpose and size of every draw."""

    def __init__(self, seed: bytes) -> None:
        self._source = SeededRandomness(seed)
        self.drawn: list[tuple[str, int]] = []

    def draw(self, purpose: str, size: int) -> bytes:
        self.drawn.append((purpose, size))
        return self._source.draw(purpose, size)
