"""The compiled loops of PAD/1. Everything that they call stands in this file.

A block of a key stream is its main words, then 8 reserve words. ``bits``, ``excess``: the modulus is 2^bits - excess.
"""

from __future__ import annotations

import numpy as np

from protocol.encryption.compilation import inlined, kernel

_RESERVE = 8


@inlined
def _word6(stream, i):
    low = np.uint64(stream[3 * i]) | np.uint64(stream[3 * i + 1]) << np.uint64(16)
    return np.int64(low | np.uint64(stream[3 * i + 2]) << np.uint64(32))


@kernel("i8(u4[::1],i8,i8[::1])")
def add_stream_4(stream, coefficient, total):
    """total += coefficient * words of 4 bytes, rejection first. Nonzero: the reserve ran out."""
    modulus, count = np.uint32(2**32 - 5), len(total)
    main, refused = stream[:count], np.uint32(0)
    for i in range(len(main)):
        refused |= np.uint32(main[i] >= modulus)
    if refused:
        spare = count
        for i in range(count):
            if stream[i] >= modulus:
                while spare < count + _RESERVE and stream[spare] >= modulus:
                    spare += 1
                if spare == count + _RESERVE:
                    return 1
                stream[i] = stream[spare]
                spare += 1
    for i in range(len(main)):
        total[i] += np.int64(main[i]) * coefficient
    return 0


@kernel("i8(u2[::1],i8,i8[::1])")
def add_stream_6(stream, coefficient, total):
    """The same for words of 6 bytes."""
    modulus, count = np.int64(2**48 - 59), len(total)
    refused = False
    for i in range(count):
        word = _word6(stream, i)
        refused |= word >= modulus
        total[i] += word * coefficient
    if refused:
        spare = count
        for i in range(count):
            word = _word6(stream, i)
            if word >= modulus:
                while spare < count + _RESERVE and _word6(stream, spare) >= modulus:
                    spare += 1
                if spare == count + _RESERVE:
                    return 1
                total[i] += (_word6(stream, spare) - word) * coefficient
                spare += 1
    return 0


@inlined
def _reduced(x, bits, excess):
    """An x below 2^63 modulo 2^bits - excess, when (x >> bits) * excess is below 2^bits."""
    modulus = (np.uint64(1) << bits) - excess
    x = (x >> bits) * excess + (x & ((np.uint64(1) << bits) - np.uint64(1)))
    return x - modulus if x >= modulus else x


@kernel("i8(i8[::1],i8[::1],i8,u8,u8,u1[::1])")
def seal(total, values, largest, bits, excess, block):
    """Little-endian words of total + value modulo the modulus. Nonzero: a value is beyond ``largest``."""
    width = np.int64(bits) // 8
    modulus = np.int64((np.uint64(1) << bits) - excess)
    bad = False
    for i in range(len(values)):
        value = values[i]
        bad |= value > largest or value < -largest
        total[i] = np.int64(_reduced(np.uint64(total[i] + value + modulus), bits, excess))
    if width == 4:
        words = block.view(np.uint32)
        for i in range(len(values)):
            words[i] = np.uint32(total[i])
    else:
        halves = block.view(np.uint16)
        for i in range(len(values)):
            word = np.uint64(total[i])
            halves[3 * i] = np.uint16(word)
            halves[3 * i + 1] = np.uint16(word >> np.uint64(16))
            halves[3 * i + 2] = np.uint16(word >> np.uint64(32))
    return np.int64(bad)


@kernel("void(i8[::1],i8,u8,u8,u8,u8[::1])")
def add_share(total, bias, weight, bits, excess, sums):
    """sums += weight * total, below the modulus; ``bias``: a multiple of the modulus that makes total positive."""
    for i in range(len(sums)):
        share = _reduced(np.uint64(total[i] + bias), bits, excess)
        sums[i] = _reduced(sums[i] + share * weight, bits, excess)


@kernel("void(u8[::1],u8,u8,u8[::1])")
def reduce(total, bits, excess, words):
    """Words below 2^63, below the modulus."""
    mask = (np.uint64(1) << bits) - np.uint64(1)
    for i in range(len(total)):
        words[i] = _reduced((total[i] >> bits) * excess + (total[i] & mask), bits, excess)


@kernel("void(u1[::1],i8,u8[::1])")
def unpack(data, width, words):
    """Little-endian words of ``width`` bytes, 4 or 6."""
    if width == 4:
        whole = data.view(np.uint32)
        for i in range(len(words)):
            words[i] = np.uint64(whole[i])
    else:
        halves = data.view(np.uint16)
        for i in range(len(words)):
            words[i] = np.uint64(_word6(halves, i))


@kernel("void(u8[::1],u8,u8,u8,u8[::1])")
def add_multiple(row, factor, bits, excess, total):
    """total += factor * row, all below the modulus; the factor is taken 16 bits at a time from the top."""
    low = np.uint64(0xFFFF)
    high, middle, last = factor >> np.uint64(32), (factor >> np.uint64(16)) & low, factor & low
    for i in range(len(row)):
        word = row[i]
        product = _reduced(word * high, bits, excess) << np.uint64(16)
        product = _reduced(product, bits, excess) + _reduced(word * middle, bits, excess)
        product = _reduced(_reduced(product, bits, excess) << np.uint64(16), bits, excess)
        total[i] = _reduced(total[i] + product + _reduced(word * last, bits, excess), bits, excess)


@kernel("void(u8[::1],u8[::1],i8,i8[::1])")
def subtract(words, key, modulus, sums):
    """words - key, both below the modulus, centred."""
    half = modulus // 2
    for i in range(len(words)):
        difference = np.int64(words[i]) - np.int64(key[i])
        difference = difference - modulus if difference > half else difference
        sums[i] = difference + modulus if difference < -half else difference
