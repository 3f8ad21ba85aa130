"""What a phone keeps of a round for its owner's own figures: how long single examples' gradients were, step by step.

It is as secret as the data and never leaves the phone. Nothing that is sent depends on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load, save

from client_agent.privacy.bayesian import LEAST_HELD, Trajectory
from client_agent.privacy.moments import Release
from protocol.errors import MalformedError, Party
from protocol.identifiers import Count
from protocol.messages.learning import MICRO, LearningTerms
from protocol.messages.task import PrivacyTerms
from protocol.round.training import LENGTH_PARTS, NOBODY, Followed
from protocol.round.update import Update

_KINDS: Final = {"names": "u8", "lengths": "u2"}


@dataclass(frozen=True, slots=True)
class FollowedTerms:
    """``sampling_rate_ppm`` and ``noise_multiplier_micro``: of each step of a round, as they really were.

    ``target_micro``: the task's Bayesian epsilon, 0 for none; ``delta_exponent``: of it, or of the task's budget.
    ``selection_micro``: epsilon of the choice of this noise among ``rungs``; 0 where there was none, among one.
    """

    sampling_rate_ppm: Count
    noise_multiplier_micro: Count
    delta_exponent: Count
    target_micro: Count
    selection_micro: Count = 0
    rungs: Count = 1


@dataclass(frozen=True, slots=True, eq=False)
class FollowedRound:
    """One round's steps and the examples that were followed through them."""

    terms: FollowedTerms
    held_out: Followed
    trained: Followed = NOBODY

    @property
    def release(self) -> Release:
        """Of one step, in clips."""
        return Release(self.terms.sampling_rate_ppm / MICRO, 1.0, self.terms.noise_multiplier_micro / MICRO)

    @property
    def steps(self) -> int:
        return len(self.held_out.lengths)


def followed_in(update: Update, learning: LearningTerms, privacy: PrivacyTerms) -> FollowedRound | None:
    """What is kept of an update that was made with ``learning``; None where nobody asked for it."""
    bayesian = learning.bayesian
    target, selection = bayesian.epsilon_micro, bayesian.selection_epsilon_micro
    if not target and update.trained is NOBODY:
        return None
    terms = FollowedTerms(
        learning.mechanism.sampling_rate_ppm,
        learning.noise_multiplier_micro,
        bayesian.delta_exponent if target else privacy.delta_exponent,
        target,
        selection,
        len(bayesian.rungs_micro) if selection else 1,
    )
    return FollowedRound(terms, update.held_out, update.trained)


def encode_followed(held_out: Followed, trained: Followed) -> bytes:
    parts = {"held_out": held_out, "trained": trained}
    return save({f"{part}.{kind}": getattr(followed, kind) for part, followed in parts.items() for kind in _KINDS})


def decode_followed(data: bytes) -> tuple[Followed, Followed]:
    """Held-out and trained examples. Raises MalformedError."""
    try:
        arrays = load(data)
        held_out, trained = (
            Followed(*(arrays[f"{part}.{kind}"].astype(wanted, casting="equiv") for kind, wanted in _KINDS.items()))
            for part in ("held_out", "trained")
        )
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise MalformedError(f"not the lengths of a round: {error}", fault=Party.OURS) from error
    for followed in (held_out, trained):
        if followed.names.ndim != 1 or followed.lengths.shape[1:] != followed.names.shape:
            raise MalformedError("a round's lengths are not one for each name", fault=Party.OURS)
    return held_out, trained


def trajectory_of(rounds: Sequence[FollowedRound]) -> Trajectory | None:
    """Of the examples that were held out in every one of the rounds; None where they are too few for any estimate.

    One that came or went between two rounds is left out of all: whether it did has nothing to do with its lengths.
    """
    names = rounds[0].held_out.names if rounds else np.zeros(0, dtype=np.uint64)
    for one in rounds[1:]:
        names = names[np.isin(names, one.held_out.names)]
    if len(names) < LEAST_HELD:
        return None
    trajectory = Trajectory(len(names), max(one.terms.rungs for one in rounds))
    for one in rounds:
        places = places_of(names, one.held_out.names)
        for lengths in one.held_out.lengths:
            trajectory.add(lengths[places] / LENGTH_PARTS, one.release)
    return trajectory


def places_of(names: npt.NDArray[np.uint64], among: npt.NDArray[np.uint64]) -> npt.NDArray[np.int64]:
    """A place of each in ``among``, shape (names,); -1 for one that is not there."""
    if not len(among):
        return np.full(len(names), -1)
    order = np.argsort(among, kind="stable")
    near = order[np.minimum(np.searchsorted(among, names, sorter=order), len(among) - 1)]
    return np.where(among[near] == names, near, -1)
