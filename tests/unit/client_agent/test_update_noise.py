"""What screening takes for the noise of an update is what trainers put into one, whatever the mechanism."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from client_agent.training.kinds import Ask, Material, trainer_of
from client_agent.training.trainers import correlated_noise
from protocol.messages.learning import MICRO, BayesianTerms, Layer, LearningTerms, ModelSpec, QuantiserTerms
from protocol.messages.task import TaskSpec
from protocol.model.dataset import OWNERS, Examples
from protocol.model.specification import dimension_of
from protocol.randomness import SeededRandomness
from protocol.round.planning import choose_index_set, plan_round
from protocol.round.training import Assignment
from protocol.round.update import prepare_update
from protocol.round.update_noise import (
    longest_of,
    longest_sent,
    longest_update,
    noise_variance,
    unit_of,
    update_noise,
    variance_of,
)
from protocol.sparse.grid import DISTRIBUTED
from tests.samples import DOMAIN, client_address, sample_spec, with_terms
from tests.unit.client_agent.scene_learning import TERMS

WIDE = ModelSpec((500,), 4, (Layer("linear", {"outputs": 4, "bias": 1}),))
NOISY = with_terms(TERMS, noise_multiplier_micro=1_700_000, clip_micro=300_000, learning_rate_micro=20 * MICRO)
FINE = replace(NOISY, quantiser=QuantiserTerms(100 * MICRO, 16))
RUNGS = BayesianTerms(MICRO, 5, 100_000, (1_700_000, 2_500_000), 1)
UNITS = {"client": "household", "features": "feature coordinate", "appliance": "appliance"}


def terms(kind: str, **changes: Any) -> LearningTerms:
    named = {"kind": "example" if kind == "appliance" else kind, "unit": UNITS.get(kind, "example")}
    return with_terms(FINE, **named, **changes)


CASES = [
    ("one step", terms("example"), 1_000_000),
    ("three steps", terms("example", local_steps=3), 1_000_000),
    ("a tenth of the examples", terms("example", sampling_rate_ppm=100_000, local_steps=2), 1_000_000),
    ("a third of the coordinates", terms("example", local_steps=2), 333_333),
    ("many examples", terms("example", reference_count=77), 1_000_000),
    ("few bits", replace(terms("example"), quantiser=QuantiserTerms(7 * MICRO, 6)), 1_000_000),
    ("a rung", replace(terms("example"), bayesian=RUNGS), 1_000_000),
    ("appliances", terms("appliance", local_steps=2), 500_000),
    ("client", terms("client", local_steps=4), 500_000),
    ("correlated", terms("correlated", band_micro=(500_000, -250_000), separation=2), 1_000_000),
    ("features", terms("features", local_steps=2), 1_000_000),
]


def spec_of(learning: LearningTerms, density_ppm: int) -> TaskSpec:
    sparse = replace(learning, sparsity=replace(learning.sparsity, density_ppm=density_ppm))
    return replace(sample_spec(), model=WIDE, learning=sparse)


def sent_alone(spec: TaskSpec, number: int, repeats: int) -> npt.NDArray[np.float64]:
    """Updates without examples, shape (repeats, k)."""
    sent, found = choose_index_set(spec, number), []
    for repeat in range(repeats):
        seed = f"{repeat}".encode()
        secret = SeededRandomness(seed).draw("secret", 32)
        trainer = trainer_of(Ask(spec.learning, None, correlated_noise(secret)))
        start = np.zeros(dimension_of(WIDE), dtype=np.float32)
        asked = Assignment(start, spec.learning, sent, SeededRandomness(seed), "round")
        found.append(prepare_update(trainer, asked).values.astype(np.float64))
    return np.stack(found)


@pytest.mark.parametrize("number", [1, 4])
@pytest.mark.parametrize(("name", "learning", "density"), CASES, ids=[name for name, _, _ in CASES])
def test_the_noise_of_every_mechanism(name: str, learning: LearningTerms, density: int, number: int) -> None:
    spec = spec_of(learning, density)
    plan = plan_round(spec, DOMAIN, 1, number, {client_address(1): 2}, spec.initial_model)
    expected = update_noise(spec, plan)
    found = sent_alone(spec, number, 20)
    if learning.mechanism.kind == "features":
        assert not found.any()
        assert expected == plan.dimension // 6
        return
    squares = (found * found).sum(axis=1)
    deviation = np.sqrt(2 / found.size)  # of the mean of so many squared normal numbers, relative
    assert abs(squares.mean() / expected - 1) < 5 * deviation
    variance = noise_variance(learning, dimension_of(WIDE), plan.dimension, number)
    assert squares.max() < longest_sent(0, variance, plan.dimension) ** 2


def test_integers_that_are_sent_as_they_are_have_the_noise_of_their_grid() -> None:
    learning = with_terms(FINE, kind=DISTRIBUTED, noise_multiplier_micro=200_000)
    spec = spec_of(replace(learning, quantiser=QuantiserTerms(MICRO, 30)), 1_000_000)
    found = sent_alone(spec, 1, 20)
    assert abs((found / (1000 * 45)).std() / 0.2 - 1) < 5 / np.sqrt(2 * found.size)


def of_one_direction(count: int) -> Material:
    """Examples that are all alike, so all their gradients are."""
    inputs, labels = np.full((count, 500), 9, dtype=np.uint8), np.zeros(count, dtype=np.uint8)
    return Material(
        WIDE, Examples({"inputs": inputs, "labels": labels, OWNERS: np.arange(count)}), np.zeros(count, np.uint64)
    )


@pytest.mark.parametrize(("name", "learning", "density"), CASES, ids=[name for name, _, _ in CASES])
def test_no_household_s_update_is_longer_before_its_noise(name: str, learning: LearningTerms, density: int) -> None:
    """And one whose examples all pull in one direction is nearly so long, in a single step of all of them."""
    count = 12
    quiet = replace(with_terms(learning, noise_multiplier_micro=1), bayesian=BayesianTerms())
    spec = spec_of(quiet, density)
    material, sent = of_one_direction(count), choose_index_set(spec, 2)
    noise = correlated_noise(bytes(32))
    asked = Assignment(np.zeros(dimension_of(WIDE), np.float32), quiet, sent, SeededRandomness(b"one"), "round")
    values = prepare_update(trainer_of(Ask(quiet, material, noise)), asked).values
    length, most = np.sqrt(float(values @ values)), longest_of(spec, count)
    assert length <= most + np.sqrt(len(values))  # of rounding
    if name == "one step":
        assert length > 0.98 * most


def test_of_correlated_noise_a_round_has_what_no_later_one_took_back() -> None:
    learning = terms("correlated", band_micro=(500_000,))
    first, second, later = (noise_variance(learning, 2004, 2004, number) for number in (1, 2, 300))
    assert second / first == Fraction(5, 4)
    assert abs(later / first - Fraction(4, 3)) < Fraction(1, 10**9)


def test_bits_are_those_of_fractions() -> None:
    """No machine's floating point is in them."""
    spec = spec_of(terms("example", local_steps=3, sampling_rate_ppm=100_000), 333_333)
    step = Fraction(20) * Fraction(3, 10) * Fraction(17, 10) / (Fraction(1, 10) * 10)
    assert variance_of(spec) == 3 * (step / unit_of(FINE.quantiser)) ** 2 * Fraction(668, 2004)
    assert unit_of(FINE.quantiser) == Fraction(100, 32767)
    assert longest_update(terms("client"), 2004, 2004, 10**6) == -(-3 * 32767 // 1000)


def test_a_long_update_with_its_noise_is_hardly_ever_longer_than_said() -> None:
    generator = np.random.default_rng(3)
    clip, sent = 3000, 400
    update = np.full(sent, clip / np.sqrt(sent))
    lengths = np.sqrt(((update + 50 * generator.standard_normal((20_000, sent))) ** 2).sum(axis=1))
    said = longest_sent(clip, Fraction(2500), sent)
    assert lengths.max() < said < 1.1 * lengths.max()
