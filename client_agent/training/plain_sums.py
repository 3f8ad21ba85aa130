"""Sums of whole gradients, which nothing bounds: for what is clipped as one afterwards."""

from __future__ import annotations

from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from client_agent.training.sampling import Chosen
from protocol.model.arithmetic import total

Reals = npt.NDArray[np.float64]
Indices = npt.NDArray[np.uint32]

_CHUNK_NUMBERS: Final = 400_000  # of gradients at a time
_CHUNK: Final = 64  # examples at most


class PlainSums(Protocol):
    """Gradients of one household's examples; :class:`~client_agent.training.gradients.Gradients`."""

    def __len__(self) -> int: ...

    def each(self, point: Reals, sent: Indices, chosen: Chosen) -> Reals:
        """Those of the examples ``chosen`` at the coordinates ``sent``, a column of (k, n) each."""
        ...


class NoGradients:
    """Of a household that has no examples, or may not use them."""

    def __len__(self) -> int:
        return 0

    def each(self, point: Reals, sent: Indices, chosen: Chosen) -> Reals:
        return np.zeros((len(sent), 0))


def plain_sum(gradients: PlainSums, point: Reals, sent: Indices, chosen: Chosen) -> Reals:
    """Over the examples ``chosen``, in their order, shape (k,); not finite where a gradient is not."""
    summed = np.zeros(len(sent))
    chunk = max(1, min(_CHUNK, _CHUNK_NUMBERS // len(sent)))
    with np.errstate(over="ignore", invalid="ignore"):
        for start in range(0, len(chosen), chunk):
            each = gradients.each(point, sent, chosen[start : start + chunk])
            summed += total(np.ascontiguousarray(each.T))
    return summed
