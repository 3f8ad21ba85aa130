"""The parameters that a task starts from when its manufacturer brings none: the same for everyone."""

from __future__ import annotations

from math import prod, sqrt

import numpy as np
import numpy.typing as npt

from protocol.messages.learning import ModelSpec
from protocol.model.layout import Layout
from protocol.randomness import SeededRandomness


def initial_parameters(model: ModelSpec) -> npt.NDArray[np.float32]:
    """Zeros where one linear layer is trained; else uniform in ±sqrt(6 / inputs) (He), biases zero, fixed seed.

    Weights of a recurrent layer are uniform in ±1 / sqrt(units): they are used again at every step.
    """
    layout = Layout.of(model)
    weights = [name for name, _ in layout.shapes if name.endswith(".weight")]
    if len(weights) == 1:
        return np.zeros(layout.dimension, dtype=np.float32)
    randomness, pieces = SeededRandomness(b"hearth/initial-parameters/1"), []
    for name, shape in layout.shapes:
        size, piece = prod(shape), np.zeros(prod(shape))
        if name in weights:
            draws = np.frombuffer(randomness.draw(name, 8 * size), dtype="<u8") >> np.uint64(11)
            piece = (draws.astype(np.float64) * 2.0**-52 - 1.0) * _bound(name, shape)
        pieces.append(piece)
    return np.concatenate(pieces).astype(np.float32)


def _bound(name: str, shape: tuple[int, ...]) -> float:
    recurrent = name.endswith((".input.weight", ".hidden.weight"))
    return 1.0 / sqrt(shape[0] // 3) if recurrent else sqrt(6.0 / prod(shape[1:]))
