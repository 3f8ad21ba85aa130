"""``python -m scripts.evaluate.mechanism_costs``: what the same noise costs under each mechanism, as docs/privacy.md
has it. Nothing is trained: every figure follows from public terms."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

from protocol.messages.learning import MICRO, BayesianTerms, LearningTerms, MechanismTerms
from protocol.messages.task import PrivacyTerms
from protocol.privacy.figure import PrivacyFigure
from protocol.privacy.spending import spent
from scripts.demonstration.presets import mnist_terms

ROUNDS: Final = 200
NOISE: Final = MechanismTerms(1, 100_000, 200_000, 8_944_272)  # a tenth of the examples in each step
BUDGET: Final = PrivacyTerms(2**40, 5, "PLD/1")
RUNGS: Final = BayesianTerms(MICRO, 5, 100_000, (10 * MICRO, 12 * MICRO), 0, 100_000)
BAND: Final = (-500_000, -125_000, -62_500)

CASES: Final[tuple[tuple[str, dict[str, Any], BayesianTerms, str], ...]] = (
    ("each example by itself", {}, BayesianTerms(), "PLD/1"),
    ("the same by the older accountant", {}, BayesianTerms(), "RENYI/1"),
    ("all windows of an appliance, as one", {"unit": "appliance", "unit_examples": 8}, BayesianTerms(), "PLD/1"),
    ("with a choice among rungs of 10 and 12, for 0.1", {}, RUNGS, "PLD/1"),
    (
        "the sum of 10 honest clients of one weight",
        {"kind": "distributed", "honest_clients": 10},
        BayesianTerms(),
        "PLD/1",
    ),
    (
        "the same where weights are from 2 to 5",
        {"kind": "distributed", "honest_clients": 10, "least_weight_ppm": 400_000},
        BayesianTerms(),
        "PLD/1",
    ),
    ("a whole household", {"kind": "client", "unit": "household"}, BayesianTerms(), "PLD/1"),
    (
        "an example in every tenth round, noise taken back",
        {"kind": "correlated", "separation": 10, "band_micro": BAND, "sampling_rate_ppm": MICRO},
        BayesianTerms(),
        "PLD/1",
    ),
    (
        "paper B's feature noise, 10 for each",
        {"kind": "features", "noise_multiplier_micro": 100_000},
        BayesianTerms(),
        "PLD/1",
    ),
)


def figures(changes: dict[str, Any], bayesian: BayesianTerms, accountant: str) -> tuple[PrivacyFigure, ...]:
    """Of ROUNDS rounds; the one that is charged first."""
    mechanism = replace(NOISE, **changes)
    learning: LearningTerms = replace(mnist_terms()[1], mechanism=mechanism, bayesian=bayesian)
    return spent({mechanism: ROUNDS}, learning, replace(BUDGET, accountant=accountant)).figures


def lines() -> Iterator[str]:
    """A table in Markdown."""
    yield "| what is protected or sent | unit | epsilon at 1e-5 | own noise alone | accountant |"
    yield "| --- | --- | --- | --- | --- |"
    for what, changes, bayesian, accountant in CASES:
        charged, *own = figures(changes, bayesian, accountant)
        alone = own[0].decimal if own else "the same"
        yield f"| {what} | {charged.unit} | {charged.decimal} | {alone} | `{charged.accountant}` |"


if __name__ == "__main__":
    sys.stdout.writelines(f"{line}\n" for line in lines())
