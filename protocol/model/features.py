"""Fixed oriented-gradient features: public, the same for every data set, nothing in them is trained.

Sobel gradients shared out among eight signed orientations, summed over overlapping cells, each cell divided by the
energy of its 3 x 3 neighbourhood, the whole scaled to unit length, a constant 0.1 appended. Only additions,
products, quotients and square roots in float64 and in a fixed order, so every IEEE machine gets the same bits.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

Reals = npt.NDArray[np.float64]

HALF = 0.7071067811865476  # cos 45 degrees
DIRECTIONS = ((1.0, 0.0), (HALF, HALF), (0.0, 1.0), (-HALF, HALF))  # the other four are their opposites
CONSTANT = 0.1
TINY = 1e-12


def oriented_gradients(images: npt.NDArray[Any], arguments: Mapping[str, int]) -> Reals:
    """Features of ``images`` (N, 1, height, width): (N, rows * columns * 8 + 1). Inside, images are the last axis."""
    cell, stride, padding = arguments["cell"], arguments["stride"], arguments["padding"]
    pixels = np.ascontiguousarray(np.moveaxis(images[:, 0], 0, -1)).astype(np.float64) / arguments["scale"]
    pixels = np.pad(pixels, ((1, 1), (1, 1), (0, 0)), mode="edge")
    across, down = _sobel(pixels), _sobel(pixels.transpose(1, 0, 2)).transpose(1, 0, 2)
    length = np.sqrt(across * across + down * down)
    cells = np.stack([_cell_sums(share, cell, stride, padding) for share in _shares(across, down, length)], axis=2)
    cells /= (np.sqrt(_neighbourhood_energy(cells)) + TINY)[:, :, None]
    flat = cells.reshape(-1, len(images))
    flat = flat / (np.sqrt(_sum_of_squares(flat)) + TINY)
    return np.ascontiguousarray(np.concatenate([flat, np.full((1, len(images)), CONSTANT)]).T)


def _sobel(pixels: Reals) -> Reals:
    """Differences along the second axis, smoothed along the first; loses the border."""
    difference = pixels[:, 2:] - pixels[:, :-2]
    return difference[:-2] + 2.0 * difference[1:-1] + difference[2:]


def _shares(across: Reals, down: Reals, length: Reals) -> Iterator[Reals]:
    """What each orientation gets: all of a gradient in its own direction, nothing from 45 degrees on."""
    least = HALF * length
    for sign in (1.0, -1.0):
        for x, y in DIRECTIONS:
            yield np.maximum(0.0, (sign * (x * across + y * down) - least) / (1.0 - HALF))


def _cell_sums(values: Reals, cell: int, stride: int, padding: int) -> Reals:
    padded = np.pad(values, ((padding, padding), (padding, padding), (0, 0)))
    rows, columns = ((side - cell) // stride + 1 for side in padded.shape[:2])
    sums = np.zeros((rows, columns, values.shape[2]))
    for i in range(cell):
        for j in range(cell):
            sums += padded[i : i + stride * rows : stride, j : j + stride * columns : stride]
    return sums


def _neighbourhood_energy(cells: Reals) -> Reals:
    """Sum of squares over each cell's 3 x 3 neighbourhood, (rows, columns, N)."""
    energy = np.zeros((*cells.shape[:2], cells.shape[3]))
    for orientation in range(cells.shape[2]):
        energy += cells[:, :, orientation] * cells[:, :, orientation]
    return _cell_sums(energy, 3, 1, 1)


def _sum_of_squares(flat: Reals) -> Reals:
    total = np.zeros(flat.shape[1])
    for row in flat:
        total += row * row
    return total
