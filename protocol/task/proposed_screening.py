"""How a task would be screened: its encryption, what follows for its numbers, and bounds on honest updates."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from math import isqrt
from typing import Final

from protocol.encryption.port import largest_value
from protocol.encryption.suite import PAD
from protocol.errors import SpecError
from protocol.messages.learning import MICRO, EncodingTerms, LearningTerms, QuantiserTerms, SparsityTerms
from protocol.messages.screening_terms import ScreeningTerms
from protocol.messages.task import TaskSpec
from protocol.round.planning import sent_parameters
from protocol.round.update_noise import longest_of, longest_sent, unit_of, variance_of
from protocol.screening.arithmetic import MODULUS
from protocol.task.screenable import ENOUGH_ROUNDS, OWN_MARGIN, PACKING, noise_hides

TYPICAL: Final = 4  # households of so many times the reference count are still within the bounds
MOST_ROUNDS: Final = 150  # of a history
_FINE: Final = 8  # units in a standard deviation of the noise: rounding adds little to it
_LONGEST: Final = 2**15  # of a bound, so that histories of MOST_ROUNDS rounds cannot wrap
_NOISELESS: Final = 2**12  # units of the longest update without any noise
_COPY_PPM: Final = 300_000  # under noise


def screened(spec: TaskSpec, rule: str, probation: int | None = None) -> TaskSpec:
    """``spec`` with the encryption, the numbers and the terms under which ``rule`` can screen it, all coordinates sent.

    ``probation``: rounds; by the noise if left out. Raises SpecError where no terms are possible. What else stands
    against screening is for :func:`~protocol.task.screenable.check_screenable`.
    """
    spec = replace(spec, suite=PAD, learning=replace(dense(spec.learning), encoding=EncodingTerms(PACKING)))
    spec = replace(spec, learning=replace(spec.learning, quantiser=_quantiser(spec)))
    return replace(spec, screening=proposed_terms(spec, rule, probation))


def proposed_terms(spec: TaskSpec, rule: str, probation: int | None = None) -> ScreeningTerms:
    """Bounds on an honest update, and as long a memory as they allow. Raises SpecError."""
    clip, bound = _bounds(spec)
    window = min(MOST_ROUNDS, spec.rounds + spec.rounds % 2)
    while window > 2 and 12 * (window * bound) ** 2 >= MODULUS:
        window -= 2
    hidden = noise_hides(spec)
    usual = min(ENOUGH_ROUNDS, spec.rounds // 4) if hidden else min(3, spec.rounds - 1)
    terms = ScreeningTerms(
        rule=rule,
        norm_bound=bound,
        clip=clip,
        window=max(2, window),
        probation=usual if probation is None else min(probation, spec.rounds - 1),
    )
    return replace(terms, copy_ppm=_COPY_PPM) if hidden else terms


def dense(learning: LearningTerms) -> LearningTerms:
    """The same learning with every coordinate in every round: what made up for turns makes up for nothing now."""
    density = learning.sparsity.density_ppm
    if density == MICRO:
        return learning
    optimiser = learning.optimiser
    if learning.mechanism.local_steps > 1:
        optimiser = replace(optimiser, learning_rate_micro=max(1, optimiser.learning_rate_micro * density // MICRO))
    return replace(learning, optimiser=optimiser, sparsity=SparsityTerms(MICRO, MICRO))


def _bounds(spec: TaskSpec) -> tuple[int, int]:
    """C and B: before noise, and with it; a phone takes .98 of B."""
    part, whole = OWN_MARGIN
    examples = min(spec.schedule.max_examples, TYPICAL * spec.learning.optimiser.reference_count)
    clip = max(1, longest_of(spec, examples))
    longest = longest_sent(clip, variance_of(spec), sent_parameters(spec))
    return clip, isqrt(whole * longest**2 // part) + 1


def _quantiser(spec: TaskSpec) -> QuantiserTerms:
    """As fine as the noise deserves, so that updates are as short as they can be in its units, and with room for every
    number that an update within the bound can have."""

    def in_units_of(unit: Fraction, bits: int) -> tuple[QuantiserTerms, int]:
        wide = max(1, -(-unit * MICRO * largest_value(bits) // 1))
        quantiser = QuantiserTerms(int(wide), bits)
        return quantiser, _bounds(replace(spec, learning=replace(spec.learning, quantiser=quantiser)))[1]

    now = unit_of(spec.learning.quantiser)
    squared = variance_of(spec) * now * now
    if squared:
        unit = Fraction(isqrt(int(squared * 10**24)) + 1, _FINE * 10**12)
    else:
        unit = Fraction(longest_of(spec, spec.schedule.max_examples), _NOISELESS) * now
    for bits in range(8, 31):
        quantiser, bound = in_units_of(unit, bits)
        if bound > _LONGEST:
            unit = unit * bound / _LONGEST * Fraction(1001, 1000)
            quantiser, bound = in_units_of(unit, bits)
        if 5 * bound**2 <= 4 * largest_value(bits) ** 2:
            return quantiser
    raise SpecError("learning.quantiser.bound", "no number of bits has room for honest updates and their noise")
