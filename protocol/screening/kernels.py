"""The compiled loops of screening. Everything that they call stands in this file."""

from __future__ import annotations

import numpy as np

from protocol.encryption.compilation import kernel

_SEGMENT = 8192


@kernel("void(Array(u1,2,'C',True),i8[::1],i8[::1])")
def spread(places, values, table):
    """table[256 b + places[b, j]] += values[j] for the four blocks b, folded modulo 2^48 - 59 after each segment."""
    mask = np.int64(2**48 - 1)
    for start in range(0, len(values), _SEGMENT):
        stop = min(start + _SEGMENT, len(values))
        one, two = places[0, start:stop], places[1, start:stop]
        three, four = places[2, start:stop], places[3, start:stop]
        part = values[start:stop]
        for j in range(len(part)):
            value = part[j]
            table[np.int64(one[j])] += value
            table[256 + np.int64(two[j])] += value
            table[512 + np.int64(three[j])] += value
            table[768 + np.int64(four[j])] += value
        for i in range(len(table)):
            table[i] = (table[i] >> 48) * 59 + (table[i] & mask)


@kernel("void(u8[::1],Array(u8,1,'C',True),u8)")
def accumulate(total, words, modulus):
    """total += words, all below the modulus."""
    for i in range(len(total)):
        word = total[i] + words[i]
        total[i] = word - modulus if word >= modulus else word


@kernel("void(Array(u2,1,'C',True),Array(u8,1,'C',True),u8,u8[::1],u8[::1])")
def absorb(halves, share, weight, sums, update):
    """update = words of 6 bytes - share, and sums += weight * share, modulo 2^48 - 59; weight below 2^8."""
    modulus, mask = np.uint64(2**48 - 59), np.uint64(2**48 - 1)
    bits, excess = np.uint64(48), np.uint64(59)
    for i in range(len(share)):
        low = np.uint64(halves[3 * i]) | np.uint64(halves[3 * i + 1]) << np.uint64(16)
        word = (low | np.uint64(halves[3 * i + 2]) << np.uint64(32)) + modulus - share[i]
        word = word - modulus if word >= modulus else word
        update[i] = word - modulus if word >= modulus else word
        total = sums[i] + share[i] * weight
        total = (total >> bits) * excess + (total & mask)
        sums[i] = total - modulus if total >= modulus else total
