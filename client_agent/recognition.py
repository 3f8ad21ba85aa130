"""Which appliance a trained model takes a plug for, from hours of its power. It is computed here; nothing is asked or
sent for it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from client_agent.data.intake.plugs import Purpose
from client_agent.data.intake.windows import SHAPES, Minutes, example_of
from client_agent.data.tracebase import TYPES
from protocol.messages.learning import ModelSpec
from protocol.model.evaluation import scores_of

Hours = npt.NDArray[np.float32]
Parameters = npt.NDArray[np.float32]

HOUR_SHAPE: Final = SHAPES[Purpose.TYPE_HOUR]
LEAST_HOURS: Final = 6  # of an appliance that was on; fewer are no ground for a word
SURE_SHARE: Final = 2 / 3  # of the hours that have to agree


@dataclass(frozen=True, slots=True)
class Guess:
    """``kind``: of TYPES; in so many hours it was the first choice."""

    kind: str
    hours: int


@dataclass(frozen=True, slots=True)
class Recognised:
    """``guesses``: most hours first. ``hours``: in which the appliance was on and nothing was missing."""

    guesses: tuple[Guess, ...]
    hours: int

    @property
    def first(self) -> Guess | None:
        return self.guesses[0] if self.guesses else None

    @property
    def second(self) -> Guess | None:
        return self.guesses[1] if len(self.guesses) > 1 else None

    @property
    def sure(self) -> bool:
        """In the sense that its hours agree; a model may be wrong in all of them."""
        return self.hours >= LEAST_HOURS and self.guesses[0].hours >= SURE_SHARE * self.hours

    def agrees(self, kind: str | None) -> bool | None:
        """With what the owner says; None where the owner says nothing that a model could say."""
        return None if kind not in TYPES or self.first is None else self.first.kind == kind


def names_appliances(model: ModelSpec) -> bool:
    """Whether it tells the types of appliances apart by an hour of power."""
    return model.input_shape == HOUR_SHAPE.inputs and model.classes == len(TYPES)


def hours_of(watts: Minutes) -> Hours:
    """Inputs (n, ...) of the whole hours of ``watts`` (3, minutes), without those with a gap or of no power."""
    minutes = HOUR_SHAPE.minutes
    pieces = (watts[:, start : start + minutes] for start in range(0, watts.shape[1] - minutes + 1, minutes))
    # the label is of no use here: any will do
    made = [made[0] for piece in pieces if (made := example_of(Purpose.TYPE_HOUR, piece, TYPES[0])) is not None]
    return np.stack(made).astype(np.float32) if made else np.zeros((0, *HOUR_SHAPE.inputs), dtype=np.float32)


def recognise(model: ModelSpec, parameters: Parameters, hours: Hours) -> Recognised:
    """By the layers' own arithmetic, as everybody evaluates the model. Of kinds that are as frequent the one with the
    larger scores comes first."""
    if not len(hours):
        return Recognised((), 0)
    scores = scores_of(model, parameters, hours)
    votes = Counter(scores.argmax(axis=0).tolist())
    mean = np.nan_to_num(scores.mean(axis=1))
    ranked = sorted(votes, key=lambda kind: (-votes[kind], -mean[kind], kind))
    return Recognised(tuple(Guess(TYPES[kind], votes[kind]) for kind in ranked), len(hours))
