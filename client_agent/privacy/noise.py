"""Rounded noise, exact: floor(N + 1/2) for a normal or Laplace N, as good as if N were a real number.

A draw is a place on the scale of chances, of 128 bits: its upper half, with a bound on every error of float64, settles
almost all draws; where it does not, the lower half and integer arithmetic do. So a draw is the same on every
machine, and its distance from the ideal is that of 128 bits. Added to an integer sum it is post-processing of
the ideal mechanism (Canonne, Kamath and Steinke 2020 on why noise in floating point is none).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Context, Decimal, localcontext
from fractions import Fraction
from typing import Final

import numpy as np
import numpy.typing as npt

from protocol.messages.learning import MICRO

Integers = npt.NDArray[np.int64]
Reals = npt.NDArray[np.float64]
Draw = Callable[[str, int], bytes]  # a purpose that is never used twice, a number of bytes

BYTES: Final = 8  # of each half
MARGIN: Final = 1e-12  # of quantiles, in standard deviations: a thousand times what they are off by
LARGEST_STD: Final = 2**48  # so that no sum overflows
_DIGITS: Final = 60  # of the exact path: 128 bits are 39 of them
_PI: Final = Decimal("3.14159265358979323846264338327950288419716939937510582097494459230781640628620899862803482534")

# Wichura (1988), algorithm AS 241: numerators and denominators, constant term first
_CENTRE = (
    (3.3871328727963666080e0, 1.3314166789178437745e2, 1.9715909503065514427e3, 1.3731693765509461125e4,
     4.5921953931549871457e4, 6.7265770927008700853e4, 3.3430575583588128105e4, 2.5090809287301226727e3),
    (1.0, 4.2313330701600911252e1, 6.8718700749205790830e2, 5.3941960214247511077e3,
     2.1213794301586595867e4, 3.9307895800092710610e4, 2.8729085735721942674e4, 5.2264952788528545610e3),
)  # fmt: skip
_SIDES = (
    (1.42343711074968357734e0, 4.63033784615654529590e0, 5.76949722146069140550e0, 3.64784832476320460504e0,
     1.27045825245236838258e0, 2.41780725177450611770e-1, 2.27238449892691845833e-2, 7.74545014278341407640e-4),
    (1.0, 2.05319162663775882187e0, 1.67638483018380384940e0, 6.89767334985100004550e-1,
     1.48103976427480074590e-1, 1.51986665636164571966e-2, 5.47593808499534494600e-4, 1.05075007164441684324e-9),
)  # fmt: skip
_TAILS = (
    (6.65790464350110377720e0, 5.46378491116411436990e0, 1.78482653991729133580e0, 2.96560571828504891230e-1,
     2.65321895265761230930e-2, 1.24266094738807843860e-3, 2.71155556874348757815e-5, 2.01033439929228813265e-7),
    (1.0, 5.99832206555887937690e-1, 1.36929880922735805310e-1, 1.48753612908506148525e-2,
     7.86869131145613259100e-4, 1.84631831751005468180e-5, 1.42151175831644588870e-7, 2.04426310338993978564e-15),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Law:
    """A symmetric law of scale one. ``quantile``: the x >= 0 that a number exceeds with the chance of a tail <= 1/2,
    and ``exceeding`` that chance of an x >= 0, to 50 decimals."""

    quantile: Callable[[Reals], Reals]
    exceeding: Callable[[Fraction], Decimal]


def rounded_gaussian(
    std: Fraction, count: int, draw: Draw, purpose: str, shifts_micro: Integers | None = None
) -> Integers:
    """``count`` independent draws of floor(N + 1/2) with N normal, mean 0 and standard deviation ``std``; 0 for none.

    ``shifts_micro``: millionths, shape (count,), that each N is less by before it is rounded. Raises ValueError for a
    standard deviation that is negative or above LARGEST_STD.
    """
    return _drawn(NORMAL, std, count, draw, purpose, shifts_micro)


def rounded_gaussians(std: Fraction, count: int, draws: Sequence[Draw], purpose: str) -> Integers:
    """What :func:`rounded_gaussian` gives for each of ``draws``, shape (draws, count), in one step over all of them."""

    def lower(places: npt.NDArray[np.int64]) -> bytes:
        owners, sizes = np.unique(places // count, return_counts=True)  # places ascend, so those of one are together
        pairs = zip(owners.tolist(), sizes.tolist(), strict=True)
        return b"".join(draws[owner](f"{purpose}/lower", BYTES * size) for owner, size in pairs)

    def upper() -> bytes:
        return b"".join(draw(f"{purpose}/upper", BYTES * count) for draw in draws)

    shifts = np.zeros(len(draws) * count, dtype=np.int64)
    return _rounded(NORMAL, std, shifts, upper, lower).reshape(len(draws), count)


def rounded_laplace(scale: Fraction, count: int, draw: Draw, purpose: str) -> Integers:
    """``count`` independent draws of floor(L + 1/2) with L of density exp(-abs(x) / ``scale``) / (2 ``scale``).

    Raises ValueError for a scale that is negative or above LARGEST_STD.
    """
    return _drawn(LAPLACE, scale, count, draw, purpose, None)


def _drawn(law: Law, scale: Fraction, count: int, draw: Draw, purpose: str, shifts_micro: Integers | None) -> Integers:
    shifts = np.zeros(count, dtype=np.int64) if shifts_micro is None else shifts_micro

    def lower(places: npt.NDArray[np.int64]) -> bytes:
        return draw(f"{purpose}/lower", BYTES * len(places))

    return _rounded(law, scale, shifts, lambda: draw(f"{purpose}/upper", BYTES * count), lower)


def _rounded(
    law: Law,
    scale: Fraction,
    shifts_micro: Integers,
    draw_upper: Callable[[], bytes],
    draw_lower: Callable[[npt.NDArray[np.int64]], bytes],
) -> Integers:
    """``draw_lower`` is given the places, ascending, whose draws the upper halves leave open, if there are any."""
    if not 0 <= scale <= LARGEST_STD:
        raise ValueError(f"a standard deviation of {scale}")
    whole, rest = np.divmod(shifts_micro, MICRO)
    if scale == 0:
        return -whole - (rest > MICRO // 2)
    upper = np.frombuffer(draw_upper(), dtype="<u8")
    tail = (upper >> np.uint64(1)).astype(np.float64)  # in 2^-64: chance of more than the draw, on its side
    negative = (upper & np.uint64(1)).astype(np.bool_)
    # the draw is between the quantiles of two neighbours; a value is settled where both round to it, whatever the error
    least, most = (float(scale) * law.quantile(np.ldexp(tail + more, -64)) for more in (1.0, 0.0))
    error = MARGIN * (float(scale) + most)
    inner, outer = np.maximum(least - error, 0.0), most + error
    edge = 0.5 - rest / MICRO
    found = np.floor(np.where(negative, -outer, inner) + edge)
    open_places = np.flatnonzero(found != np.floor(np.where(negative, -inner, outer) + edge))
    drawn = found.astype(np.int64, casting="unsafe")
    if len(open_places):
        lower = np.frombuffer(draw_lower(open_places), dtype="<u8")
        for one, more in zip(open_places.tolist(), lower.tolist(), strict=True):
            place = (int(upper[one]) >> 1) << 64 | more
            drawn[one] = _exact(law, scale, place, bool(negative[one]), Fraction(int(rest[one]), MICRO))
    return drawn - whole


def quantile(tail: Reals) -> Reals:
    """The x >= 0 that a standard normal number exceeds with the chance ``tail`` <= 1/2; of 2^-130 for what is less."""
    chance = np.maximum(tail, 2.0**-130)
    centre = 0.5 - chance
    found = centre * _ratio(_CENTRE, 0.180625 - centre * centre)
    outer = np.flatnonzero(centre > 0.425)
    root = np.sqrt(-np.log(chance[outer]))
    found[outer] = np.where(root <= 5.0, _ratio(_SIDES, root - 1.6), _ratio(_TAILS, root - 5.0))
    return found


def _ratio(coefficients: tuple[tuple[float, ...], tuple[float, ...]], at: Reals) -> Reals:
    above, below = (np.polynomial.polynomial.polyval(at, side) for side in coefficients)
    ratio: Reals = above / below
    return ratio


def _exact(law: Law, scale: Fraction, place: int, negative: bool, shift: Fraction) -> int:
    """The draw at ``place`` (127 bits) of a side: the last of the integers whose edge, ``shift`` - 1/2 higher, it
    reaches."""
    with localcontext(Context(prec=_DIGITS)):
        chance = (2 * place + 1) * Decimal(2) ** -129

    def reaches(edge: Fraction) -> bool:
        """An edge on the other side of zero tells by its sign; on the own side its chance is compared."""
        if (edge > 0) == negative or edge == 0:
            return not negative
        return (law.exceeding(abs(edge) / scale) > chance) != negative

    size = float(scale) * float(law.quantile(np.array([float(chance)]))[0])
    found = round(-size if negative else size)
    while not reaches(found - Fraction(1, 2) + shift):
        found -= 1
    while reaches(found + Fraction(1, 2) + shift):
        found += 1
    return found


def exceeding(x: Fraction) -> Decimal:
    """The chance that a standard normal number is more than ``x`` >= 0, to 50 decimals: a series of positive terms."""
    with localcontext(Context(prec=_DIGITS)):
        at = Decimal(x.numerator) / Decimal(x.denominator)
        square = at * at
        term = total = at
        odd = 1
        while term > total * Decimal(10) ** -_DIGITS:
            odd += 2
            term = term * square / odd
            total += term
        return Decimal(1) / 2 - total * (-square / 2).exp() / (2 * _PI).sqrt()


def laplace_quantile(tail: Reals) -> Reals:
    """The same of a Laplace number of scale one; of 2^-130 for what is less."""
    found: Reals = -np.log(2.0 * np.maximum(tail, 2.0**-130))
    return np.maximum(found, 0.0)


def laplace_exceeding(x: Fraction) -> Decimal:
    """The same of a Laplace number of scale one."""
    with localcontext(Context(prec=_DIGITS)):
        return (-Decimal(x.numerator) / Decimal(x.denominator)).exp() / 2


NORMAL: Final = Law(quantile, exceeding)
LAPLACE: Final = Law(laplace_quantile, laplace_exceeding)
