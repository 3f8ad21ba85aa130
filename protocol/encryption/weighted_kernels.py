"""The compiled loops of weighted sums. Everything that they call stands in this file or is numba's."""

from __future__ import annotations

import numpy as np
from numba import carray
from numba.core import types
from numba.extending import intrinsic

from protocol.encryption.compilation import kernel

_TILE = 2048
_LOW = np.uint64(0xFFFFFFFF)



@intrinsic
def pointer(typing, address, array):
    """Where ``address`` points to, of the items of ``array``; numba calls it with types."""
    pointer = types.CPointer(array.dtype)

    def generate(context, builder, signature, arguments):
        return builder.inttoptr(arguments[0], context.get_value_type(pointer))

    return pointer(address, array), generate


@kernel("void(u8[::1],u8[::1],u8[::1],i8,i8)")
def add_words(total, addresses, weights, start, end):
    """total += weight * words of 8 bytes, modulo 2^64, from ``start`` to ``end``."""
    n, size = len(addresses), len(total)
    for tile in range(start, end, _TILE):
        stop = min(tile + _TILE, end)
        k = 0
        while k + 4 <= n:
            a = carray(pointer(addresses[k], total), size)
            b = carray(pointer(addresses[k + 1], total), size)
            c = carray(pointer(addresses[k + 2], total), size)
            d = carray(pointer(addresses[k + 3], total), size)
            u, v, w, x = weights[k], weights[k + 1], weights[k + 2], weights[k + 3]
            for i in range(tile, stop):
                total[i] += a[i] * u + b[i] * v + c[i] * w + d[i] * x
            k += 4
        while k < n:
            a, u = carray(pointer(addresses[k], total), size), weights[k]
            for i in range(tile, stop):
                total[i] += a[i] * u
            k += 1
