"""The two normalisations and their noise, and the small profile of ``hearth evaluate normalisation``."""

from __future__ import annotations

import json
from math import sqrt

import numpy as np
import pytest
import torch

from scripts.evaluate.evaluation import Report, Silent
from scripts.evaluate.normalisation import Normalisation
from scripts.evaluate.perturbed_features import Setting, _perturbed, normalised


def test_a_normalised_number_stays_within_its_bound_and_reaches_it() -> None:
    """All others alike is the worst case, by Cauchy and Schwarz."""
    generator = torch.Generator().manual_seed(1)
    features = torch.randn((16, 3, 7, 7), generator=generator) ** 3
    features[:, 0, 0, 0] = torch.eye(16)[3]
    values, mean, variance = normalised(features, "position")
    assert float(values.abs().max()) <= sqrt(15.0) + 1e-5
    assert float(values[3, 0, 0, 0]) == pytest.approx(sqrt(15.0), rel=1e-5)
    assert mean.shape == variance.shape == (1, 3, 7, 7)
    assert values.mean(dim=0).abs().max() < 1e-5
    features[:, 1] = 0.0
    features[5, 1, 2, 2] = 1.0
    values, mean, _ = normalised(features, "batch")
    assert float(values.max()) == pytest.approx(sqrt(16.0 * 49.0 - 1.0), rel=1e-4)
    assert mean.shape == (1, 3, 1, 1)


def test_what_does_not_vary_is_zero() -> None:
    values, _, _ = normalised(torch.full((8, 2, 7, 7), 4.0), "position")
    assert not values.any()


@pytest.mark.parametrize(("method", "expected"), [("position", 15.87), ("batch", 111.98)])
def test_the_scale_of_the_noise_is_the_papers(method: str, expected: float) -> None:
    setting = Setting(method, 1.0, 64, 1, 1)  # type: ignore[arg-type]
    assert setting.scale == pytest.approx(expected, abs=5e-3)
    assert Setting("position", None, 64, 1, 1).scale == 0.0


def test_noisy_numbers_are_laplace_and_of_variance_one() -> None:
    setting = Setting("position", 10.0, 64, 1, 1)
    noise = _perturbed(torch.zeros(400_000), setting, torch.Generator().manual_seed(1)).numpy()
    whole = 1.0 + 2.0 * setting.scale**2
    assert np.mean(np.abs(noise)) * sqrt(whole) == pytest.approx(setting.scale, rel=0.01)
    assert noise.var() == pytest.approx((whole - 1.0) / whole, rel=0.02)


@pytest.fixture(scope="module")
def report() -> Report:
    evaluation = Normalisation(None)
    results = {cell.key: json.loads(json.dumps(cell.run(Silent()))) for cell in evaluation.cells("small")}
    return evaluation.report("small", results)


def test_the_small_profile_meets_its_bars(report: Report) -> None:
    proposed, usual = report.rows
    assert proposed.target == ">= 55 %" and proposed.met
    assert usual.target == "<= 40 %" and usual.met
    assert float(proposed.value) > 2 * float(usual.value)


def test_it_says_what_its_epsilon_is_not(report: Report) -> None:
    assert "no guarantee" in report.notes[0]
    assert "39,200" in report.notes[0]


def test_the_full_profile_has_every_epsilon_for_both() -> None:
    keys = {cell.key for cell in Normalisation(None).cells("full")}
    assert {f"{method}.{e}.64.3" for method in ("position", "batch") for e in (1, 2, 4, 6, 8, 10, "none")} < keys
    assert {f"position.10.{batch}.1" for batch in (16, 32, 128, 256)} < keys
    assert len(Normalisation(1).cells("small")) == 2
