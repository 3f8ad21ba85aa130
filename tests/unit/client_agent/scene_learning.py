"""Small models and terms for tests of training, and a source of randomness that counts what is drawn."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from protocol.messages.task import MICRO, Layer, LearningTerms, ModelSpec
from protocol.randomness import SeededRandomness

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

TERMS = LearningTerms(
    local_steps=1,
    sampling_rate_ppm=MICRO,
    clip_micro=MICRO,
    noise_multiplier_micro=2 * MICRO,
    learning_rate_micro=MICRO,
    reference_count=10,
    density_ppm=500_000,
    bound_micro=10 * MICRO,
    bits=16,
    packing=2,
)
NOISELESS = replace(TERMS, noise_multiplier_micro=0)


def examples(
    count: int, seed: int, shape: tuple[int, ...] = (FEATURES,)
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Images (count, *shape) and labels (count,)."""
    generator = np.random.default_rng(seed)
    images = generator.integers(0, 256, (count, *shape)).astype(np.uint8)
    return images, generator.integers(0, CLASSES, count).astype(np.uint8)


class Recorder:
    """Seeded randomness that remembers purpose and size of every draw."""

    def __init__(self, seed: bytes) -> None:
        self._source = SeededRandomness(seed)
        self.drawn: list[tuple[str, int]] = []

    def draw(self, purpose: str, size: int) -> bytes:
        self.drawn.append((purpose, size))
        return self._source.draw(purpose, size)
