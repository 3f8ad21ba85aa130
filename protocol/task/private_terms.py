"""Whether a task's noise can do what it is said to do: which terms of privacy go together, and which mean nothing."""

from __future__ import annotations

from collections.abc import Iterator
from math import exp, sqrt
from typing import Final

from protocol.encryption.port import largest_value
from protocol.errors import SpecError
from protocol.messages.learning import MICRO, MechanismTerms
from protocol.messages.task import TaskSpec
from protocol.privacy.figure import Unit
from protocol.privacy.mechanisms import KINDS, Kind
from protocol.privacy.port import RESERVE
from protocol.privacy.spending import ACCOUNTANTS, planned, spent
from protocol.round.planning import sent_parameters
from protocol.sparse.grid import largest_sum, noise_of
from protocol.strict_toml import nearest

FEW: Final = 500  # held-out examples, below which a Bayesian figure is no claim
MOST_GROWTH: Final = 100.0  # of correlated noise over all rounds, against independent noise
OF_A_DRAW: Final = 2.0**-124  # how far one is from the ideal, for each grid step of its standard deviation (ADR 54)
TASKS: Final = 16  # on the same data that the reserve of delta is for
BEYOND: Final = 30.0  # an epsilon with which no delta means anything
_ALONE: Final = {  # fields that mean something with one kind alone, and what they are with the others
    "honest_clients": ("distributed", 1),
    "least_weight_ppm": ("distributed", MICRO),
    "separation": ("correlated", 1),
    "band_micro": ("correlated", ()),
}


def check_private_terms(spec: TaskSpec) -> None:
    """Raises SpecError for the first line that cannot stand."""
    mechanism = spec.learning.mechanism
    _check_accountant(spec)
    kind = _kind(mechanism)
    if not mechanism.noise_multiplier_micro:
        raise SpecError("learning.mechanism.noise_multiplier", "0 adds no noise, so no round could state its epsilon")
    _check_steps(spec, kind)
    if kind.name == "distributed":
        _check_distributed(spec)
    if kind.name == "correlated":
        _check_correlated(spec)
    _check_bayesian(spec)
    _check_cost(spec)
    _check_draws(spec)


def private_doubts(spec: TaskSpec) -> Iterator[str]:
    """Of a task that can run: one line each, the task file's line first."""
    learning, mechanism, bayesian = spec.learning, spec.learning.mechanism, spec.learning.bayesian
    if not KINDS[mechanism.kind].guarantees:
        yield "learning.mechanism.kind: guarantees nothing, and phones refuse it unless their owners allow that"
    if mechanism.honest_clients > 1:
        yield (
            f"learning.mechanism.honest_clients: phones refuse it unless their owners take {mechanism.honest_clients}"
            " clients to be honest"
        )
    if mechanism.kind == "correlated" and mechanism.sampling_rate_ppm < MICRO:
        yield "learning.mechanism.sampling_rate: hides nothing under correlated noise; whoever is left out is left out"
    held = spec.schedule.max_examples * bayesian.held_out_ppm // MICRO
    if bayesian.epsilon_micro and held < FEW:
        yield (
            f"learning.bayesian.held_out: no phone has more than some {held} examples to compute a Bayesian figure"
            f" from; with fewer than {FEW} it is indicative only"
        )
    if bayesian.epsilon_micro and bayesian.delta_exponent <= spec.privacy.delta_exponent:
        whole = spent(planned(spec, spec.rounds), learning, spec.privacy).figure
        if whole.epsilon_micro <= bayesian.epsilon_micro:
            yield f"learning.bayesian.epsilon: the classical {whole.decimal}, for every example, is no more than that"


def _check_accountant(spec: TaskSpec) -> None:
    asked = spec.privacy.accountant
    if asked not in ACCOUNTANTS:
        raise SpecError("privacy.accountant", f'there is no accountant "{asked}"; {nearest(asked, ACCOUNTANTS)}')


def _kind(mechanism: MechanismTerms) -> Kind:
    kind = KINDS.get(mechanism.kind)
    if kind is None:
        asked = mechanism.kind
        raise SpecError("learning.mechanism.kind", f'there is no mechanism "{asked}"; {nearest(asked, KINDS)}')
    if mechanism.unit not in kind.units and kind.guarantees:
        known = " or ".join(f'"{unit}"' for unit in kind.units)
        raise SpecError(
            "learning.mechanism.unit", f'"{mechanism.unit}": what the mechanism {kind.name} protects is {known}'
        )
    if mechanism.unit_examples > 1 and mechanism.unit != Unit.APPLIANCE:
        raise SpecError(
            "learning.mechanism.unit_examples", f"{mechanism.unit_examples} of one {mechanism.unit} are one"
        )
    for name, (only, otherwise) in _ALONE.items():
        if kind.name != only and getattr(mechanism, name) != otherwise:
            line = name.removesuffix("_micro").removesuffix("_ppm")
            raise SpecError(f"learning.mechanism.{line}", f'means something with the kind "{only}" alone')
    return kind


def _check_steps(spec: TaskSpec, kind: Kind) -> None:
    if not kind.one_step:
        return
    if spec.learning.mechanism.local_steps > 1:
        why = f"{spec.learning.mechanism.local_steps}: the mechanism {kind.name} has one step in a round"
        raise SpecError("learning.mechanism.local_steps", why)
    if spec.control.max_local_steps > 1:
        why = f"{spec.control.max_local_steps}: the mechanism {kind.name} has one step in a round"
        raise SpecError("control.max_local_steps", why)


def _check_distributed(spec: TaskSpec) -> None:
    """Nothing but a sum may happen to one client's numbers, and the sum must be of as many as the figure counts."""
    learning, mechanism, reputation = spec.learning, spec.learning.mechanism, spec.reputation
    if mechanism.honest_clients > spec.cohort.min_clients:
        raise SpecError(
            "learning.mechanism.honest_clients",
            f"{mechanism.honest_clients} are more than the {spec.cohort.min_clients} min_clients that a sum may be of",
        )
    least = reputation.floor * MICRO // reputation.maximum
    if mechanism.honest_clients > 1 and mechanism.least_weight_ppm > least:
        raise SpecError(
            "learning.mechanism.least_weight",
            f"{mechanism.least_weight_ppm / MICRO:g} is more than reputation.floor / reputation.maximum; at most"
            f" {least / MICRO:.6g}",
        )
    largest = largest_sum(learning, sent_parameters(spec), spec.schedule.max_examples)
    if largest > largest_value(learning.quantiser.bits):
        raise SpecError(
            "learning.quantiser.bits",
            f"{learning.quantiser.bits}: numbers of this mechanism are sent uncut, and can be {largest}, which takes"
            f" {largest.bit_length() + 1}; or allow fewer schedule.max_examples",
        )


def _check_correlated(spec: TaskSpec) -> None:
    learning, band = spec.learning, spec.learning.mechanism.band_micro
    if learning.sparsity.density_ppm != MICRO:
        why = "is below 1: noise that a coordinate got is taken back only where it is sent every time"
        raise SpecError("learning.sparsity.density", why)
    if not band:
        raise SpecError("learning.mechanism.band", "is empty, so no noise would be taken back")
    growth, row = 0.0, [1.0]
    for _ in range(spec.rounds):  # the inverse of the matrix, whose rows are these numbers shifted
        growth = sqrt(growth * growth + row[0] * row[0])
        if not growth <= MOST_GROWTH:
            why = f"makes noise grow more than {MOST_GROWTH:.0f}-fold over the rounds; smaller numbers, or fewer"
            raise SpecError("learning.mechanism.band", why)
        following = -sum(number / MICRO * one for number, one in zip(band, row, strict=False))
        row = [following, *row[: len(band) - 1]]


def _check_bayesian(spec: TaskSpec) -> None:
    bayesian, mechanism = spec.learning.bayesian, spec.learning.mechanism
    if not bayesian.epsilon_micro:
        return
    if mechanism.kind not in ("example", "distributed") or mechanism.unit != Unit.EXAMPLE:
        what = f"the mechanism {mechanism.kind} with the unit {mechanism.unit}"
        raise SpecError("learning.bayesian.epsilon", f"{what} has classical figures alone")
    if bayesian.selection_epsilon_micro and len(bayesian.rungs_micro) == 1:
        raise SpecError("learning.bayesian.selection_epsilon", "pays for a choice, and there is one rung")
    if bayesian.selection_epsilon_micro and spec.control.max_local_steps:
        why = "a rung is chosen by what all rounds will cost, and control.max_local_steps leaves that open"
        raise SpecError("learning.bayesian.selection_epsilon", why)


def _check_cost(spec: TaskSpec) -> None:
    cost, budget = spent(planned(spec, 1), spec.learning, spec.privacy).epsilon_micro, spec.privacy.epsilon_budget_micro
    if cost > budget:
        raise SpecError(
            "privacy.epsilon_budget",
            f"{budget / MICRO:.10g} is less than the {cost / MICRO:.10g} that one round costs; raise it, or"
            " learning.mechanism.noise_multiplier",
        )


def _check_draws(spec: TaskSpec) -> None:
    """Draws of noise are ideal but for 128 bits: (1 + e^epsilon) times what all of them are off by has to fit into the
    part of delta that figures leave for it."""
    learning, count = spec.learning, sent_parameters(spec)
    noisiest = learning.on_rung(len(learning.bayesian.rungs_micro) - 1) if learning.bayesian.rungs_micro else learning
    ((mechanism, _),) = planned(spec, spec.rounds).items()
    draws = spec.rounds * mechanism.local_steps * count
    off = draws * float(noise_of(noisiest, count)) * OF_A_DRAW
    epsilon = min(spec.privacy.epsilon_budget_micro / MICRO, BEYOND)
    if (1.0 + exp(epsilon)) * off > 10.0**-spec.privacy.delta_exponent * RESERVE / TASKS:
        why = f"10^-{spec.privacy.delta_exponent} is too small for {draws} draws of noise, each of 128 bits"
        raise SpecError("privacy.delta_exponent", why)
