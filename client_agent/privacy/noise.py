"""Gaussian noise from cryptographic bytes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

BYTES_PER_VALUE = 8


def standard_normal(random: bytes) -> npt.NDArray[np.float64]:
    """One standard normal number for each 8 bytes (an even number of them), by Box and Muller.

    53-bit uniforms, never zero, so the largest is 8.6: rarer than once in 10^16.
    """
    bits = np.frombuffer(random, dtype="<u8") >> np.uint64(11)
    uniform = (bits.astype(np.float64) + 1.0) * 2.0**-53
    first, second = uniform[0::2], uniform[1::2]
    radius, angle = np.sqrt(-2.0 * np.log(first)), 2.0 * np.pi * second
    return np.concatenate([radius * np.cos(angle), radius * np.sin(angle)])


def bytes_for(count: int) -> int:
    """Random bytes that :func:`standard_normal` needs for at least ``count`` numbers."""
    return BYTES_PER_VALUE * (count + count % 2)
