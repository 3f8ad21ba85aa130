"""Fixed oriented-gradient features: public, the same for every data set, nothing in them is trained.

Sobel gradients shared out among eight signed orientations, summed over overlapping cells, each cell divided by the
energy of its 3 x 3 neighbourhood, the whole scaled to unit length, a constant 0.1 appended. Only additions,
products, quotients and square roots in float64 and in a fixed order, so every IEEE machine gets the same bits.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

Reals = npt.NDArray[np.float64]

_HALF = 0.7071067811865476  # cos 45 degrees
_DIRECTIONS = ((1.0, 0.0), (_HALF, _HALF), (0.0, 1.0), (-_HALF, _HALF))  # the other four are their opposites
_CONSTANT = 0.1
_TINY = 1e-12


def oriented_gradients(images: npt.NDArray[Any], arguments: Mapping[str, int]) -> Reals:
    """Features of ``images`` (N, 1, height, width): (N, rows * columns * 8 + 1)."""
    cell, stride, padding = arguments["cell"], arguments["stride"], arguments["padding"]
    pixels = images[:, 0].astype(np.float64) / arguments["scale"]
    pixels = np.pad(pixels, ((0, 0), (1, 1), (1, 1)), mode="edge")
    across, down = _sobel(pixels), _sobel(pixels.transpose(0, 2, 1)).transpose(0, 2, 1)
    length = np.sqrt(across * across + down * down)
    cells = np.stack([_cell_sums(share, cell, stride, padding) for share in _shares(across, down, length)], axis=-1)
    cells = cells / (np.sqrt(_neighbourhood_energy(cells)) + _TINY)[..., None]
    flat = cells.reshape(len(images), -1)
    flat = flat / (np.sqrt(_sum_of_squares(flat)) + _TINY)[:, None]
    return np.concatenate([flat, np.full((len(images), 1), _CONSTANT)], axis=1)


def _sobel(pixels: Reals) -> Reals:
    """Differences along the last axis, smoothed along the one before it; loses the border."""
    difference = pixels[:, :, 2:] - pixels[:, :, :-2]
    return difference[:, :-2] + 2.0 * difference[:, 1:-1] + difference[:, 2:]


def _shares(across: Reals, down: Reals, length: Reals) -> list[Reals]:
    """What each orientation gets: all of a gradient in its own direction, nothing from 45 degrees on."""
    shares: list[Reals] = []
    for sign in (1.0, -1.0):
        for x, y in _DIRECTIONS:
            projection = sign * (x * across + y * down)
            shares.append(np.maximum(0.0, (projection - _HALF * length) / (1.0 - _HALF)))
    return shares


def _cell_sums(values: Reals, cell: int, stride: int, padding: int) -> Reals:
    padded = np.pad(values, ((0, 0), (padding, padding), (padding, padding)))
    rows, columns = ((side - cell) // stride + 1 for side in padded.shape[1:])
    sums = np.zeros((len(values), rows, columns))
    for i in range(cell):
        for j in range(cell):
            sums += padded[:, i : i + stride * rows : stride, j : j + stride * columns : stride]
    return sums


def _neighbourhood_energy(cells: Reals) -> Reals:
    """Sum of squares over each cell's 3 x 3 neighbourhood, (N, rows, columns)."""
    energy = np.zeros(cells.shape[:3])
    for orientation in range(cells.shape[3]):
        energy += cells[..., orientation] * cells[..., orientation]
    return _cell_sums(energy, 3, 1, 1)


def _sum_of_squares(flat: Reals) -> Reals:
    total = np.zeros(len(flat))
    for column in range(flat.shape[1]):
        total += flat[:, column] * flat[:, column]
    return total
