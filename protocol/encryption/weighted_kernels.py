"""The compiled loops of weighted sums. Everything that they call stands in this file or is numba's."""

from __future__ import annotations

import numpy as np
from numba import carray
from numba.core import types
from numba.extending import intrinsic

from protocol.encryption.compilation import kernel

_TILE = 16384
_LOW = np.uint64(0xFFFFFFFF)


@intrinsic
def pointer(typing, address, array):
    """Where ``address`` points to, of the items of ``array``; numba calls it with types."""
    pointer = types.CPointer(array.dtype)

    def generate(context, builder, signature, arguments):
        return builder.inttoptr(arguments[0], context.get_value_type(pointer))

    return pointer(address, array), generate


@kernel("void(u8[::1],u8[::1],u8[::1],u8[::1],i8,i8)")
def add_words(total, item, addresses, weights, start, end):
    """total += weight * words of 8 bytes, modulo 2^64, from ``start`` to ``end``."""
    n, size = len(addresses), len(total)
    for tile in range(start, end, _TILE):
        stop = min(tile + _TILE, end)
        target = total[tile:stop]
        k = 0
        while k + 4 <= n:
            a = carray(pointer(addresses[k], item), size)[tile:stop]
            b = carray(pointer(addresses[k + 1], item), size)[tile:stop]
            c = carray(pointer(addresses[k + 2], item), size)[tile:stop]
            d = carray(pointer(addresses[k + 3], item), size)[tile:stop]
            u, v, w, x = weights[k], weights[k + 1], weights[k + 2], weights[k + 3]
            for i in range(len(target)):
                target[i] += a[i] * u + b[i] * v + c[i] * w + d[i] * x
            k += 4
        while k < n:
            a, u = carray(pointer(addresses[k], item), size)[tile:stop], weights[k]
            for i in range(len(target)):
                target[i] += a[i] * u
            k += 1


@kernel("void(u8[::1],u4[::1],u8[::1],u8[::1],i8,i8)")
def add_four_bytes(total, item, addresses, weights, start, end):
    """total += weight * words of 4 bytes, from ``start`` to ``end``; ``item``: any array of such words."""
    n, size = len(addresses), len(total)
    for tile in range(start, end, _TILE):
        stop = min(tile + _TILE, end)
        target = total[tile:stop]
        k = 0
        while k + 4 <= n:
            a = carray(pointer(addresses[k], item), size)[tile:stop]
            b = carray(pointer(addresses[k + 1], item), size)[tile:stop]
            c = carray(pointer(addresses[k + 2], item), size)[tile:stop]
            d = carray(pointer(addresses[k + 3], item), size)[tile:stop]
            u, v, w, x = weights[k] & _LOW, weights[k + 1] & _LOW, weights[k + 2] & _LOW, weights[k + 3] & _LOW
            for i in range(len(target)):
                target[i] += np.uint64(a[i]) * u + np.uint64(b[i]) * v + np.uint64(c[i]) * w + np.uint64(d[i]) * x
            k += 4
        while k < n:
            a, u = carray(pointer(addresses[k], item), size)[tile:stop], weights[k] & _LOW
            for i in range(len(target)):
                target[i] += np.uint64(a[i]) * u
            k += 1


@kernel("void(u8[::1],u2[::1],u8[::1],u8[::1],i8,i8)")
def add_six_bytes(total, item, addresses, weights, start, end):
    """total += weight * words of 6 bytes, then folded once below 2^49; at most 64 bodies at a time.

    The three parts of 16 bits are added up apart, in 32 bits each.
    """
    n, size = len(addresses), 3 * len(total)
    mask, bits = np.uint64(2**48 - 1), np.uint64(48)
    parts = np.empty(3 * _TILE, np.uint32)
    for tile in range(start, end, _TILE):
        stop = min(tile + _TILE, end)
        sums, target = parts[: 3 * (stop - tile)], total[tile:stop]
        sums[:] = np.uint32(0)
        k = 0
        while k + 4 <= n:
            a = carray(pointer(addresses[k], item), size)[3 * tile : 3 * stop]
            b = carray(pointer(addresses[k + 1], item), size)[3 * tile : 3 * stop]
            c = carray(pointer(addresses[k + 2], item), size)[3 * tile : 3 * stop]
            d = carray(pointer(addresses[k + 3], item), size)[3 * tile : 3 * stop]
            u, v = np.uint32(weights[k]), np.uint32(weights[k + 1])
            w, x = np.uint32(weights[k + 2]), np.uint32(weights[k + 3])
            for i in range(len(sums)):
                first = np.uint32(np.uint32(a[i]) * u) + np.uint32(np.uint32(b[i]) * v)
                second = np.uint32(np.uint32(c[i]) * w) + np.uint32(np.uint32(d[i]) * x)
                sums[i] += np.uint32(first + second)
            k += 4
        while k < n:
            a, u = carray(pointer(addresses[k], item), size)[3 * tile : 3 * stop], np.uint32(weights[k])
            for i in range(len(sums)):
                sums[i] += np.uint32(np.uint32(a[i]) * u)
            k += 1
        for i in range(len(target)):
            high = np.uint64(sums[3 * i + 1]) << np.uint64(16)
            word = target[i] + np.uint64(sums[3 * i]) + high + (np.uint64(sums[3 * i + 2]) << np.uint64(32))
            target[i] = (word >> bits) * np.uint64(59) + (word & mask)
