"""The type of a figure of privacy. An epsilon without the rest of it says nothing, so nothing shows one alone."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from math import ceil
from typing import Annotated, Final

from protocol.errors import MalformedError
from protocol.identifiers import Range
from protocol.messages.learning import MICRO, ShortText

LAST_BITS: Final = 1e-12  # relative: more than two machines' logarithms differ by


class Adjacency(StrEnum):
    """What two data sets differ by."""

    ADD_OR_REMOVE_ONE = "add or remove one"
    DATA_OR_NONE = "its data or none"  # who takes part is public, and stays the same


class Unit(StrEnum):
    """What is protected: all that one of these contributes. The finest first."""

    COORDINATE = "feature coordinate"
    EXAMPLE = "example"
    APPLIANCE = "appliance"
    HOUSEHOLD = "household"

    @property
    def adjacency(self) -> Adjacency:
        return Adjacency.DATA_OR_NONE if self is Unit.HOUSEHOLD else Adjacency.ADD_OR_REMOVE_ONE


class Definition(StrEnum):
    """CLASSICAL holds for every unit that there could be. WEAK and STRONG (Triastcyn and Faltings 2020) hold for one
    that is drawn as the held-out ones were, and for no outlier. REPRODUCTION is what a paper calls an epsilon.

    WEAK bounds the probability of every outcome, up to delta; STRONG the loss itself, which is more with chance delta.
    """

    CLASSICAL = "classical"
    STRONG = "strong"
    WEAK = "weak"
    REPRODUCTION = "reproduction"


_NAMES: Final = {
    Definition.CLASSICAL: "differential privacy",
    Definition.STRONG: "strong Bayesian differential privacy",
    Definition.WEAK: "weak Bayesian differential privacy",
    Definition.REPRODUCTION: "NO guarantee, a reproduction of a paper:",
}


@dataclass(frozen=True, slots=True)
class PrivacyFigure:
    """An upper bound on what is revealed, with all that it depends on; ``str`` says all of it in one sentence.

    A canonical message too: texts are those of the enumerations above.
    """

    epsilon_micro: Annotated[int, Range(0, 2**63 - 1)]  # rounded up
    delta_exponent: Annotated[int, Range(3, 15)]  # delta = 10 ** -delta_exponent
    accountant: ShortText
    unit: ShortText = Unit.EXAMPLE
    definition: ShortText = Definition.CLASSICAL
    # whose noise counts: 1 is the client's own alone; more is that of so many clients together, each assumed to be
    # honest, where nobody sees more than their sum
    honest_clients: Annotated[int, Range(1, 2**32 - 1)] = 1
    indicative: Annotated[int, Range(0, 1)] = 0  # 1: estimated from so few examples that it is no claim
    adjacency: ShortText = Adjacency.ADD_OR_REMOVE_ONE

    def __post_init__(self) -> None:
        known = [(Unit, self.unit), (Definition, self.definition), (Adjacency, self.adjacency)]
        for words, word in known:
            if word not in list(words):
                raise MalformedError(f"a figure of privacy with {word!r:.40}, which is no {words.__name__.lower()}")

    def __str__(self) -> str:
        noise = (
            "this client's own noise alone"
            if self.honest_clients == 1
            else f"the noise of {self.honest_clients} clients together, all assumed to be honest"
        )
        doubt = "; indicative only, since too few are held out to estimate it" if self.indicative else ""
        return (
            f"{_NAMES[Definition(self.definition)]} of one {self.unit} ({self.adjacency})"
            f" with epsilon {self.decimal} at delta 1e-{self.delta_exponent},"
            f" computed by {self.accountant} from {noise}{doubt}"
        )

    @property
    def decimal(self) -> str:
        """Epsilon alone, for a table whose heading says the rest."""
        return f"{Decimal(self.epsilon_micro) / MICRO:f}"


@dataclass(frozen=True, slots=True)
class OpenedFigure:
    """A figure that stands although inner products of single updates are opened: they are functions of what each
    client sends, so they cost nothing more where its own noise alone is counted, and void what counts others' noise.

    Raises MalformedError for one that does.
    """

    figure: PrivacyFigure

    def __post_init__(self) -> None:
        if (clients := self.figure.honest_clients) > 1:
            raise MalformedError(
                f"the noise of {clients} clients together bounds nothing where inner products of single updates are"
                " opened"
            )


def millionths(epsilon: float) -> int:
    """Rounded up, as every figure is."""
    return ceil(epsilon * MICRO * (1.0 + LAST_BITS))
