"""Real coordinates to small integers and back: bounded, and rounded at random so that nothing is lost on average.

Integers of the public grid (:mod:`protocol.sparse.grid`) are sent as they are, and mean what the grid says."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from protocol.encryption.port import largest_value
from protocol.errors import MalformedError
from protocol.messages.learning import MICRO, LearningTerms, QuantiserTerms
from protocol.sparse.grid import DISTRIBUTED, step_of
from protocol.sparse.index_set import IndexSet

_UNIT = 2.0**-53


def bound(values: npt.NDArray[np.float64], quantiser: QuantiserTerms) -> npt.NDArray[np.float64]:
    """Cut off at ±bound."""
    limit = quantiser.bound_micro / MICRO
    return np.clip(values, -limit, limit)


def quantise(bounded: npt.NDArray[np.float64], quantiser: QuantiserTerms, uniform: bytes) -> npt.NDArray[np.int64]:
    """Integers in ±(2^(bits-1) - 1) for values in ±bound; ``uniform`` are 8 random bytes for each.

    Rounds up with the probability of the fraction, so the mean is the value itself. Values beyond the bound become
    the largest. Raises MalformedError for values that are not finite or too few random bytes.
    """
    if len(uniform) != 8 * len(bounded) or not np.isfinite(bounded).all():
        raise MalformedError("quantise needs finite values and 8 random bytes for each")
    largest = largest_value(quantiser.bits)
    scaled = bounded * (largest / (quantiser.bound_micro / MICRO))
    draws = (np.frombuffer(uniform, dtype="<u8") >> np.uint64(11)).astype(np.float64) * _UNIT
    rounded = np.floor(scaled + draws)
    return np.clip(rounded, -largest, largest).astype(np.int64)


def fitting(values: npt.NDArray[np.int64], quantiser: QuantiserTerms) -> npt.NDArray[np.int64]:
    """The same integers. Raises MalformedError where one is too large: of a task that can run none is
    (:func:`~protocol.sparse.grid.largest_sum`)."""
    if np.abs(values).max(initial=0) > largest_value(quantiser.bits):
        raise MalformedError(f"an integer of the grid does not fit into {quantiser.bits} bits")
    return values


def dequantise(values: npt.NDArray[np.int64], quantiser: QuantiserTerms) -> npt.NDArray[np.float64]:
    """The real numbers that the integers (or a sum of them) stand for."""
    largest = largest_value(quantiser.bits)
    return values.astype(np.float64) * (quantiser.bound_micro / MICRO / largest)


def meaning(sums: npt.NDArray[np.int64], learning: LearningTerms, sent: IndexSet) -> npt.NDArray[np.float64]:
    """The real numbers that sums of updates stand for, at the coordinates ``sent``, shape (k,)."""
    if learning.mechanism.kind == DISTRIBUTED:
        return sums.astype(np.float64) * step_of(learning, sent)
    return dequantise(sums, learning.quantiser)
