"""The charge of private training: figures of privacy with all that they stand on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from protocol.identifiers import Count, Range
from protocol.messages.learning import MICRO, MechanismTerms, ShortText
from protocol.privacy.figure import PrivacyFigure


@dataclass(frozen=True, slots=True)
class RoundsOf:
    """How many rounds of one mechanism."""

    mechanism: MechanismTerms
    rounds: Count


@dataclass(frozen=True, slots=True)
class Charge:
    """What rounds have spent together. ``figure`` is what a budget is held against, and no private number is in it."""

    parts: Annotated[tuple[RoundsOf, ...], Range(1, 10_000)]  # ascending by local steps
    figure: PrivacyFigure
    own: Annotated[tuple[PrivacyFigure, ...], Range(0, 1)]  # where others' noise counts in it: from this client's alone
    assumptions: Annotated[tuple[ShortText, ...], Range(1, 16)]  # each completes "the figure ..."

    @property
    def rounds(self) -> int:
        return sum(part.rounds for part in self.parts)

    @property
    def compositions(self) -> int:
        """Every local step of every round is one."""
        return sum(part.rounds * part.mechanism.local_steps for part in self.parts)

    @property
    def figures(self) -> tuple[PrivacyFigure, ...]:
        """All of them, the one that counts first."""
        return (self.figure, *self.own)

    @property
    def epsilon_micro(self) -> int:
        """What is compared, under the charge's delta."""
        return self.figure.epsilon_micro

    @property
    def epsilon(self) -> float:
        """For plots; people read ``figure``."""
        return self.figure.epsilon_micro / MICRO
