"""Charges: rounded up, of all rounds together, by the accountant that the task names."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.canonical import decode, encode
from protocol.errors import MalformedError, Party
from protocol.messages.charge import Charge
from protocol.messages.learning import MICRO, BayesianTerms, LearningTerms, MechanismTerms
from protocol.messages.task import PrivacyTerms
from protocol.privacy.figure import Adjacency, Definition, PrivacyFigure, Unit
from protocol.privacy.pld import PrivacyLoss
from protocol.privacy.port import SampledGaussian
from protocol.privacy.renyi import Renyi
from protocol.privacy.spending import Enrolled, accountant, planned, spent, together
from scripts.demonstration.presets import digits_terms, mnist_terms, with_enough_noise
from tests.samples import sample_spec, with_terms

SPEC = sample_spec()
LEARNING, PRIVACY = SPEC.learning, SPEC.privacy
MECHANISM = LEARNING.mechanism
RUNGS = BayesianTerms(8 * MICRO, 5, 100_000, (2_100_000, 3_000_000), 1, 250_000)


def charge_of(
    mechanism: MechanismTerms, rounds: int, privacy: PrivacyTerms = PRIVACY, learning: LearningTerms = LEARNING
) -> Charge:
    return spent({mechanism: rounds}, learning, privacy)


@given(st.integers(1, 60), st.integers(1, 20), st.integers(500_000, 20_000_000))
@settings(max_examples=30, deadline=None)
def test_a_figure_is_never_less_than_the_accountants_and_grows_with_the_rounds(
    rounds: int, local_steps: int, sigma_micro: int
) -> None:
    mechanism = replace(MECHANISM, noise_multiplier_micro=sigma_micro, local_steps=local_steps)
    charge = charge_of(mechanism, rounds)
    release = SampledGaussian(mechanism.sampling_rate_ppm, sigma_micro / MICRO)
    exact = PrivacyLoss().epsilon({release: rounds * local_steps}, PRIVACY.delta_exponent) * MICRO
    assert exact <= charge.epsilon_micro < exact + 101
    assert charge.epsilon_micro % 100 == 0
    assert charge_of(mechanism, rounds + 1).epsilon_micro > charge.epsilon_micro
    assert charge.compositions == rounds * local_steps


def test_a_charge_says_what_it_stands_on() -> None:
    charge = charge_of(MECHANISM, 2, replace(PRIVACY, delta_exponent=7))
    (part,) = charge.parts
    assert (part.mechanism, part.rounds, charge.rounds) == (MECHANISM, 2, 2)
    assert charge.figure == PrivacyFigure(charge.epsilon_micro, 7, "PLD/1")
    assert charge.own == () and charge.epsilon == charge.epsilon_micro / MICRO
    assert decode(Charge, encode(charge)) == charge


def test_nothing_is_spent_before_the_first_round() -> None:
    assert charge_of(MECHANISM, 0).epsilon_micro == 0
    assert charge_of(MECHANISM, 0, learning=replace(LEARNING, bayesian=RUNGS)).epsilon_micro == 0
    assert together([], 5).epsilon_micro == 0


def test_the_presets() -> None:
    _, digits, privacy = digits_terms()
    figure = spent({replace(digits.mechanism): 10}, replace(digits, bayesian=BayesianTerms()), privacy).figure
    assert figure.epsilon_micro <= 4 * MICRO
    _, mnist, privacy = mnist_terms()
    assert spent({mnist.mechanism: 20}, mnist, privacy).epsilon_micro == 909_600


def test_rounds_of_different_lengths_add_up_in_any_order() -> None:
    longer = replace(MECHANISM, local_steps=3)
    charge = spent({longer: 2, MECHANISM: 4}, LEARNING, PRIVACY)
    assert charge == spent({MECHANISM: 4, longer: 2}, LEARNING, PRIVACY)
    assert charge.figure == charge_of(MECHANISM, 10).figure
    assert [(part.mechanism.local_steps, part.rounds) for part in charge.parts] == [(1, 4), (3, 2)]


def test_a_task_plans_with_the_most_steps_that_it_may_take() -> None:
    assert planned(SPEC, 3) == {MECHANISM: 3}
    adapted = replace(SPEC, control=replace(SPEC.control, max_local_steps=6))
    assert planned(adapted, 3) == {replace(MECHANISM, local_steps=6): 3}


def test_a_task_that_names_renyi_is_charged_by_it() -> None:
    """An older figure, and the larger one."""
    named = replace(PRIVACY, accountant="RENYI/1")
    charge = charge_of(MECHANISM, 3, named)
    exact = Renyi().epsilon({SampledGaussian(MICRO, 2.0): 3 * MECHANISM.local_steps}, PRIVACY.delta_exponent) * MICRO
    assert exact <= charge.epsilon_micro < exact + 101
    assert charge.figure.accountant == "RENYI/1"
    assert charge.epsilon_micro > charge_of(MECHANISM, 3).epsilon_micro


def test_more_rounds_take_more_noise() -> None:
    _, learning, privacy = digits_terms()
    plain = replace(learning, bayesian=BayesianTerms())
    assert with_enough_noise(plain, privacy, 10) == plain
    more = with_enough_noise(plain, privacy, 80)
    assert spent({more.mechanism: 80}, more, privacy).epsilon_micro <= privacy.epsilon_budget_micro
    assert more.mechanism.noise_multiplier_micro > plain.mechanism.noise_multiplier_micro


def test_an_accountant_that_there_is_not_is_the_manufacturers_fault() -> None:
    with pytest.raises(MalformedError) as caught:
        charge_of(MECHANISM, 1, replace(PRIVACY, accountant="RENYI/2"))
    assert caught.value.fault is Party.MANUFACTURER
    assert [accountant(name).name for name in ("PLD/1", "RENYI/1")] == ["PLD/1", "RENYI/1"]


@pytest.mark.parametrize("lowest", [2_000_000, 2_400_000, 2_800_000])
def test_a_choice_of_rung_costs_the_floor_or_itself_and_the_lowest_rung(lowest: int) -> None:
    """Of two public numbers the larger: none of them tells which rung a phone has."""
    bayesian = replace(RUNGS, rungs_micro=(lowest, 3_000_000))
    found = charge_of(MECHANISM, 3, learning=replace(LEARNING, bayesian=bayesian))
    floor = charge_of(MECHANISM, 3).epsilon_micro
    at_rung = charge_of(replace(MECHANISM, noise_multiplier_micro=lowest), 3).epsilon_micro
    assert found.epsilon_micro == max(floor, at_rung + 250_000)
    assert any("any rung of noise" in assumption for assumption in found.assumptions)
    assert (lowest == 2_000_000) == (found.epsilon_micro > floor)
    without = replace(bayesian, selection_epsilon_micro=0)
    assert charge_of(MECHANISM, 3, learning=replace(LEARNING, bayesian=without)).epsilon_micro == floor


def test_a_household_pays_every_choice_of_a_rung() -> None:
    same = replace(RUNGS, rungs_micro=(2_000_000, 3_000_000))
    twice = together([Enrolled({MECHANISM: 1}, same), Enrolled({MECHANISM: 2}, same)], PRIVACY.delta_exponent)
    assert twice.epsilon_micro == charge_of(MECHANISM, 3).epsilon_micro + 2 * 250_000


def test_the_share_of_each_client_stands_beside_what_all_of_them_hide() -> None:
    mechanism = replace(MECHANISM, kind="distributed", honest_clients=4)
    charge = charge_of(mechanism, 3)
    (own,) = charge.own
    assert (charge.figure.honest_clients, own.honest_clients) == (4, 1)
    assert charge.epsilon_micro == charge_of(replace(MECHANISM, noise_multiplier_micro=4_000_000), 3).epsilon_micro
    assert own == charge_of(MECHANISM, 3).figure
    assert own.epsilon_micro > charge.epsilon_micro
    assert charge.figures == (charge.figure, own)


def test_a_reproduction_is_no_figure_of_privacy() -> None:
    charge = charge_of(replace(MECHANISM, kind="features", noise_multiplier_micro=100_000), 3)
    assert charge.figure == PrivacyFigure(
        30 * MICRO, 5, "LAPLACE-COORDINATE/1", Unit.COORDINATE, Definition.REPRODUCTION
    )
    assert str(charge.figure).startswith("NO guarantee, a reproduction of a paper: of one feature coordinate")


def test_tasks_of_different_units_add_up_for_the_finest() -> None:
    household = replace(MECHANISM, kind="client", unit="household", noise_multiplier_micro=6_000_000)
    alone = together([Enrolled({household: 2})], 5)
    assert (alone.unit, alone.adjacency) == (Unit.HOUSEHOLD, Adjacency.DATA_OR_NONE)
    both = together([Enrolled({household: 2}), Enrolled({MECHANISM: 1})], 5)
    assert (both.unit, both.adjacency) == (Unit.EXAMPLE, Adjacency.ADD_OR_REMOVE_ONE)
    as_example = replace(MECHANISM, noise_multiplier_micro=3_000_000)
    assert both == together([Enrolled({as_example: 2}), Enrolled({MECHANISM: 1})], 5)


def test_the_sample_terms_leave_room_for_rungs() -> None:
    assert with_terms(LEARNING, noise_multiplier_micro=MICRO).mechanism.noise_multiplier_micro == MICRO
