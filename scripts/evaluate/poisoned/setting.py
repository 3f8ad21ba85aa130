"""What one run with attackers is: who takes part, against which defence, for how long."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Literal

from protocol.messages.screening_terms import ALIGNMENT, FOOLSGOLD, KRUM, ScreeningTerms
from scripts.evaluate.images import DataSet
from scripts.evaluate.poisoned.clients import Deal
from scripts.evaluate.poisoned.defences import Scale
from scripts.evaluate.poisoned.softmax import Step

Kind = Literal["screened", "screened, krum", "screened, alignment", "screened, foolsgold", "foolsgold", "krum", "mean"]
SUSPECTS_PPM: Final = 400_000
# of a task with noise: one update's length less its noise is not known better than up to the noise, and cosines are
# smaller by that
NOISY_COPY_PPM: Final = 300_000


@dataclass(frozen=True)
class Setting:
    """``screened`` is the product's verdict with the rule that is for the deal; ``probation``: its first rounds, which
    move no model."""

    dataset: DataSet
    deal: Deal
    honest: int
    attackers: int
    attack: str
    defence: Kind
    step: Step
    rounds: int
    probation: int

    @property
    def clients(self) -> int:
        return self.honest + self.attackers

    @property
    def rule(self) -> str:
        """Of the product's screening."""
        named = self.defence.partition(", ")[2]
        return named or (ALIGNMENT if self.deal == "alike" else FOOLSGOLD)


def screening_terms(setting: Setting, scale: Scale) -> ScreeningTerms:
    terms = replace(scale.terms(setting.rule), probation=setting.probation)
    if setting.rule == KRUM:
        terms = replace(terms, suspects_ppm=SUSPECTS_PPM)
    return replace(terms, copy_ppm=NOISY_COPY_PPM) if setting.step.noise else terms
