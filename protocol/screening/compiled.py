"""The loops of screening, compiled: the words of :class:`protocol.screening.arithmetic.Reference`, at speed."""

from __future__ import annotations

import numpy as np

from protocol.encryption.pad.encoding import Words
from protocol.encryption.port import Body
from protocol.screening import kernels
from protocol.screening.arithmetic import MODULUS, TABLE, Integers, Places


class Compiled:
    """``Loops``."""

    def spread(self, places: Places, values: Integers) -> Integers:
        table = np.zeros(TABLE, np.int64)
        kernels.spread(places, np.require(values, requirements=["C", "A", "W"]), table)
        return table

    def accumulate(self, total: Words, words: Words) -> None:
        kernels.accumulate(total, np.require(words, requirements=["C", "A"]), MODULUS)

    def absorb(self, body: Body, share: Words, weight: int, sum_key: Words) -> Words:
        update = np.empty_like(share)
        halves = np.require(np.frombuffer(body, "<u2"), requirements=["C", "A"])
        kernels.absorb(halves, share, weight, sum_key, update)
        return update
