"""What rounds cost in privacy: the one place from which every figure of privacy comes that others may see."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import Final

from protocol.errors import MalformedError, Party
from protocol.messages.charge import Charge, RoundsOf
from protocol.messages.learning import MICRO, BayesianTerms, LearningTerms, MechanismTerms
from protocol.messages.task import PrivacyTerms, TaskSpec
from protocol.privacy.figure import Definition, PrivacyFigure, Unit
from protocol.privacy.mechanisms import assumptions_of, kind_of, of_features, releases_of, unit_of
from protocol.privacy.pld import PrivacyLoss
from protocol.privacy.port import Accountant, SampledGaussian
from protocol.privacy.renyi import Renyi

ROUNDING_MICRO: Final = 100  # figures go up to the next multiple: the last bits of a machine's logarithm do not show
PER_COORDINATE: Final = "LAPLACE-COORDINATE/1"  # no accountant: nothing is bounded

CLASSICAL: Final = PrivacyLoss()  # what a household adds up its tasks by
ACCOUNTANTS: Final[dict[str, Accountant]] = {accountant.name: accountant for accountant in (CLASSICAL, Renyi())}

NO_RUNGS: Final = BayesianTerms()

Rounds = Mapping[MechanismTerms, int]


@dataclass(frozen=True, slots=True)
class Enrolled:
    """What one enrolment spends on its household's data: ``rounds`` of each mechanism, and a choice of rung."""

    rounds: Rounds
    bayesian: BayesianTerms = NO_RUNGS


def accountant(name: str) -> Accountant:
    """The accountant of that name. Raises MalformedError for an unknown one."""
    try:
        return ACCOUNTANTS[name]
    except KeyError:
        raise MalformedError(f"unknown privacy accountant {name!r}", fault=Party.MANUFACTURER) from None


def planned(spec: TaskSpec, rounds: int) -> Rounds:
    """``rounds`` rounds of a task with as many local steps as it may ever plan."""
    mechanism = spec.learning.mechanism
    most = max(mechanism.local_steps, spec.control.max_local_steps)
    return {replace(mechanism, local_steps=most): rounds}


def spent(rounds: Rounds, learning: LearningTerms, privacy: PrivacyTerms) -> Charge:
    """The charge of all ``rounds`` together, by the task's accountant; with one round more, what it would become.

    ``rounds``: at least one mechanism, all of one kind, which differ in local steps alone; of ``learning`` counts what
    is chosen once. Raises NoPrivacyError for a mechanism without noise, MalformedError for an accountant or a mechanism
    that there is not.
    """
    chosen, delta_exponent, bayesian = accountant(privacy.accountant), privacy.delta_exponent, learning.bayesian
    some = next(iter(rounds))
    if kind_of(some).guarantees:
        figure = together([Enrolled(rounds, bayesian)], delta_exponent, chosen)
        alone = {replace(mechanism, honest_clients=1): count for mechanism, count in rounds.items()}
        shared = figure.honest_clients > 1
        own = (together([Enrolled(alone, bayesian)], delta_exponent, chosen),) if shared else ()
    else:
        epsilon = sum(of_features(mechanism, count) for mechanism, count in rounds.items())
        reproduction = Unit.COORDINATE, Definition.REPRODUCTION
        figure, own = PrivacyFigure(epsilon, delta_exponent, PER_COORDINATE, *reproduction), ()
    ordered = sorted(rounds.items(), key=lambda item: item[0].local_steps)
    words = [*assumptions_of(some)]
    if bayesian.selection_epsilon_micro:
        words.append("covers any rung of noise that a phone may choose, and its choice")
    return Charge(tuple(RoundsOf(*item) for item in ordered), figure, own, tuple(words))


def together(enrolments: Sequence[Enrolled], delta_exponent: int, chosen: Accountant = CLASSICAL) -> PrivacyFigure:
    """Of rounds of several mechanisms on the same data, for the finest of their units. Raises NoPrivacyError.

    Where a phone chooses a rung the charge is the larger of two public numbers: what the floor's noise costs, and what
    the choice (pure, by basic composition) and the lowest rung cost together.
    """
    mechanisms = [mechanism for enrolled in enrolments for mechanism in enrolled.rounds]
    units = {unit_of(mechanism) for mechanism in mechanisms} or {Unit.EXAMPLE}
    unit = min(units, key=list(Unit).index)
    at_floor = _epsilon(enrolments, unit, delta_exponent, chosen)
    choices = sum(one.bayesian.selection_epsilon_micro for one in enrolments if any(one.rounds.values()))
    chosen_rungs = (
        choices + _epsilon([_at_rung(one) for one in enrolments], unit, delta_exponent, chosen) if choices else 0
    )
    return PrivacyFigure(
        max(at_floor, chosen_rungs),
        delta_exponent,
        chosen.name,
        unit,
        honest_clients=max((mechanism.honest_clients for mechanism in mechanisms), default=1),
        adjacency=unit.adjacency,
    )


def _epsilon(enrolments: Sequence[Enrolled], unit: Unit, delta_exponent: int, chosen: Accountant) -> int:
    releases = Counter[SampledGaussian]()
    for enrolled in enrolments:
        for mechanism, count in enrolled.rounds.items():
            releases.update(releases_of(mechanism, count, unit))
    in_order = dict(sorted(releases.items(), key=lambda item: (item[0].rate_ppm, item[0].noise_multiplier)))
    units = chosen.epsilon(in_order, delta_exponent) * MICRO / ROUNDING_MICRO
    return ceil(units * (1.0 + 1e-12)) * ROUNDING_MICRO


def _at_rung(enrolled: Enrolled) -> Enrolled:
    """With the lowest rung's noise, where there are rungs."""
    if not enrolled.bayesian.rungs_micro:
        return enrolled
    noise = enrolled.bayesian.rungs_micro[0]
    lowest = {replace(one, noise_multiplier_micro=noise): count for one, count in enrolled.rounds.items()}
    return Enrolled(lowest, enrolled.bayesian)
