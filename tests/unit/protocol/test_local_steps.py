"""The best number of local steps for given estimates: reference values of the paper's released code and constants."""

from __future__ import annotations

from itertools import islice, pairwise

import pytest

from protocol.model.local_steps import Budget, Estimates, best_steps, drifts, loss_bound

PAPER = Budget(step=0.013015156, round=0.131604348, whole=15.0)


@pytest.mark.parametrize(
    ("divergence", "smoothness", "slope", "steps", "least"),
    [(1, 1, 1, 28, 5.8303), (0.1, 1, 1, 66, 4.4372), (5, 2, 3, 8, 11.7655), (0, 1, 1, 100, 3.8589)],
)
def test_reference_values(divergence: float, smoothness: float, slope: float, steps: int, least: float) -> None:
    estimates = Estimates(slope, smoothness, divergence, rate=0.01)
    assert best_steps(estimates, 0.025, PAPER, most=100) == steps
    bounds = [
        loss_bound(n, drift, estimates, 0.025, PAPER) for n, drift in enumerate(islice(drifts(estimates), 100), 1)
    ]
    assert bounds[steps - 1] == pytest.approx(least, abs=1e-4)
    assert bounds[0] == pytest.approx(38.9406, abs=1e-4)
    assert min(bounds) == bounds[steps - 1]


def test_one_step_drifts_nowhere_and_every_further_one_more() -> None:
    found = list(islice(drifts(Estimates(1.0, 2.0, 3.0, 0.1)), 5))
    assert found[0] == 0.0
    steps = [later - earlier for earlier, later in pairwise(found)]
    assert steps == sorted(steps)
    assert found[1] == pytest.approx(3.0 / 2.0 * (1.2**2 - 1.0) - 0.1 * 3.0 * 2)


def test_the_search_ends_at_the_most_that_is_allowed() -> None:
    assert best_steps(Estimates(1.0, 1.0, 1.0, 0.01), 0.025, PAPER, most=10) == 10
    assert best_steps(Estimates(1.0, 1.0, 1.0, 0.01), 0.025, PAPER, most=1) == 1


def test_a_cheap_round_wants_fewer_steps() -> None:
    estimates = Estimates(1.0, 1.0, 1.0, 0.01)
    cheap = Budget(step=0.1, round=0.001, whole=15.0)
    assert best_steps(estimates, 0.025, cheap, 100) < best_steps(estimates, 0.025, PAPER, 100)
