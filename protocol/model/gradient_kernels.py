"""The compiled loops of gradients by weights and of exponentials; see ``kernels.py`` for how arrays lie.

All that the loops call stands in this file and in ``vectors.py``.
"""

from __future__ import annotations

from protocol.encryption.compilation import kernel
from protocol.model.vectors import (
    LANES,
    add,
    at_least,
    load,
    minus,
    nearest,
    power_of_two,
    spread,
    store,
    times,
    zero,
)

VECTORS = 1  # version of what is imported
_TERMS = 14  # of the Taylor polynomial


@kernel("void(f8[::1],f8[::1],f8[::1],i8[::1],i8)")
def convolution_gradients(x, errors, result, sizes, n):
    """(outputs, channels, rows, columns, n): sums over all places, in the order of rows; four outputs at a time."""
    outputs, channels, height, width = sizes[0], sizes[1], sizes[2], sizes[3]
    down, across, row_stride, column_stride, rows, columns = sizes[4], sizes[5], sizes[6], sizes[7], sizes[8], sizes[9]
    plane, size = rows * columns * n, channels * down * across * n
    for lane in range(0, n, LANES):
        for o in range(0, outputs, 4):
            e, t, four = o * plane + lane, o * size + lane, o + 4 <= outputs
            for c in range(channels):
                for i in range(down):
                    for j in range(across):
                        at = ((c * height + i) * width + j) * n + lane
                        if four:
                            s0, s1, s2, s3, f = zero(), zero(), zero(), zero(), e
                            for row in range(rows):
                                b = at + row * row_stride * width * n
                                for _ in range(columns):
                                    v = load(x, b)
                                    s0 = add(s0, times(load(errors, f), v))
                                    s1 = add(s1, times(load(errors, f + plane), v))
                                    s2 = add(s2, times(load(errors, f + 2 * plane), v))
                                    s3 = add(s3, times(load(errors, f + 3 * plane), v))
                                    b += column_stride * n
                                    f += n
                            store(result, t, s0)
                            store(result, t + size, s1)
                            store(result, t + 2 * size, s2)
                            store(result, t + 3 * size, s3)
                        else:
                            for k in range(outputs - o):
                                s0, f = zero(), e + k * plane
                                for row in range(rows):
                                    b = at + row * row_stride * width * n
                                    for _ in range(columns):
                                        s0 = add(s0, times(load(errors, f), load(x, b)))
                                        b += column_stride * n
                                        f += n
                                store(result, t + k * size, s0)
                        t += n


@kernel("void(f8[::1],f8[::1],f8[::1],i8,i8,i8,i8)")
def outer_sums(left, right, result, steps, a, b, n):
    """``left`` (steps, a, n) times ``right`` (steps, b, n): (a, b, n)."""
    for lane in range(0, n, LANES):
        for i in range(a):
            for j in range(b):
                sums = zero()
                for s in range(steps):
                    sums = add(sums, times(load(left, (s * a + i) * n + lane), load(right, (s * b + j) * n + lane)))
                store(result, (i * b + j) * n + lane, sums)


@kernel("void(f8[::1],f8[::1],f8[::1])")
def exponential(exponents, constants, result):
    """Of a multiple of 8 numbers. ``constants``: the lowest exponent, 1 / ln 2, high and low part of ln 2, then the
    coefficients of the polynomial."""
    for i in range(0, len(exponents), LANES):
        bounded = at_least(load(exponents, i), spread(constants, 0))
        whole = nearest(times(bounded, spread(constants, 1)))
        rest = minus(minus(bounded, times(whole, spread(constants, 2))), times(whole, spread(constants, 3)))
        series = spread(constants, 4)
        for k in range(5, 4 + _TERMS):
            series = add(times(series, rest), spread(constants, k))
        store(result, i, times(series, power_of_two(whole)))
