"""Attackers on a model: what they train on, and what they make of their updates. Pure functions of what they know."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from scripts.evaluate.poisoned.softmax import Reals

Lesson = Literal["honest", "flipped", "shifted", "triggered"]  # what the examples are that they train on

PERIOD: Final = 10  # rounds of being honest, then as many of attacking
BOOST: Final = 10.0
PRIVATE: Final = 0.7  # length of what hides a direction, in updates' lengths


@dataclass(frozen=True)
class Known:
    """Before noise and rounding. ``own``: what the attackers' training gives, ``honest``: what everybody else's does;
    shapes (a, d) and (h, d). ``directions``: one of length 1 for each attacker, the same in every round."""

    number: int
    own: Reals
    honest: Reals
    longest: float  # length of the longest honest update
    last_step: Reals  # of the model, shape (d,)
    directions: Reals
    generator: np.random.Generator


@dataclass(frozen=True)
class Attack:
    """``change``: the updates that attackers send; ``active``: whether they attack in this round, else they are honest
    clients. ``noise``: they add the noise that honest clients add."""

    lesson: Lesson
    change: Callable[[Known], Reals]
    active: Callable[[int], bool] = lambda number: True
    noise: bool = True


def as_trained(known: Known) -> Reals:
    return known.own


def boosted(known: Known) -> Reals:
    return BOOST * known.own


def turned(known: Known) -> Reals:
    """The sign of each update."""
    return -known.own


def omniscient(known: Known) -> Reals:
    """All of them send the opposite of what the honest ones send in the mean, as long as an update may be."""
    mean = known.honest.mean(axis=0)
    return np.tile(-mean * (known.longest / _length(mean)), (len(known.own), 1))


def gaussian(known: Known) -> Reals:
    drawn = known.generator.standard_normal(known.own.shape)
    return _of_length(drawn, known.longest)


def with_own_noise(known: Known) -> Reals:
    """Most of each attacker's length is fresh noise, so that their updates are less alike in a round."""
    return _split(known, gaussian(known) / known.longest)


def with_private_direction(known: Known) -> Reals:
    """Most of each attacker's length is a direction of its own for ever, so that their histories are less alike."""
    return _split(known, known.directions)


def nothing(known: Known) -> Reals:
    return np.zeros_like(known.own)


def copied(known: Known) -> Reals:
    """The model's last step, as long as an update may be: what is public costs no work."""
    return np.tile(known.last_step * (known.longest / _length(known.last_step)), (len(known.own), 1))


def copied_as_it_is(known: Known) -> Reals:
    return np.tile(known.last_step, (len(known.own), 1))


def every_other_period(number: int) -> bool:
    return (number - 1) // PERIOD % 2 == 1


ATTACKS: Final[Mapping[str, Attack]] = {
    "none": Attack("honest", as_trained),
    "label flip": Attack("flipped", as_trained),
    "boosted": Attack("flipped", boosted),
    "sign flip": Attack("honest", turned),
    "omniscient": Attack("honest", omniscient),
    "gaussian": Attack("honest", gaussian),
    "shifted labels": Attack("shifted", as_trained),
    "backdoor": Attack("triggered", as_trained),
    "own noise": Attack("flipped", with_own_noise),
    "split": Attack("flipped", with_private_direction),
    "on and off": Attack("flipped", as_trained, every_other_period),
    "rider, zeros": Attack("honest", nothing, noise=False),
    "rider, noise": Attack("honest", nothing),
    "rider, copies": Attack("honest", copied),
    "rider, short copies": Attack("honest", copied_as_it_is),
}
RIDERS: Final = ("rider, zeros", "rider, noise", "rider, copies", "rider, short copies")


def _split(known: Known, private: Reals) -> Reals:
    """The poison and ``private`` of length 1 together, as long as an update may be: .7 of the length hides it."""
    return _of_length(np.sqrt(1 - PRIVATE**2) * _of_length(known.own, 1.0) + PRIVATE * private, known.longest)


def _of_length(vectors: Reals, length: float) -> Reals:
    scaled: Reals = vectors * (length / np.maximum(np.linalg.norm(vectors, axis=1), 1e-12))[:, None]
    return scaled


def _length(vector: Reals) -> float:
    return max(float(np.linalg.norm(vector)), 1e-12)
