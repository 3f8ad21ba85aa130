"""Sums of clipped gradients on compiled loops; :mod:`client_agent.privacy.clipping` gives the same numbers."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from client_agent.privacy.clipping import LARGEST, MARGIN, SHORTEST
from client_agent.training import clipping_kernels
from client_agent.training.backpropagation import Found, OuterProducts, Places
from protocol.model.arithmetic import Reals
from protocol.model.layout import Layout
from protocol.model.vectors import LANES


class Columns:
    """Puts the gradients of some examples after those of others together, at the same coordinates ``sent``."""

    def __init__(self, layout: Layout, sent: npt.NDArray[np.uint32]) -> None:
        self._places, self._split = list(layout.places(sent)), dict[str, tuple[Places, Places]]()
        self._gradients = np.empty((len(sent), 0))

    def of(self, found: Mapping[str, Found], count: int) -> Reals:
        """Of ``count`` examples, a multiple of 8: shape (k, count), until the next call."""
        if self._gradients.shape[1] != count:
            self._gradients = np.empty((len(self._gradients), count))
        gradients, start = self._gradients.reshape(-1), 0
        for name, places in self._places:
            part = found[name]
            if isinstance(part, OuterProducts):
                left, right = _flat(part.left), _flat(part.right)
                rows, columns = self._rows_and_columns(name, places, len(part.right))
                clipping_kernels.multiply(left, right, rows, columns, gradients, start, count)
            else:
                clipping_kernels.take(_flat(part.values), places, gradients, start, count)
            start += len(places)
        return self._gradients

    def _rows_and_columns(self, name: str, places: Places, width: int) -> tuple[Places, Places]:
        if name not in self._split:
            self._split[name] = np.divmod(places, width)
        return self._split[name]


class CompiledSum:
    """Of clipped gradients of ``count`` coordinates."""

    def __init__(self, count: int, clip: float, units: int) -> None:
        self.total, self._units = np.zeros(count), units
        self._constants = np.array([units / clip, clip * (1.0 - MARGIN), SHORTEST, LARGEST])
        self._scratch = np.empty(LANES * (count // 2 + 2))

    def add(self, gradients: Reals, used: int) -> Reals:
        """The first ``used`` columns of ``gradients`` (k, n); gives each length before the cut.

        Columns that count as zero are overwritten.
        """
        norms = np.empty(gradients.shape[1])
        given = (gradients.reshape(-1), len(norms), used, self._units, self._constants, self._scratch)
        clipping_kernels.add_clipped(*given, self.total, norms)
        return norms[:used]


def _flat(array: Reals) -> Reals:
    return np.ascontiguousarray(array).reshape(-1)
