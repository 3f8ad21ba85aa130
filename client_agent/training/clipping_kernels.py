"""The compiled loops that put gradients together and clip them; :mod:`client_agent.privacy.clipping` is the reference.

Arrays are flat, and their last axis is of n examples, a multiple of 8. All that the loops call stands in this file and
in ``vectors.py``.
"""

from __future__ import annotations

import numpy as np

from protocol.encryption.compilation import inlined, kernel
from protocol.model.vectors import LANES, across, add, load, store, times, toward_zero, zero

VECTORS = 1  # version of what is imported
_SURE = 2.0**900  # a sum of squares below it has no number beyond 2^480 in it


@kernel("void(f8[::1],i8[::1],f8[::1],i8,i8)")
def take(values, places, gradients, start, n):
    """Rows ``places`` of ``values`` (size, n) to the rows of ``gradients`` from ``start`` on."""
    for k in range(len(places)):
        for lane in range(0, n, LANES):
            store(gradients, (start + k) * n + lane, load(values, places[k] * n + lane))


@kernel("void(f8[::1],f8[::1],i8[::1],i8[::1],f8[::1],i8,i8)")
def multiply(left, right, rows, columns, gradients, start, n):
    """Row rows[k] of ``left`` times row columns[k] of ``right``, to the rows of ``gradients`` from ``start`` on."""
    for k in range(len(rows)):
        for lane in range(0, n, LANES):
            product = times(load(left, rows[k] * n + lane), load(right, columns[k] * n + lane))
            store(gradients, (start + k) * n + lane, product)


@inlined
def _fold_squares(gradients, lane, n, count, scratch):
    """Their sums to the first 8 of ``scratch``, the second half upon the first until one is left."""
    half = count // 2
    for k in range(half):
        one, other = load(gradients, k * n + lane), load(gradients, (k + half) * n + lane)
        store(scratch, LANES * k, add(times(one, one), times(other, other)))
    if count % 2:
        last = load(gradients, (count - 1) * n + lane)
        square = times(last, last)
        store(scratch, 0, add(load(scratch, 0), square) if half else square)
    count = half
    while count > 1:
        half = count // 2
        for k in range(half):
            store(scratch, LANES * k, add(load(scratch, LANES * k), load(scratch, LANES * (k + half))))
        if count % 2:
            store(scratch, 0, add(load(scratch, 0), load(scratch, LANES * (count - 1))))
        count = half


@inlined
def _overflows(gradients, column, n, count, bound):
    """Whether a number is none, or beyond the bound; then all are made zero."""
    usable = True
    for k in range(count):
        usable &= abs(gradients[k * n + column]) < bound
    if not usable:
        for k in range(count):
            gradients[k * n + column] = 0.0
    return not usable


@kernel("void(f8[::1],i8,i8,i8,f8[::1],f8[::1],f8[::1],f8[::1])")
def add_clipped(gradients, n, used, units, constants, scratch, total, norms):
    """Adds the ``used`` first columns of ``gradients`` (k, n), clipped, to ``total`` (k,), and sets ``norms`` (n,).

    ``constants``: units / clip, the clip less its margin, the shortest length, the bound of numbers. ``scratch``: 8 for
    every two of k, and 8. Gradients that count as zero are overwritten with zeros.
    """
    count, eight = len(total), scratch[len(scratch) - LANES :]
    for lane in range(0, n, LANES):
        _fold_squares(gradients, lane, n, count, scratch)
        for k in range(LANES):
            if not scratch[k] < _SURE and _overflows(gradients, lane + k, n, count, constants[3]):
                scratch[k] = 0.0
            norms[lane + k] = np.sqrt(scratch[k])
            eight[k] = constants[0] * min(1.0, constants[1] / max(norms[lane + k], constants[2]))
            eight[k] = eight[k] if lane + k < used else 0.0
        factors, squares = load(eight, 0), zero()
        for k in range(count):
            whole = toward_zero(times(load(gradients, k * n + lane), factors))
            squares = add(squares, times(whole, whole))
            total[k] += across(whole)
        store(scratch, 0, squares)
        for k in range(LANES):
            if scratch[k] > np.float64(units) * np.float64(units):  # the margin leaves no room for it
                for i in range(count):
                    total[i] -= np.trunc(gradients[i * n + lane + k] * eight[k])
