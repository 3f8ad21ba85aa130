"""All examples of one appliance as one unit: mechanisms of unit ``appliance``.

A step takes an appliance or leaves it, takes the mean gradient of a bounded number of its windows, and clips it as one.
So a sum moves by the clip at most when an appliance comes or goes with everything that it ever measured.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from client_agent.privacy.clipping import clipped
from client_agent.training.dp_sgd import DpSgd
from client_agent.training.gradients import ClippedSum
from client_agent.training.plain_sums import PlainSums, plain_sum
from client_agent.training.sampling import Chosen, subset
from protocol.randomness import Randomness
from protocol.round.training import Assignment, Training
from protocol.sparse.grid import units_of_clip

Reals = npt.NDArray[np.float64]


class ApplianceSums:
    """``owners``: the appliance of each example, shape (n,). A unit is an appliance, in ascending order.

    ``most``: windows of one appliance in a step, which ``randomness`` draws. Of one training: a step is a call.
    """

    def __init__(
        self, gradients: PlainSums, owners: npt.NDArray[np.int64], most: int, randomness: Randomness, purpose: str
    ) -> None:
        self._gradients, self._most, self._randomness, self._purpose = gradients, most, randomness, purpose
        self._windows = [np.flatnonzero(owners == owner) for owner in np.unique(owners)]
        self._calls = 0

    def __len__(self) -> int:
        """Number of appliances."""
        return len(self._windows)

    def clipped_sum(self, point: Reals, sent: npt.NDArray[np.uint32], chosen: Chosen, clip: float) -> ClippedSum:
        """Over the appliances ``chosen``; the lengths are those of their mean gradients."""
        units, summed, norms = units_of_clip(len(sent)), np.zeros(len(sent), dtype=np.int64), [np.zeros(0)]
        for unit in chosen.tolist():
            purpose = f"{self._purpose}/windows/{self._calls}/{unit}"
            windows = subset(self._windows[unit], self._most, self._randomness, purpose)
            with np.errstate(over="ignore", invalid="ignore"):  # what overflows counts as zero
                mean = plain_sum(self._gradients, point, sent, windows) / len(windows)
                whole, lengths = clipped(mean[:, None], clip, units)
            summed += whole[:, 0].astype(np.int64)
            norms.append(lengths)
        self._calls += 1
        return ClippedSum(summed, np.concatenate(norms))


class ByAppliance:
    """DP-SGD whose units are appliances: a :class:`~protocol.round.training.Trainer`."""

    def __init__(self, gradients: PlainSums, owners: npt.NDArray[np.int64]) -> None:
        self._gradients, self._owners = gradients, owners

    def train(self, assignment: Assignment) -> Training:
        most = assignment.learning.mechanism.unit_examples
        sums = ApplianceSums(self._gradients, self._owners, most, assignment.randomness, assignment.purpose)
        return DpSgd(sums).train(assignment)
