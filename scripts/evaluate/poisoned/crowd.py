"""Everybody of a run with attackers, round by round: what they train on, and the real numbers that they would send."""

from __future__ import annotations

import numpy as np

from scripts.evaluate.poisoned.attackers import ATTACKS, Known
from scripts.evaluate.poisoned.clients import dealt, images
from scripts.evaluate.poisoned.setting import Setting
from scripts.evaluate.poisoned.softmax import CLASSES, Numbers, Reals, updates


class Crowd:
    """Honest clients come first in ``values``. ``order``: who has which address, dealt at random, since the verdict
    orders clients by address; ``honest``: who is, by address; ``generator``: of all draws of the run."""

    def __init__(self, setting: Setting, seed: int) -> None:
        self.setting, self._data, self._attack = setting, images(setting.dataset), ATTACKS[setting.attack]
        self.generator = np.random.Generator(np.random.PCG64([seed, 1]))
        deal = (self._data, setting.deal, setting.honest, setting.attackers)
        self._poisoned, self._usual = dealt(*deal, self._attack.lesson, seed), dealt(*deal, "honest", seed)
        self.dimension = CLASSES * self._data.pixels.shape[1]
        self.order: Numbers = self.generator.permutation(setting.clients)
        self.honest: Numbers = (self.order < setting.honest).astype(np.int64)
        directions = self.generator.standard_normal((setting.attackers, self.dimension))
        self._directions = directions / np.linalg.norm(directions, axis=1)[:, None]

    def first_model(self) -> Reals:
        return np.zeros((CLASSES, self._data.pixels.shape[1]))

    def values(self, number: int, weights: Reals, last_step: Reals) -> Reals:
        """Updates with their noise, shape (clients, d), for the model ``weights`` whose last step was ``last_step``."""
        setting, attack, first = self.setting, self._attack, self.setting.honest
        active = attack.active(number)
        batch = (self._poisoned if active else self._usual).batch(setting.step.batch, self.generator)
        values = updates(weights, self._data.pixels, *batch, setting.step)
        if active and setting.attackers:
            longest = setting.step.longest
            known = Known(number, values[first:], values[:first], longest, last_step, self._directions, self.generator)
            values[first:] = attack.change(known)
        noisy = setting.clients if attack.noise else first
        if setting.step.noise:
            drawn = self.generator.standard_normal((noisy, self.dimension), dtype=np.float32)
            values[:noisy] += setting.step.deviation * drawn
        return values
