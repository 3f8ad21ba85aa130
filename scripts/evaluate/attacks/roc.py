"""How well scores tell members from others: the curve of true against false positives, and numbers that sum it up."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Reals = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Curve:
    """``false`` and ``true``, shape (k,): rates at every threshold, from calling nobody a member to calling all one."""

    false: Reals
    true: Reals

    @classmethod
    def of(cls, scores: Reals, members: Flags) -> Curve:
        """Higher ``scores`` (n,) are for members. Equal ones are called alike. Raises ValueError without both kinds."""
        if members.all() or not members.any():
            raise ValueError("a curve needs members and others")
        order = np.argsort(-scores, kind="stable")
        ends = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)
        true, false = np.cumsum(members[order])[ends], np.cumsum(~members[order])[ends]
        return cls(np.append(0.0, false / false[-1]), np.append(0.0, true / true[-1]))

    @property
    def area(self) -> float:
        """The chance that a member scores above another: 0.5 is guessing."""
        return float(((self.true[1:] + self.true[:-1]) / 2.0 * np.diff(self.false)).sum())

    @property
    def balanced_accuracy(self) -> float:
        """At the best threshold."""
        return float(((1.0 + self.true - self.false) / 2.0).max())

    def true_at(self, false: float) -> float:
        """The share of members that is found where at most so many others are called members."""
        return float(self.true[self.false <= false].max())


def standard_error(scores: Reals, members: Flags) -> float:
    """Of the area: what chance alone moves it by (DeLong et al. 1988)."""
    ins, outs = scores[members], scores[~members]
    above = (ins[:, None] > outs[None]) + 0.5 * (ins[:, None] == outs[None])
    return float(np.sqrt(above.mean(axis=1).var() / len(ins) + above.mean(axis=0).var() / len(outs)))
