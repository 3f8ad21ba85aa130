"""Households that choose their rung of noise, each with one canary by a coin of its own, for ``example``.

A canary that is trained on shows in the update. One that is held out does not: it moves the chances of the rung that
the household chooses. Whoever guesses knows which of the two it would be, all other examples, and the rung.
"""

from __future__ import annotations

from functools import lru_cache
from math import log
from typing import Final

import numpy as np
import numpy.typing as npt

from client_agent.data.datasets import load_digits
from client_agent.privacy.held_out import SECRET_BYTES, Coins
from client_agent.privacy.selection import DRAW_BYTES, chances, chosen, kept_within
from client_agent.training.gradients import Gradients
from client_agent.training.trainers import HouseholdTrainer
from protocol.messages.learning import MICRO, Layer, LearningTerms, ModelSpec
from protocol.model.dataset import Examples
from protocol.model.initialization import initial_parameters
from protocol.randomness import SeededRandomness
from protocol.round.training import Assignment
from protocol.round.update import prepare_update
from protocol.sparse.grid import clip_of, divisor_of, units_of_clip
from protocol.sparse.index_set import everything
from protocol.sparse.quantization import meaning
from scripts.evaluate.attacks.canaries import CLASSES, PIXELS, STRENGTH, WHITE, coins
from scripts.evaluate.learning import Fixed

Reals = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

DIGITS: Final = 6  # of a household, beside its canary
EVERYBODY: Final = DIGITS + 1
MODEL: Final = ModelSpec((PIXELS + 1,), CLASSES, (Layer("linear", {"outputs": CLASSES, "bias": 0}),))
START: Final = initial_parameters(MODEL)


def rung_scores(learning: LearningTerms, households: int, seed: int) -> tuple[Reals, Flags]:
    """Of each household's canary in one round, shape (n,): how much likelier it makes what is seen, as a logarithm;
    and whether it is there. Without rungs nothing is held out, and nothing chosen."""
    images, labels = load_digits()[0].labelled()
    generator, included = np.random.Generator(np.random.PCG64(seed)), coins(households, seed)
    source, found = SeededRandomness(seed.to_bytes(8, "big")), np.zeros(households)
    for one in range(households):
        own, some = source.fork(f"household {one}"), generator.permutation(len(labels))[:DIGITS]
        rows = np.zeros((EVERYBODY, PIXELS + 1), dtype=np.float32)
        rows[:DIGITS, :PIXELS] = images[some].reshape(DIGITS, PIXELS) / WHITE
        rows[DIGITS, PIXELS] = STRENGTH
        together = Examples({"inputs": rows, "labels": np.append(labels[some], 0).astype(np.uint8)})
        found[one] = _score(learning, together, bool(included[one]), own)
    return found, included


def _score(learning: LearningTerms, together: Examples, there: bool, own: SeededRandomness) -> float:
    """``together``: the canary is last."""
    secret = Coins(lambda: own.draw("secret", SECRET_BYTES))
    trainers = [
        HouseholdTrainer(MODEL, Fixed(together.take(np.arange(count))), EVERYBODY, print, secret)
        for count in (DIGITS, EVERYBODY)
    ]
    likelier = 0.0
    if learning.bayesian.rungs_micro:
        odds = [_odds(trainer, learning) for trainer in trainers]
        rung = chosen(odds[there], own.draw("rung", DRAW_BYTES))
        learning, likelier = learning.on_rung(rung), log(odds[True][rung] / odds[False][rung])
    if secret.held_out(together, learning.bayesian.held_out_ppm)[DIGITS]:
        return likelier
    sent = everything(len(START))
    clip, units = clip_of(learning.mechanism, sent), units_of_clip(len(START))
    update = prepare_update(trainers[there], Assignment(START, learning, sent, own, "round 1"))
    rate = learning.optimiser.learning_rate_micro / MICRO / divisor_of(learning)
    canary = Gradients(MODEL, *together.take(np.array([DIGITS])).labelled())
    columns, _ = canary.clipped(START.astype(np.float64), sent.indices, np.zeros(1, dtype=np.int64), clip)
    pulled, seen = columns[:, 0] * (clip / units), -meaning(update.values, learning, sent) / rate
    variance = (learning.noise_multiplier_micro / MICRO * clip) ** 2 or 1.0
    return float(pulled @ (seen - pulled / 2.0)) / variance  # no digit has anything at the canary's pixel


def _odds(trainer: HouseholdTrainer, learning: LearningTerms) -> tuple[int, ...]:
    """As :class:`~client_agent.rung.Rung` has them, of a task of one round."""
    return _odds_of(tuple(sorted(trainer.held_out_lengths(START, learning).tolist())), learning)


@lru_cache(maxsize=1024)
def _odds_of(lengths: tuple[int, ...], learning: LearningTerms) -> tuple[int, ...]:
    within = kept_within(np.array(lengths, dtype=np.uint16), learning, learning.mechanism.local_steps)
    return chances(within, len(lengths), learning.bayesian.selection_epsilon_micro)
