"""The compiled loops of FE64. Everything that they call stands in this file.

Residues are 32-bit words. A factor w goes with w' = floor(2^32 w / q): for any x below 2^32, x w - (x w' >> 32) q is
below 2 q (Shoup). Sums stay unreduced below 16 q, which is below 2^32.
"""

from __future__ import annotations

import numpy as np

from protocol.encryption.compilation import inlined, kernel

_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)
_TWO = np.uint64(2)
_FOUR = np.uint64(4)
_ROOTS, _TWIDDLES, _UNSCALE = 0, 336, 24912  # where they stand in the tables


@inlined
def _times(x, w, shoup, q):
    x, w = x & _LOW, w & _LOW
    return x * w - ((x * (shoup & _LOW)) >> _HALF) * q


@inlined
def _scale(source, offset, factors, at, q, target):
    source, w, shoup = source[offset : offset + 4096], factors[at : at + 4096], factors[at + 4096 : at + 8192]
    for i in range(4096):  # slices, because an index that might be negative costs the vector instructions
        target[i] = np.uint32(_times(np.uint64(source[i]), np.uint64(w[i]), np.uint64(shoup[i]), q))


@inlined
def _canonical(x, q, one):
    x = _times(x, np.uint64(1), one, q)
    return x - q if x >= q else x


@inlined
def _switch(v0, v1, v2, c):
    """f (3.4) of canonical residues times their cofactors."""
    carry = (v0 * c[6] + v1 * c[7] + v2 * c[8] + c[9]) >> _HALF
    return v0 * c[3] + v1 * c[4] + v2 * c[5] + carry


@kernel("i8(u4[::1],u8[::1])")
def sample_uniform(stream, primes):
    """Rejection in place: word i of limb l, of 4096 + 64 each. Nonzero: the reserve ran out."""
    for limb in range(3):
        base, q = limb * 4160, np.uint32(primes[limb])
        mask = np.uint32(2**27 - 1) if q < np.uint32(2**27) else np.uint32(2**28 - 1)
        spare, end = base + 4096, base + 4160
        for start in range(base, base + 4096, 64):
            refused = np.uint32(0)
            for i in range(start, start + 64):
                word = stream[i] & mask
                stream[i] = word
                refused |= np.uint32(word >= q)
            if refused:
                for i in range(start, start + 64):
                    if stream[i] >= q:
                        while spare < end and (stream[spare] & mask) >= q:
                            spare += 1
                        if spare == end:
                            return 1
                        stream[i] = stream[spare] & mask
                        spare += 1
    return 0


@inlined
def _first_levels(x, g, tables, at, q):
    w2, s2 = np.uint64(tables[at + 4]), np.uint64(tables[at + 5])
    wa, sa = np.uint64(tables[at + 6]), np.uint64(tables[at + 7])
    wb, sb = np.uint64(tables[at + 8]), np.uint64(tables[at + 9])
    wc, sc = np.uint64(tables[at + 10]), np.uint64(tables[at + 11])
    wd, sd = np.uint64(tables[at + 12]), np.uint64(tables[at + 13])
    q2, q4 = q * _TWO, q * _FOUR
    base = 512 * g
    for c in range(base, base + 64):
        x0, x1 = np.uint64(x[c]), np.uint64(x[c + 64])
        x2, x3 = np.uint64(x[c + 128]), np.uint64(x[c + 192])
        x4, x5 = np.uint64(x[c + 256]), np.uint64(x[c + 320])
        x6, x7 = np.uint64(x[c + 384]), np.uint64(x[c + 448])
        x0, x1 = x0 + x1, x0 + q2 - x1
        x2, x3 = x2 + x3, x2 + q2 - x3
        x4, x5 = x4 + x5, x4 + q2 - x5
        x6, x7 = x6 + x7, x6 + q2 - x7
        x3, x7 = _times(x3, w2, s2, q), _times(x7, w2, s2, q)
        x0, x2 = x0 + x2, x0 + q4 - x2
        x1, x3 = x1 + x3, x1 + q2 - x3
        x4, x6 = x4 + x6, x4 + q4 - x6
        x5, x7 = x5 + x7, x5 + q2 - x7
        x4, x5 = _times(x4, wa, sa, q), _times(x5, wb, sb, q)
        x6, x7 = _times(x6, wc, sc, q), _times(x7, wd, sd, q)
        x[c], x[c + 256] = np.uint32(x0 + x4), np.uint32(x0 + q2 - x4)
        x[c + 64], x[c + 320] = np.uint32(x1 + x5), np.uint32(x1 + q2 - x5)
        x[c + 128], x[c + 384] = np.uint32(x2 + x6), np.uint32(x2 + q2 - x6)
        x[c + 192], x[c + 448] = np.uint32(x3 + x7), np.uint32(x3 + q2 - x7)


@inlined
def _last_levels(x, g, tables, at, q):
    w1, s1 = np.uint64(tables[at]), np.uint64(tables[at + 1])
    w2, s2 = np.uint64(tables[at + 2]), np.uint64(tables[at + 3])
    w3, s3 = np.uint64(tables[at + 4]), np.uint64(tables[at + 5])
    wa, sa = np.uint64(tables[at + 6]), np.uint64(tables[at + 7])
    wb, sb = np.uint64(tables[at + 8]), np.uint64(tables[at + 9])
    wc, sc = np.uint64(tables[at + 10]), np.uint64(tables[at + 11])
    wd, sd = np.uint64(tables[at + 12]), np.uint64(tables[at + 13])
    q2 = q * _TWO
    base = 64 * g
    for c in range(base, base + 64):
        x0, x1 = np.uint64(x[c]), np.uint64(x[c + 512])
        x2, x3 = np.uint64(x[c + 1024]), np.uint64(x[c + 1536])
        x4, x5 = np.uint64(x[c + 2048]), np.uint64(x[c + 2560])
        x6, x7 = np.uint64(x[c + 3072]), np.uint64(x[c + 3584])
        x1, x3 = _times(x1, w1, s1, q), _times(x3, w1, s1, q)
        x5, x7 = _times(x5, w1, s1, q), _times(x7, w1, s1, q)
        x0, x1 = x0 + x1, x0 + q2 - x1
        x2, x3 = x2 + x3, x2 + q2 - x3
        x4, x5 = x4 + x5, x4 + q2 - x5
        x6, x7 = x6 + x7, x6 + q2 - x7
        x2, x3 = _times(x2, w2, s2, q), _times(x3, w3, s3, q)
        x6, x7 = _times(x6, w2, s2, q), _times(x7, w3, s3, q)
        x0, x2 = x0 + x2, x0 + q2 - x2
        x1, x3 = x1 + x3, x1 + q2 - x3
        x4, x6 = x4 + x6, x4 + q2 - x6
        x5, x7 = x5 + x7, x5 + q2 - x7
        x4, x5 = _times(x4, wa, sa, q), _times(x5, wb, sb, q)
        x6, x7 = _times(x6, wc, sc, q), _times(x7, wd, sd, q)
        x[c], x[c + 2048] = np.uint32(x0 + x4), np.uint32(x0 + q2 - x4)
        x[c + 512], x[c + 2560] = np.uint32(x1 + x5), np.uint32(x1 + q2 - x5)
        x[c + 1024], x[c + 3072] = np.uint32(x2 + x6), np.uint32(x2 + q2 - x6)
        x[c + 1536], x[c + 3584] = np.uint32(x3 + x7), np.uint32(x3 + q2 - x7)


@kernel("void(u4[::1],u4[::1],u4[::1],u8[::1],u4[:,::1],u4[::1])")
def transform(stream, factor, tables, primes, work, scratch):
    """The inverse transform of stream * factor but for its last factor, below 16 q: work[limb, n].

    ``factor``: per limb 4096 w, then 4096 w'; ``scratch``: 4096 words.
    """
    for limb in range(3):
        q, x, at = primes[limb], work[limb], _ROOTS + 112 * limb
        _scale(stream, 4160 * limb, factor, 8192 * limb, q, x)
        for g in range(8):
            _first_levels(x, g, tables, at, q)
        for g in range(8):
            _last_levels(x, g, tables, at + 14 * g, q)
        _scale(x, 0, tables, _TWIDDLES + 8192 * limb, q, scratch)
        for r in range(0, 64, 16):
            for c in range(64):
                for i in range(16):
                    x[64 * c + r + i] = scratch[64 * (r + i) + c]
        for g in range(8):
            _first_levels(x, g, tables, at, q)
        for g in range(8):
            _last_levels(x, g, tables, at + 14 * g, q)


@kernel("i8(u4[::1],u4[::1],u4[::1],i4[::1])")
def gaussian(stream, bins, exact, noise):
    """noise[i] = x1 + 20 x2 from words i and 4096 + i of the stream: sign, 20 bits of threshold, 11 of bin (3.3).

    A threshold that is met takes 96 bits more, three words from 8192 on. Nonzero: there were too few.
    """
    met = np.uint32(0)
    for i in range(4096):
        w, z = stream[i], stream[4096 + i]
        b, d = bins[w >> np.uint32(21)], bins[z >> np.uint32(21)]
        h, k = (w >> np.uint32(1)) & np.uint32(0xFFFFF), (z >> np.uint32(1)) & np.uint32(0xFFFFF)
        f, g = b & np.uint32(0x1FFFFF), d & np.uint32(0x1FFFFF)
        met |= np.uint32(h == f) | np.uint32(k == g)
        x = np.int32(w >> np.uint32(21)) if h < f else np.int32(b >> np.uint32(21))
        y = np.int32(z >> np.uint32(21)) if k < g else np.int32(d >> np.uint32(21))
        x = -x if w & np.uint32(1) else x
        y = -y if z & np.uint32(1) else y
        noise[i] = x + np.int32(20) * y
    if not met:
        return 0
    spare = 8192
    for i in range(8192):
        w = stream[i]
        own = np.int32(w >> np.uint32(21))
        b = bins[own]
        if (w >> np.uint32(1)) & np.uint32(0xFFFFF) == b & np.uint32(0x1FFFFF):
            if spare + 3 > len(stream):
                return 1
            below = False
            for part in (2, 1, 0):
                if stream[spare + part] != exact[3 * own + part]:
                    below = stream[spare + part] < exact[3 * own + part]
                    break
            spare += 3
            if below:  # the loop above has taken the other one
                change = own - np.int32(b >> np.uint32(21))
                change = -change if w & np.uint32(1) else change
                noise[i % 4096] += change if i < 4096 else np.int32(20) * change
    return 0


@kernel("i8(u4[:,::1],i4[::1],i8[::1],i8,i8,i8,i8,u4[::1],u8[::1],u4[::1],u8[::1])")
def seal(work, noise, values, words, start, bits, largest, tables, c, factors, block):
    """The words of a ``block`` of the body, from word ``start`` of ``words``. Nonzero: a value is beyond ``largest``.

    ``factors``: for every field, limbs 0 and 1, the pair of Delta * 2^(width * field) * cofactor.
    """
    zero, first, second = np.uint32(0), work[3], work[4]
    bad, offset = False, np.int64(1) << np.int64(bits - 1)
    q0, q1, q2 = c[0], c[1], c[2]
    for i in range(4096):
        first[i] = zero
        second[i] = zero
    for field in range(len(factors) // 4):
        at = field * words + start
        w0, s0 = np.uint64(factors[4 * field]), np.uint64(factors[4 * field + 1])
        w1, s1 = np.uint64(factors[4 * field + 2]), np.uint64(factors[4 * field + 3])
        part = values[at : at + len(block)]
        for i in range(len(part)):
            value = part[i]
            bad |= value > largest or value < -largest
            m = np.uint64(value + offset)
            first[i] += np.uint32(_times(m, w0, s0, q0))
            second[i] += np.uint32(_times(m, w1, s1, q1))
    t = tables[_UNSCALE:]
    for i in range(len(block)):
        e = np.int64(noise[i])
        v0 = _times(np.uint64(work[0, i]), np.uint64(t[i]), np.uint64(t[4096 + i]), q0) + np.uint64(first[i])
        v1 = _times(np.uint64(work[1, i]), np.uint64(t[8192 + i]), np.uint64(t[12288 + i]), q1)
        v2 = _times(np.uint64(work[2, i]), np.uint64(t[16384 + i]), np.uint64(t[20480 + i]), q2)
        v0 += _times(np.uint64(e) + q0 if e < 0 else np.uint64(e), c[10], c[13], q0)
        v1 += _times(np.uint64(e) + q1 if e < 0 else np.uint64(e), c[11], c[14], q1) + np.uint64(second[i])
        v2 += _times(np.uint64(e) + q2 if e < 0 else np.uint64(e), c[12], c[15], q2)
        v0, v1, v2 = _canonical(v0, q0, c[16]), _canonical(v1, q1, c[17]), _canonical(v2, q2, c[18])
        block[i] = _switch(v0, v1, v2, c)
    return np.int64(bad)


@kernel("void(u4[:,::1],u8[::1],i8,i8,i8,u4[::1],u8[::1],i8[:,::1],i8[::1])")
def unseal(work, sums, start, count, width, tables, c, fields, extremes):
    """Fields of the sums from word ``start`` on; ``extremes``: largest field, largest and smallest residual so far."""
    t, q0, q1, q2 = tables[_UNSCALE:], c[0], c[1], c[2]
    modulus, t_high, t_low = c[19], c[19] >> _HALF, c[19] & _LOW
    most, high, low = extremes[0], extremes[1], extremes[2]
    last = len(fields) - 1
    mask = (np.uint64(1) << np.uint64(width)) - np.uint64(1)
    plain, sums = fields[last, start : start + count], sums[start : start + count]
    for i in range(len(plain)):
        v0 = _times(np.uint64(work[0, i]), np.uint64(t[i]), np.uint64(t[4096 + i]), q0)
        v1 = _times(np.uint64(work[1, i]), np.uint64(t[8192 + i]), np.uint64(t[12288 + i]), q1)
        v2 = _times(np.uint64(work[2, i]), np.uint64(t[16384 + i]), np.uint64(t[20480 + i]), q2)
        v0, v1, v2 = v0 - q0 if v0 >= q0 else v0, v1 - q1 if v1 >= q1 else v1, v2 - q2 if v2 >= q2 else v2
        difference = sums[i] - _switch(v0, v1, v2, c)
        d_high, d_low = difference >> _HALF, difference & _LOW
        bottom, cross = d_low * t_low, d_high * t_low
        middle = (bottom >> _HALF) + (cross & _LOW) + d_low * t_high
        rest = (middle << _HALF) | (bottom & _LOW)
        rounded = d_high * t_high + (cross >> _HALF) + (middle >> _HALF) + (rest >> np.uint64(63))
        plain[i] = np.int64(np.uint64(0) if rounded == modulus else rounded)
        residual = np.int64(rest)
        high, low = max(high, residual), min(low, residual)
    for field in range(last):
        shift, target = np.uint64(width * field), fields[field, start : start + count]
        for i in range(len(plain)):
            part = np.int64((np.uint64(plain[i]) >> shift) & mask)
            target[i] = part
            most = max(most, part)
    for i in range(len(plain)):
        part = np.int64(np.uint64(plain[i]) >> np.uint64(width * last))
        plain[i] = part
        most = max(most, part)
    extremes[0], extremes[1], extremes[2] = most, high, low


@kernel("i8(u4[::1],u8[::1],u8,u8[::1])")
def accumulate(stream, primes, weight, total):
    """Adds weight times the sampled stream. Nonzero: the reserve ran out."""
    if sample_uniform(stream, primes):
        return 1
    for limb in range(3):
        for i in range(4096):
            total[4096 * limb + i] += (np.uint64(stream[4160 * limb + i]) & _LOW) * (weight & _LOW)
    return 0
