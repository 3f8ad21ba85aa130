"""The port behind which a phone trains."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from protocol.messages.task import LearningTerms
from protocol.randomness import Randomness


class Trainer(Protocol):
    """Private training: parameters in, noisy difference out."""

    def delta(
        self, parameters: npt.NDArray[np.float32], learning: LearningTerms, randomness: Randomness, purpose: str
    ) -> npt.NDArray[np.float64]:
        """Parameters after minus before, shape (d,), with the plan's noise in every local step.

        ``purpose`` names this one training; it is never used twice with one source.
        """
        ...
