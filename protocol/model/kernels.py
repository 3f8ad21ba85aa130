"""The compiled loops of sums of products: layers forwards, and the errors of what they took.

Arrays are flat, and their last axis is of n examples, a multiple of 8: eight of them go through every operation side by
side, in the order of the plain arithmetic. All that the loops call stands in this file and in ``vectors.py``.
"""

from __future__ import annotations

from protocol.encryption.compilation import inlined, kernel
from protocol.model.vectors import LANES, add, load, spread, store, times, zero

VECTORS = 1  # version of what is imported
_BLOCK = 32


@inlined
def _term(w, a, x, b):
    return times(spread(w, a), load(x, b))


@inlined
def _two(w, a, x, b, i, j):
    """Terms with weights ``i`` apart and values ``j`` apart, the second half upon the first."""
    return add(_term(w, a, x, b), _term(w, a + i, x, b + j))


@inlined
def _four(w, a, x, b, i, j):
    return add(_two(w, a, x, b, 2 * i, 2 * j), _two(w, a + i, x, b + j, 2 * i, 2 * j))


@inlined
def _eight(w, a, x, b, i, j):
    return add(_four(w, a, x, b, 2 * i, 2 * j), _four(w, a + i, x, b + j, 2 * i, 2 * j))


@inlined
def _sixteen(w, a, x, b, i, j):
    return add(_eight(w, a, x, b, 2 * i, 2 * j), _eight(w, a + i, x, b + j, 2 * i, 2 * j))


@inlined
def _block(w, a, x, b, j):
    return add(_sixteen(w, a, x, b, 2, 2 * j), _sixteen(w, a + 1, x, b + j, 2, 2 * j))


@inlined
def _one(w, a, x, b, j, count, scratch):
    return _term(w, a, x, b)


@inlined
def _half(w, a, x, b, j, count, scratch):
    return _sixteen(w, a, x, b, 1, j)


@inlined
def _blocks(w, a, x, b, j, count, scratch):
    result = _block(w, a, x, b, j)
    for start in range(_BLOCK, count, _BLOCK):
        result = add(result, _block(w, a + start, x, b + start * j, j))
    return result


@inlined
def _couple(w, a, x, b, j, count, scratch):
    return _two(w, a, x, b, 1, j)


@inlined
def _three(w, a, x, b, j, count, scratch):
    return add(_two(w, a, x, b, 1, j), _term(w, a + 2, x, b + 2 * j))


@inlined
def _any(w, a, x, b, j, count, scratch):
    result, full = zero(), count - count % _BLOCK
    for start in range(0, full, _BLOCK):
        result = add(result, _block(w, a + start, x, b + start * j, j))
    left = count - full
    if left == 0:
        return result
    for k in range(left):
        store(scratch, LANES * k, _term(w, a + full + k, x, b + (full + k) * j))
    while left > 1:
        half = left // 2
        for k in range(half):
            store(scratch, LANES * k, add(load(scratch, LANES * k), load(scratch, LANES * (k + half))))
        if left % 2:
            store(scratch, 0, add(load(scratch, 0), load(scratch, LANES * (left - 1))))
        left = half
    return add(result, load(scratch, 0))


@inlined
def _products(dot, w, x, result, outputs, inputs, n, scratch):
    for lane in range(0, n, LANES):
        for o in range(outputs):
            # never minus zero
            store(result, o * n + lane, add(zero(), dot(w, o * inputs, x, lane, n, inputs, scratch)))


@kernel("void(f8[::1],f8[::1],f8[::1],i8,i8,i8,f8[::1])")
def product(w, x, result, outputs, inputs, n, scratch):
    """``w`` (outputs, inputs) times ``x`` (inputs, n)."""
    if inputs % _BLOCK == 0:
        _products(_blocks, w, x, result, outputs, inputs, n, scratch)
    else:
        _products(_any, w, x, result, outputs, inputs, n, scratch)


@inlined
def _convolved(dot, w, bias, x, result, sizes, n, scratch):
    """Four outputs at a time. A sum begins with what is never minus zero: then no zero of either sign changes it."""
    outputs, channels, height, width = sizes[0], sizes[1], sizes[2], sizes[3]
    down, across, row_stride, column_stride, rows, columns = sizes[4], sizes[5], sizes[6], sizes[7], sizes[8], sizes[9]
    plane, places, size = height * width * n, rows * columns * n, down * across * channels
    for lane in range(0, n, LANES):
        for row in range(rows):
            for column in range(columns):
                at = (row * row_stride * width + column * column_stride) * n + lane
                to = (row * columns + column) * n + lane
                for o in range(0, outputs - outputs % 4, 4):
                    a = o * size
                    s0, s1 = add(zero(), spread(bias, o)), add(zero(), spread(bias, o + 1))
                    s2, s3 = add(zero(), spread(bias, o + 2)), add(zero(), spread(bias, o + 3))
                    for i in range(down):
                        for j in range(across):
                            b = at + (i * width + j) * n
                            s0 = add(s0, dot(w, a, x, b, plane, channels, scratch))
                            s1 = add(s1, dot(w, a + size, x, b, plane, channels, scratch))
                            s2 = add(s2, dot(w, a + 2 * size, x, b, plane, channels, scratch))
                            s3 = add(s3, dot(w, a + 3 * size, x, b, plane, channels, scratch))
                            a += channels
                    store(result, o * places + to, s0)
                    store(result, (o + 1) * places + to, s1)
                    store(result, (o + 2) * places + to, s2)
                    store(result, (o + 3) * places + to, s3)
                for o in range(outputs - outputs % 4, outputs):
                    a, s0 = o * size, add(zero(), spread(bias, o))
                    for i in range(down):
                        for j in range(across):
                            b = at + (i * width + j) * n
                            s0 = add(s0, dot(w, a, x, b, plane, channels, scratch))
                            a += channels
                    store(result, o * places + to, s0)


@kernel("void(f8[::1],f8[::1],f8[::1],f8[::1],i8[::1],i8,f8[::1])")
def convolve(w, bias, x, result, sizes, n, scratch):
    """``w`` (outputs, rows, columns, channels). ``sizes``: outputs, channels, height, width, then of the window rows,
    columns and strides, then rows and columns of places."""
    channels = sizes[1]
    if channels == 1:
        _convolved(_one, w, bias, x, result, sizes, n, scratch)
    elif channels == 2:
        _convolved(_couple, w, bias, x, result, sizes, n, scratch)
    elif channels == 3:
        _convolved(_three, w, bias, x, result, sizes, n, scratch)
    elif channels == 16:
        _convolved(_half, w, bias, x, result, sizes, n, scratch)
    elif channels % _BLOCK == 0:
        _convolved(_blocks, w, bias, x, result, sizes, n, scratch)
    else:
        _convolved(_any, w, bias, x, result, sizes, n, scratch)


@inlined
def _returned(dot, w, errors, result, sizes, n, scratch):
    outputs, channels, height, width = sizes[0], sizes[1], sizes[2], sizes[3]
    down, across, row_stride, column_stride, rows, columns = sizes[4], sizes[5], sizes[6], sizes[7], sizes[8], sizes[9]
    plane = rows * columns * n
    for lane in range(0, n, LANES):
        for i in range(down):
            for j in range(across):
                for c in range(channels):
                    a = ((i * across + j) * channels + c) * outputs
                    for row in range(rows):
                        to = ((c * height + row * row_stride + i) * width + j) * n + lane
                        for column in range(columns):
                            more = dot(w, a, errors, (row * columns + column) * n + lane, plane, outputs, scratch)
                            store(result, to, add(load(result, to), more))
                            to += column_stride * n


@kernel("void(f8[::1],f8[::1],f8[::1],i8[::1],i8,f8[::1])")
def convolution_errors(w, errors, result, sizes, n, scratch):
    """Upon the zeros of ``result`` (channels, height, width, n); ``w`` (rows, columns, channels, outputs)."""
    outputs = sizes[0]
    if outputs == 16:
        _returned(_half, w, errors, result, sizes, n, scratch)
    elif outputs % _BLOCK == 0:
        _returned(_blocks, w, errors, result, sizes, n, scratch)
    else:
        _returned(_any, w, errors, result, sizes, n, scratch)
