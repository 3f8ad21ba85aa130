"""Servers, substitutes, phones and authorities under seeded faults: at least 2,000 operations, and the same again."""

from __future__ import annotations

import pytest

from tests.simulation.run import simulate

OPERATIONS, SEEDS = 500, (1, 2, 3, 4)


@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_is_lost_doubled_or_misplaced(seed: int) -> None:
    summary = simulate(seed, OPERATIONS)
    assert summary.operations >= OPERATIONS
    assert summary.rounds.get("published"), "a simulation in which no round is published shows nothing"
    assert sum(summary.faults.values()) > 50


def test_the_same_seed_does_the_same_whatever_the_parties_clocks_say() -> None:
    """An hour or a day off, in either direction, at every phone, server and authority."""
    assert simulate(9, 120) == simulate(9, 120, clocks_off=True)
