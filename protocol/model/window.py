"""Where the kernel of a convolution, or a pool, stands on an image; without padding."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from protocol.messages.learning import Layer


@dataclass(frozen=True, slots=True)
class Window:
    """``rows`` by ``columns`` numbers of each channel, moved by the strides."""

    rows: int
    columns: int
    row_stride: int
    column_stride: int

    @classmethod
    def of(cls, layer: Layer) -> Window:
        """Of a convolution or a pool; pools stand side by side."""
        given = layer.arguments
        match layer.kind:
            case "convolution":
                return cls(given["kernel"], given["kernel"], given["stride"], given["stride"])
            case "rectangular_convolution":
                return cls(given["rows"], given["columns"], given["row_stride"], given["column_stride"])
            case _:
                return cls(given["rows"], given["columns"], given["rows"], given["columns"])

    def fits(self, height: int, width: int) -> bool:
        """Whether it stands somewhere, and misses nothing between two places."""
        return 1 <= self.row_stride <= self.rows <= height and 1 <= self.column_stride <= self.columns <= width

    def places(self, height: int, width: int) -> tuple[int, int]:
        """In how many rows and columns of places it stands on an image."""
        return (height - self.rows) // self.row_stride + 1, (width - self.columns) // self.column_stride + 1


def met(values: npt.NDArray[np.float64], window: Window) -> Iterator[tuple[int, int, npt.NDArray[Any]]]:
    """Row i, column j of the window, and the view (channels, rows, columns, n) of all that it meets there."""
    rows, columns = window.places(*values.shape[1:3])
    for i in range(window.rows):
        for j in range(window.columns):
            down = slice(i, i + window.row_stride * rows, window.row_stride)
            yield i, j, values[:, down, j : j + window.column_stride * columns : window.column_stride]
