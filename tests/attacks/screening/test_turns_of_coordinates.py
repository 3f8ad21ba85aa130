"""Sybils that come in turn where coordinates take turns share no coordinate, so nobody can see that they are alike."""

from __future__ import annotations

import numpy as np
import pytest

from protocol.screening.foolsgold import foolsgold
from protocol.screening.norms import corrected_norms, noise_energy
from protocol.screening.sketch import ROWS

HONEST, SYBILS, DIMENSION, CLIP = 10, 10, 2_000, 200.0
ROUNDS = 60


def levels(density: float, in_turn: bool, noise: float) -> tuple[float, float]:
    """Mean level of honest clients, each with a direction of its own, and of sybils with one, after all rounds.

    ``noise``: length of one update's, in a dense round, against the clip; ``in_turn``: a sybil comes in each tenth
    round alone, honest clients always.
    """
    generator = np.random.default_rng(7)
    pulls = generator.standard_normal((HONEST + 1, DIMENSION))
    pulls *= CLIP / np.linalg.norm(pulls, axis=1)[:, None]
    count, order = round(DIMENSION * density), generator.permutation(DIMENSION)
    deviation = noise * CLIP * np.sqrt(density / DIMENSION)
    histories, counts = np.zeros((HONEST + SYBILS, DIMENSION)), [0] * (HONEST + SYBILS)
    for number in range(ROUNDS):
        sent = order[(number * count + np.arange(count)) % DIMENSION]
        for client in range(HONEST + SYBILS):
            if client < HONEST or not in_turn or number % 10 == client % 10:
                honest = pulls[min(client, HONEST)][sent]
                histories[client, sent] += np.rint(honest + deviation * generator.standard_normal(count))
                counts[client] += 1
    rows = generator.choice([-1.0, 1.0], (DIMENSION, ROWS)) / np.sqrt(ROWS / 4)  # four times a squared length, too
    sketched = histories @ rows
    gram = np.rint(sketched @ sketched.T).astype(np.int64)
    energy = noise_energy(count, round(deviation**2 * 1e6))
    found = foolsgold(gram, corrected_norms(gram.diagonal().tolist(), counts, energy, 1_000_000))
    return float(np.mean(found[:HONEST])), float(np.mean(found[HONEST:]))


@pytest.mark.parametrize("noise", [0.0, 3.0])
@pytest.mark.parametrize(("density", "in_turn"), [(1.0, False), (1.0, True), (0.1, False)])
def test_who_sends_all_coordinates_is_told_apart(density: float, in_turn: bool, noise: float) -> None:
    honest, sybils = levels(density, in_turn, noise)
    assert honest > 13 and sybils < 1


@pytest.mark.parametrize("noise", [0.0, 3.0])
def test_sybils_that_come_in_turn_at_a_tenth_of_the_coordinates_never_are(noise: float) -> None:
    """So a screened task is dense."""
    honest, sybils = levels(0.1, True, noise)
    assert min(honest, sybils) > 13
