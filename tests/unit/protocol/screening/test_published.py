"""The published forms give what their authors' code gives, and the integers what the published forms give."""

from __future__ import annotations

from decimal import ROUND_CEILING, Decimal, localcontext

import numpy as np
import numpy.typing as npt
import pytest

from protocol.errors import HearthError
from protocol.screening.foolsgold import ONE, THRESHOLDS, foolsgold
from protocol.screening.krum import krum_scores
from protocol.screening.published import (
    krum_resilience,
    published_foolsgold,
    published_krum_scores,
    published_multi_krum,
)

# histories and weights of the authors' released function
AUTHORS = (
    ([[1, 0, 0], [0, 1, 0], [0.2, 0.1, 1], [-1, -1, 0.5], [-1, -1, 0.5]], [1, 1, 1, 0, 0]),
    ([[1, 0, 0], [0, 1, 0], [0.6, 0.1, 1], [-1, -1, 0.5], [-1, -0.9, 0.6]], [0.4777, 1, 0.4777, 0, 0]),
)


@pytest.mark.parametrize(("histories", "weights"), AUTHORS)
def test_foolsgold_is_the_released_one(histories: list[list[float]], weights: list[float]) -> None:
    found = published_foolsgold(np.array(histories))
    assert found == pytest.approx(weights, abs=5e-5)
    whole = np.array([[round(10 * value) for value in row] for row in histories], np.int64)
    products = whole @ whole.T
    assert foolsgold(products, products.diagonal().tolist()) == [round(15 * weight) for weight in weights]


def test_thresholds_are_where_the_published_weight_rounds_up() -> None:
    with localcontext() as context:
        context.prec = 60
        for level, threshold in enumerate(THRESHOLDS, 1):
            x = ((Decimal(level) - Decimal("0.5")) / 15 - Decimal("0.5")).exp() - Decimal("1e-5")
            assert threshold == int((ONE * x / (1 + x)).to_integral_value(ROUND_CEILING))
    assert len(THRESHOLDS) == 15


def test_levels_follow_the_published_weights() -> None:
    """Over 200 crowds with sybils among them; a level differs where 15 times the weight is at a half alone."""
    rng, seen = np.random.default_rng(7), set()
    for _ in range(200):
        honest, sybils, d = int(rng.integers(2, 9)), int(rng.integers(0, 6)), int(rng.integers(2, 30))
        shared = rng.integers(-500, 501, d) + rng.integers(-60, 61, (sybils, d))
        histories = np.vstack([rng.integers(-500, 501, (honest, d)), shared])
        products = histories @ histories.T
        levels = foolsgold(products, products.diagonal().tolist())
        weights = 15 * published_foolsgold(histories.astype(np.float64))
        assert np.abs(weights - np.array(levels)).max() <= 0.5 + 1e-6
        seen |= set(levels)
    assert len(seen) == 16


def test_a_cosine_is_one_at_most_also_where_noise_made_lengths_too_short() -> None:
    """Two sybils with a cosine of 3 by their corrected lengths pardon a client beside them no more than others do."""
    gram = np.array([[100, 45, 0, 0], [45, 100, 300, 0], [0, 300, 100, 0], [0, 0, 0, 100]])
    assert foolsgold(gram, [100] * 4) == [15, 0, 0, 15]
    gram[0, 1] = gram[1, 0] = 80
    assert foolsgold(gram, [100] * 4) == [0, 0, 0, 15], "by a cosine of 3 it would be 15"


def test_equal_histories_and_empty_ones_have_no_weight() -> None:
    equal: npt.NDArray[np.int64] = np.ones((4, 3), np.int64)
    assert foolsgold(equal @ equal.T, [3] * 4) == [0] * 4
    assert published_foolsgold(equal.astype(np.float64)) == pytest.approx([0] * 4)
    assert foolsgold(np.zeros((2, 2), np.int64), [1, 1]) == [15, 15]
    assert foolsgold(np.zeros((0, 0), np.int64), []) == []


def test_krum_is_the_published_one() -> None:
    assert [round(krum_resilience(*case), 2) for case in ((20, 6), (10, 2), (7, 1))] == [14.42, 6.0, 4.24]
    assert krum_resilience(7, 1) == pytest.approx(4.243, abs=5e-4)
    updates = np.array([[0.0], [1.0], [2.0], [10.0], [-1.0]])
    # n = 5, f = 1: the two nearest of each
    assert published_krum_scores(updates, 1).tolist() == [2, 2, 5, 145, 5]
    assert published_multi_krum(updates, 1, 1).tolist() == [0], "the first of equal scores"
    assert published_multi_krum(updates, 1, 2).tolist() == [0.5]
    for byzantine, kept in ((2, 1), (1, 3), (1, 0), (-1, 1)):
        with pytest.raises(HearthError, match="E_PARAMS"):
            published_multi_krum(updates, byzantine, kept)


def test_scores_from_inner_products_are_the_published_ones() -> None:
    rng = np.random.default_rng(8)
    for n, f in ((3, 0), (8, 2), (20, 6)):
        updates = rng.integers(-300, 301, (n, 40))
        expected = published_krum_scores(updates.astype(np.float64), f)
        assert krum_scores(updates @ updates.T, f) == expected.tolist()
