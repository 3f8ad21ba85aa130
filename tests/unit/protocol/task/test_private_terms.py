"""Terms of privacy that cannot do what they say are refused by their line; what can be doubted is said."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from protocol.encryption.port import largest_value
from protocol.encryption.suite import PAD
from protocol.errors import Party, SpecError
from protocol.messages.learning import MICRO, BayesianTerms
from protocol.messages.task import TaskSpec
from protocol.privacy.spending import planned, spent
from protocol.round.planning import sent_parameters
from protocol.sparse.grid import largest_sum
from protocol.task.private_terms import check_private_terms, private_doubts
from protocol.task.runnable import check_runnable, doubts
from tests.samples import sample_spec, with_terms

SPEC = sample_spec()
RUNGS = BayesianTerms(4 * MICRO, 6, 100_000, (2_000_000, 2_500_000), 1, 250_000)


def of(**changes: Any) -> TaskSpec:
    return replace(SPEC, learning=with_terms(SPEC.learning, **changes))


def controlled(spec: TaskSpec, **changes: int) -> TaskSpec:
    return replace(spec, control=replace(spec.control, **changes))


def bayesian(spec: TaskSpec = SPEC, **changes: Any) -> TaskSpec:
    return replace(spec, learning=replace(spec.learning, bayesian=replace(RUNGS, **changes)))


def distributed(**changes: Any) -> TaskSpec:
    terms = {"kind": "distributed", "honest_clients": 2, "least_weight_ppm": 400_000, "bits": 20, "packing": 6}
    return replace(SPEC, suite=PAD, learning=with_terms(SPEC.learning, **{**terms, **changes}))


def correlated(**changes: Any) -> TaskSpec:
    terms = {"kind": "correlated", "separation": 2, "band_micro": (-500_000,), "density_ppm": MICRO}
    return of(**{**terms, **changes})


HOUSEHOLD = of(kind="client", unit="household", local_steps=3, sampling_rate_ppm=500_000)
APPLIANCE = of(unit="appliance", unit_examples=4)
FEATURES = replace(
    of(kind="features", noise_multiplier_micro=500_000), privacy=replace(SPEC.privacy, epsilon_budget_micro=20 * MICRO)
)
POSSIBLE = (SPEC, bayesian(), bayesian(distributed()), APPLIANCE, HOUSEHOLD, distributed(), correlated(), FEATURES)
ENOUGH = largest_sum(distributed().learning, sent_parameters(SPEC), SPEC.schedule.max_examples).bit_length() + 1
COST = spent(planned(controlled(SPEC, max_local_steps=4), 1), SPEC.learning, SPEC.privacy).epsilon_micro
IMPOSSIBLE: dict[str, tuple[str, Callable[[], TaskSpec]]] = {
    "no such mechanism": ("learning.mechanism.kind", lambda: of(kind="exmple")),
    "a unit of another one": ("learning.mechanism.unit", lambda: of(unit="household")),
    "a household clipped as an example": ("learning.mechanism.unit", lambda: of(kind="client")),
    "no noise": ("learning.mechanism.noise_multiplier", lambda: of(noise_multiplier_micro=0)),
    "several examples of one": ("learning.mechanism.unit_examples", lambda: of(unit_examples=2)),
    "honest others for nothing": ("learning.mechanism.honest_clients", lambda: of(honest_clients=2)),
    "weights for nothing": ("learning.mechanism.least_weight", lambda: of(least_weight_ppm=1)),
    "turns for nothing": ("learning.mechanism.separation", lambda: of(separation=2)),
    "a band for nothing": ("learning.mechanism.band", lambda: of(band_micro=(1,))),
    "steps of which only the first is a sum": ("learning.mechanism.local_steps", lambda: distributed(local_steps=2)),
    "steps that would become several": ("control.max_local_steps", lambda: controlled(correlated(), max_local_steps=2)),
    "more honest than there are": ("learning.mechanism.honest_clients", lambda: distributed(honest_clients=3)),
    "heavier than any reputation": ("learning.mechanism.least_weight", lambda: distributed(least_weight_ppm=400_001)),
    "numbers that would be cut": ("learning.quantiser.bits", lambda: distributed(bits=ENOUGH - 1)),
    "coordinates that miss a round": ("learning.sparsity.density", lambda: correlated(density_ppm=999_999)),
    "nothing taken back": ("learning.mechanism.band", lambda: correlated(band_micro=())),
    "noise that grows": (
        "learning.mechanism.band", lambda: replace(correlated(band_micro=(-MICRO, -MICRO)), rounds=30)
    ),
    "a household's law": ("learning.bayesian.epsilon", lambda: bayesian(HOUSEHOLD)),
    "an example's law under noise of all rounds": ("learning.bayesian.epsilon", lambda: bayesian(correlated())),
    "an appliance's law": ("learning.bayesian.epsilon", lambda: bayesian(APPLIANCE)),
    "a choice of one": (
        "learning.bayesian.selection_epsilon", lambda: bayesian(rungs_micro=(2_000_000,), default_rung=0)
    ),
    "a choice of who knows what": (
        "learning.bayesian.selection_epsilon", lambda: bayesian(controlled(SPEC, max_local_steps=3))
    ),
    "no round of most steps within the budget": (
        "privacy.epsilon_budget",
        lambda: replace(
            controlled(SPEC, max_local_steps=4), privacy=replace(SPEC.privacy, epsilon_budget_micro=COST - 1)
        ),
    ),
    "a delta that draws could miss": (
        "privacy.delta_exponent",
        lambda: replace(of(local_steps=10_000), rounds=100_000, privacy=replace(
            SPEC.privacy, delta_exponent=15, epsilon_budget_micro=2**40
        )),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_what_cannot_run_is_refused_by_its_line(name: str) -> None:
    line, made = IMPOSSIBLE[name]
    with pytest.raises(SpecError) as refused:
        check_private_terms(made())
    assert (refused.value.line, refused.value.fault) == (line, Party.MANUFACTURER)
    with pytest.raises(SpecError):
        check_runnable(made())


@pytest.mark.parametrize("spec", POSSIBLE, ids=lambda spec: spec.learning.mechanism.kind)
def test_what_is_just_possible_passes(spec: TaskSpec) -> None:
    check_runnable(spec)


def test_numbers_that_are_sent_uncut_have_room() -> None:
    check_private_terms(distributed(bits=ENOUGH))
    assert (
        largest_value(ENOUGH - 1)
        < largest_sum(distributed().learning, sent_parameters(SPEC), 50)
        <= largest_value(ENOUGH)
    )


def test_a_refusal_says_how_many_bits_are_enough() -> None:
    with pytest.raises(SpecError, match=f"which takes {ENOUGH};"):
        check_private_terms(distributed(bits=ENOUGH - 1))


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        (FEATURES, "learning.mechanism.kind: guarantees nothing"),
        (distributed(), "learning.mechanism.honest_clients: phones refuse it unless their owners take 2 clients"),
        (correlated(sampling_rate_ppm=500_000), "learning.mechanism.sampling_rate: hides nothing"),
        (bayesian(), "learning.bayesian.held_out: no phone has more than some 5 examples"),
        (
            bayesian(delta_exponent=5, epsilon_micro=100 * MICRO),
            "learning.bayesian.epsilon: the classical 3.9",
        ),
    ],
)
def test_what_a_manufacturer_should_know_is_said(spec: TaskSpec, said: str) -> None:
    assert any(doubt.startswith(said) for doubt in doubts(spec)), list(doubts(spec))


def test_nothing_is_said_of_usual_terms() -> None:
    assert list(private_doubts(SPEC)) == list(private_doubts(HOUSEHOLD)) == []
