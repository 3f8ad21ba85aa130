"""What is proposed for a task leaves honest updates room, wraps nowhere, and is what the task can run with."""

from __future__ import annotations

from dataclasses import replace

import pytest

from protocol.encryption.port import largest_value
from protocol.messages.learning import MICRO
from protocol.messages.task import Committee, TaskSpec
from protocol.model.specification import dimension_of
from protocol.round.update_noise import longest_of, longest_sent, variance_of
from protocol.task.proposed_screening import dense, screened
from protocol.task.runnable import check_runnable
from scripts.demonstration.presets import PRESETS
from tests.samples import sample_spec, with_terms

FIVE = Committee(2, tuple(bytes([7, j]) * 10 for j in range(5)), 1)


def preset(name: str) -> TaskSpec:
    model, learning, privacy = PRESETS[name].terms()
    spec = sample_spec()
    schedule = replace(spec.schedule, max_examples=PRESETS[name].max_examples)
    return replace(spec, model=model, learning=learning, privacy=privacy, rounds=9, schedule=schedule, committee=FIVE)


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("rule", ["krum", "foolsgold", "alignment"])
def test_every_data_set_of_the_demonstration_can_be_screened(name: str, rule: str) -> None:
    before = preset(name)
    spec = screened(before, rule, 1)
    check_runnable(spec)
    terms, quantiser, dimension = spec.screening, spec.learning.quantiser, dimension_of(spec.model)
    assert (terms.rule, terms.window, terms.probation) == (rule, 10, 1)
    expected = min(before.schedule.max_examples, 4 * spec.learning.optimiser.reference_count)
    assert terms.clip == longest_of(spec, expected)
    longest = longest_sent(terms.clip, variance_of(spec), dimension)
    assert 2500 * longest**2 <= 2401 * terms.norm_bound**2 < 2500 * (longest + 3) ** 2
    assert 5 * terms.norm_bound**2 <= 4 * largest_value(quantiser.bits) ** 2
    assert variance_of(spec) > 60, "rounding would add to the noise"
    assert 12 * (150 * terms.norm_bound) ** 2 < 2**48 - 59


def test_a_coarser_unit_where_the_noise_is_far_shorter_than_an_update() -> None:
    quiet = with_terms(preset("digits").learning, noise_multiplier_micro=1_000)
    quiet = replace(quiet, bayesian=type(quiet.bayesian)())
    spec = screened(replace(preset("digits"), learning=quiet, rounds=400), "krum")
    assert spec.screening.norm_bound <= 2**15
    assert spec.screening.window == 146  # of 150: with that bound more would wrap
    assert spec.screening.probation == 3


def test_a_mechanism_without_noise_in_its_update() -> None:
    learning = with_terms(preset("digits").learning, kind="features", unit="feature coordinate")
    spec = screened(replace(preset("digits"), learning=learning), "foolsgold")
    assert variance_of(spec) == 0
    assert 2**12 <= spec.screening.clip <= 2**12 + 2


def test_all_coordinates_take_as_large_a_step_together_as_they_did_in_turn() -> None:
    one = with_terms(preset("digits").learning, density_ppm=250_000, scale_micro=4 * MICRO)
    assert dense(one) == with_terms(one, density_ppm=MICRO, scale_micro=MICRO)
    several = with_terms(one, local_steps=5, scale_micro=MICRO, learning_rate_micro=80 * MICRO)
    assert dense(several) == with_terms(several, density_ppm=MICRO, learning_rate_micro=20 * MICRO)
    assert dense(dense(several)) == dense(several)
