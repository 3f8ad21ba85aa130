"""DP-SGD: Poisson sampling, per-example clipping, noise in every step (Abadi et al. 2016).

Each gradient is cut down to the coordinates that are sent before it is clipped: only those cost noise. Held-out
examples are looked at in every step and enter nothing, so that what a step would cost one like them is known.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import sqrt
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from client_agent.privacy.clipping import units_of_clip
from client_agent.privacy.noise import rounded_gaussian
from client_agent.training.evidence import evidence_of
from client_agent.training.gradients import ClippedSum
from client_agent.training.sampling import Chosen, sampled
from protocol.messages.learning import MICRO
from protocol.model.layout import within_bound
from protocol.round.training import LENGTH_PARTS, NOBODY, Assignment, Followed, StepEvidence, Training
from protocol.sparse.index_set import IndexSet

Lengths = npt.NDArray[np.uint16]
_MARGIN: Final = 2.0**-40  # more than a length and its share of the clip are rounded by


class Sums(Protocol):
    """Sums of clipped gradients of one household's examples; :class:`~client_agent.training.gradients.Gradients`."""

    def __len__(self) -> int: ...

    def clipped_sum(
        self, point: npt.NDArray[np.float64], sent: npt.NDArray[np.uint32], chosen: Chosen, clip: float
    ) -> ClippedSum: ...


class NoExamples:
    """Of a household that has none, or may not use them: the noise stays."""

    def __len__(self) -> int:
        return 0

    def clipped_sum(
        self, point: npt.NDArray[np.float64], sent: npt.NDArray[np.uint32], chosen: Chosen, clip: float
    ) -> ClippedSum:
        return ClippedSum(np.zeros(len(sent), dtype=np.int64), np.zeros(0))


class Admission(Protocol):
    """The port of an individual accountant: which examples have enough of their own budgets left for a step."""

    @property
    def names(self) -> npt.NDArray[np.uint64]:
        """One for each of the trained examples, in their order."""
        ...

    def admit(self, lengths: Lengths) -> npt.NDArray[np.bool_]:
        """Charges one step and says who may be in it, shape (n,). ``lengths`` (n,): in LENGTH_PARTS of the clip."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Named:
    """Examples with a name for each; only those that are alike share one."""

    names: npt.NDArray[np.uint64]
    gradients: Sums


NONE_HELD_OUT: Final = Named(np.zeros(0, dtype=np.uint64), NoExamples())


class DpSgd:
    """A :class:`~protocol.round.training.Trainer` on given gradients.

    The public bound on parameters holds for every step: cutting at it is post-processing of noisy numbers.
    """

    def __init__(self, gradients: Sums, held_out: Named = NONE_HELD_OUT, admission: Admission | None = None) -> None:
        """``admission``: for the steps of one training; None where no example has a budget of its own."""
        self._gradients, self._held_out, self._admission = gradients, held_out, admission

    def train(self, assignment: Assignment) -> Training:
        learning, sent, randomness = assignment.learning, assignment.sent, assignment.randomness
        mechanism, optimiser, count = learning.mechanism, learning.optimiser, len(sent.indices)
        # a gradient that is cut down to a share of its coordinates is shorter, and noise is added to the share alone
        clip, rate = mechanism.clip_micro / MICRO * sqrt(sent.share), optimiser.learning_rate_micro / MICRO
        units = units_of_clip(count)
        std = Fraction(learning.noise_multiplier_micro * units, MICRO)
        rate_ppm = mechanism.sampling_rate_ppm
        public_count = rate_ppm / MICRO * optimiser.reference_count  # never this household's own
        start = assignment.parameters.astype(np.float64)
        current, evidence = start.copy(), list[StepEvidence]()
        held_out, trained = list[Lengths](), list[Lengths]()
        for step in range(mechanism.local_steps):
            chosen = sampled(len(self._gradients), rate_ppm, randomness, f"{assignment.purpose}/sample/{step}")
            held_out.append(lengths_of(self._held_out.gradients, current, sent, clip))
            if self._admission is not None:
                charged = charge(self._admission, lengths_of(self._gradients, current, sent, clip))
                trained.append(charged)
                chosen = chosen[charged[chosen] > 0]
            clipped = self._gradients.clipped_sum(current, sent.indices, chosen, clip)
            noise = rounded_gaussian(std, count, randomness.draw, f"{assignment.purpose}/noise/{step}")
            noisy = (clipped.total + noise) * (clip / units)
            current[sent.indices] = within_bound(current[sent.indices] - rate * noisy / public_count)
            evidence.append(evidence_of(clipped.norms, clip))
        return Training(
            (current - start)[sent.indices],
            tuple(evidence),
            Followed(self._held_out.names, np.stack(held_out)),
            NOBODY if self._admission is None else Followed(self._admission.names, np.stack(trained)),
        )


def charge(admission: Admission, lengths: Lengths) -> Lengths:
    """What each example pays for one step, shape (n,): its length, one part at least; 0 where it may not be in it."""
    paid = np.maximum(lengths, np.uint16(1))
    return np.where(admission.admit(paid), paid, np.uint16(0))


def lengths_of(gradients: Sums, point: npt.NDArray[np.float64], sent: IndexSet, clip: float) -> Lengths:
    """Of each example's clipped gradient at the coordinates ``sent``, shape (n,), in LENGTH_PARTS of ``clip``.

    Rounded up: what it adds to a sum is a vector of integers that is no longer.
    """
    norms = gradients.clipped_sum(point, sent.indices, np.arange(len(gradients)), clip).norms
    parts = np.ceil(norms * (LENGTH_PARTS / clip * (1.0 + _MARGIN)))
    return np.minimum(parts, LENGTH_PARTS).astype(np.uint16)
