"""The mechanisms that a task can name, and what each releases: all that an accountant needs to know of a round.

Privacy is that of a mechanism's unit. Of a finer one (an example of a household whose whole update is clipped) it is
less: the unit stays with other data, which can move its contribution by twice the clip, and sampling hides nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from math import isqrt, sqrt
from typing import Final

from protocol.errors import MalformedError, Party
from protocol.messages.learning import MICRO, MechanismTerms
from protocol.privacy.figure import Unit
from protocol.privacy.port import NoPrivacyError, SampledGaussian

Releases = Mapping[SampledGaussian, int]


@dataclass(frozen=True, slots=True)
class Kind:
    """``releases``: of so many rounds, this client's own noise alone unless the mechanism assumes honest others."""

    name: str
    units: tuple[Unit, ...]  # that a task may choose from
    releases: Callable[[MechanismTerms, int], Releases]
    assumption: str  # completes "the figure ..."
    one_step: bool = False
    along_the_task: bool = False  # what is counted are a task's rounds, not those that a phone took part in
    guarantees: bool = True


def kind_of(mechanism: MechanismTerms) -> Kind:
    """Raises MalformedError for one that there is not."""
    try:
        return KINDS[mechanism.kind]
    except KeyError:
        raise MalformedError(f"unknown mechanism {mechanism.kind!r:.40}", fault=Party.MANUFACTURER) from None


def has_guarantee(mechanism: MechanismTerms) -> bool:
    """Whether a figure bounds what it reveals. Raises MalformedError for a kind that there is not."""
    return mechanism.noise_multiplier_micro > 0 and kind_of(mechanism).guarantees


def unit_of(mechanism: MechanismTerms) -> Unit:
    """What its figures protect. Raises MalformedError for a kind that there is not, or a unit that is not its."""
    units = kind_of(mechanism).units
    found = next((unit for unit in units if unit == mechanism.unit), units[0] if len(units) == 1 else None)
    if found is None:
        raise MalformedError(f"mechanism {mechanism.kind} has no unit {mechanism.unit!r:.40}", fault=Party.MANUFACTURER)
    return found


def releases_of(mechanism: MechanismTerms, rounds: int, unit: Unit | None = None) -> Releases:
    """Of ``rounds`` rounds: the noisy sums that they publish of one ``unit``, by default the mechanism's own.

    With the kind ``correlated`` these are a task's first rounds, whether or not a phone took part in each.
    Raises NoPrivacyError for a mechanism that guarantees nothing.
    """
    kind, own = kind_of(mechanism), unit_of(mechanism)
    if not has_guarantee(mechanism):
        raise NoPrivacyError(f"the mechanism {kind.name} guarantees nothing without noise", fault=Party.MANUFACTURER)
    found = kind.releases(mechanism, rounds)
    if unit in (None, own):
        return found
    halved = ((one.noise_multiplier / 2.0, count) for one, count in found.items())
    return {SampledGaussian(MICRO, noise): count for noise, count in halved}


def counted(mechanism: MechanismTerms, numbers: Collection[int]) -> int:
    """Of the rounds with these ``numbers`` those that :func:`releases_of` has to be told of: how many they are, or all
    rounds up to the last, where an example's uses are counted along a task."""
    return max(numbers, default=0) if kind_of(mechanism).along_the_task else len(numbers)


def assumptions_of(mechanism: MechanismTerms) -> Iterator[str]:
    """What a figure stands on, for people; each completes "the figure ..."."""
    kind, unit = kind_of(mechanism), unit_of(mechanism)
    if not kind.guarantees:
        yield "guarantees NOTHING to anybody"
        yield kind.assumption
        return
    yield f"protects each single {unit} ({unit.adjacency})"
    if mechanism.honest_clients == 1:
        yield "counts this phone's own noise alone, whatever the others do"
    else:
        yield f"holds only if {mechanism.honest_clients} clients are honest and nobody sees more than their sum"
    yield kind.assumption.format(unit=unit, separation=mechanism.separation)


def of_features(mechanism: MechanismTerms, rounds: int) -> int:
    """What paper B calls epsilon, of one feature coordinate of one example, in millionths rounded up: it adds up over
    rounds and steps. Over coordinates it would add up as well, to thousands: no guarantee."""
    if not mechanism.noise_multiplier_micro:
        raise NoPrivacyError("the task adds no noise", fault=Party.MANUFACTURER)
    return -(-rounds * mechanism.local_steps * MICRO * MICRO // mechanism.noise_multiplier_micro)


def squared_sensitivity(band_micro: tuple[int, ...], separation: int, rounds: int) -> int:
    """What one example can change in C x, squared, in millionths squared of the squared clip: C is Toeplitz, with ones
    on its diagonal and ``band_micro`` below, x the sums of ``rounds`` rounds.

    One that is used in every ``separation``-th round changes as many columns. If these are longer apart than the band
    is wide they have no row in common (Choquette-Choo et al. 2023), and the figure is exact. Else their products
    count in full, whatever directions the gradients have: an upper bound.
    """
    column = [MICRO, *map(abs, band_micro)]
    uses = -(-rounds // separation)
    products = [sum(a * b for a, b in zip(column, column[lag:], strict=False)) for lag in range(len(column))]
    for lag in range(len(products) - 2, 0, -1):  # of this lag or a longer one
        products[lag] = max(products[lag], products[lag + 1])
    near = sum(products[lag] for lag in range(separation, len(products), separation)[: max(0, uses - 1)])
    return uses * (products[0] + 2 * near)


def _sampled(mechanism: MechanismTerms, rounds: int) -> Releases:
    return {_gaussian(mechanism.sampling_rate_ppm, mechanism): rounds * mechanism.local_steps}


def _whole(mechanism: MechanismTerms, rounds: int) -> Releases:
    return {_gaussian(MICRO, mechanism): rounds}


def _summed(mechanism: MechanismTerms, rounds: int) -> Releases:
    """The client that weighs most stands out most: all others may weigh as little as the task allows."""
    least, others = mechanism.least_weight_ppm / MICRO, mechanism.honest_clients - 1
    together = mechanism.noise_multiplier_micro / MICRO * sqrt(1.0 + others * least * least)
    return {SampledGaussian(mechanism.sampling_rate_ppm, together): rounds}


def _correlated(mechanism: MechanismTerms, rounds: int) -> Releases:
    """All rounds together are one sum: C x plus noise, of which what is sent is a function."""
    if not rounds:
        return {}
    squared = squared_sensitivity(mechanism.band_micro, mechanism.separation, rounds)
    longest = (isqrt(squared - 1) + 1) / MICRO  # rounded up
    return {SampledGaussian(MICRO, mechanism.noise_multiplier_micro / MICRO / longest): 1}


def _none(mechanism: MechanismTerms, rounds: int) -> Releases:
    return {}


def _gaussian(rate_ppm: int, mechanism: MechanismTerms) -> SampledGaussian:
    return SampledGaussian(rate_ppm, mechanism.noise_multiplier_micro / MICRO)


_SAMPLES: Final = "expects that every step samples each {unit} by itself at the public rate"

KINDS: Final[dict[str, Kind]] = {
    kind.name: kind
    for kind in (
        Kind("example", (Unit.EXAMPLE, Unit.APPLIANCE), _sampled, _SAMPLES),
        Kind("client", (Unit.HOUSEHOLD,), _whole, "counts every round in full: who takes part in it is public"),
        Kind("distributed", (Unit.EXAMPLE,), _summed, _SAMPLES, one_step=True),
        Kind(
            "correlated",
            (Unit.EXAMPLE,),
            _correlated,
            "expects that a phone uses each {unit} in one of {separation} rounds, in turn",
            one_step=True,
            along_the_task=True,
        ),
        Kind(
            "features",
            (Unit.COORDINATE,),
            _none,
            "is of one number among thousands of each example's features, and says nothing of the example",
            guarantees=False,
        ),
    )
}
