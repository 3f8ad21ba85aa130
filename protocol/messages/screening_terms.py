"""What a task says of screening: by which rule, with which bounds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final

from protocol.errors import SpecError
from protocol.identifiers import PartsPerMillion, Range
from protocol.messages.learning import ShortText

MAX_SCREENED: Final = 1000  # clients of a round: everybody's inner products with everybody are opened

# The rules by name.
NONE: Final = "none"  # the task is not screened
KRUM: Final = "krum"
FOOLSGOLD: Final = "foolsgold"
ALIGNMENT: Final = "alignment"
RULES: Final = (KRUM, FOOLSGOLD, ALIGNMENT)

# What becomes of a round that too few authorities can open.
CONTINUE: Final = "continue"  # its key is requested for everybody, late and with the same weights
ABANDON: Final = "abandon"


@dataclass(frozen=True, slots=True)
class ScreeningTerms:
    """Which rule screens a task, with which bounds; all integers are in units of quantised updates."""

    rule: ShortText = NONE
    norm_bound: Annotated[int, Range(0, 2**20)] = 0  # B: longest update of an honest client, noise included
    clip: Annotated[int, Range(0, 2**20)] = 0  # C: longest update before noise
    window: Annotated[int, Range(0, 10_000)] = 0  # R, even: rounds that a history remembers at most
    probation: Annotated[int, Range(0, 10_000)] = 3  # first rounds, which collect history and move no model
    suspects_ppm: Annotated[int, Range(0, 499_999)] = 300_000  # ``krum``: f, of the clients that are compared
    slack_ppm: Annotated[int, Range(0, 10_000_000)] = 500_000  # of the mean update's squared length in a history
    floor_ppm: Annotated[int, Range(1, 100_000_000)] = 1_000_000  # least corrected squared norm, of the noise's
    idle_ppm: PartsPerMillion = 50_000  # below this part of the median alignment, a client is idle
    copy_ppm: PartsPerMillion = 980_000  # |cosine| with a public vector from which on a client copies it
    unopened: ShortText = ABANDON  # or ``continue``

    @property
    def on(self) -> bool:
        """The task is screened."""
        return self.rule != NONE

    def __post_init__(self) -> None:
        if not self.on:
            if (self.norm_bound, self.clip, self.window) != (0, 0, 0):
                raise SpecError("screening.rule", f"is missing: one of {', '.join(RULES)}")
            return
        if self.rule not in RULES:
            raise SpecError("screening.rule", f"{self.rule!r} is none of {', '.join(RULES)}")
        for name in ("norm_bound", "clip"):
            if not getattr(self, name):
                raise SpecError(f"screening.{name}", "is missing")
        if self.window < 2 or self.window % 2:
            raise SpecError("screening.window", f"{self.window} rounds have no two halves")
        if 12 * (self.window * self.norm_bound) ** 2 >= 2**48 - 59:
            raise SpecError("screening.window", f"{self.window} rounds with norms up to {self.norm_bound} may wrap")
        if self.clip > self.norm_bound:
            raise SpecError("screening.clip", "is above the bound on norms, which counts the noise, too")
        if self.unopened not in (CONTINUE, ABANDON):
            raise SpecError("screening.unopened", f"{self.unopened!r} is neither {CONTINUE} nor {ABANDON}")


NO_SCREENING: Final = ScreeningTerms()
