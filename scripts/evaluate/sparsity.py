"""``hearth evaluate sparsity``: what is lost when a round sends a part of the coordinates, with noise and without.

Every loss is against dense rounds of the same seeds: the mean of what each seed loses. ADR 53 tells the rule and the
two that were rejected, which stand beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import isfinite
from typing import Any, Final

from scripts.evaluate.evaluation import (
    Cell,
    Line,
    Plot,
    Profile,
    Report,
    Results,
    Row,
    Table,
    deviation,
    mean,
    percent,
)
from scripts.evaluate.sparse_run import Setting, at_round, run

Run = tuple[str, Setting]  # name of a setting
HEADINGS: Final = ("run", "sent", "epsilon, own noise, PLD at 1e-5", "seeds", "accuracy", "each", "mean of last half")


@dataclass(frozen=True)
class Loss:
    """A row of targets: the loss of ``sparse`` against ``dense`` after ``rounds``, at most ``most`` points."""

    what: str
    sparse: str
    dense: str
    rounds: int
    most: float


def _tenth(dense: Setting) -> Setting:
    """A tenth is sent, and the server makes up for the rest."""
    return replace(dense, density=0.1, between=True)


# several local steps take what makes up for the rest into their own rate, one leaves it to the server
_NOISE: Final = Setting("mnist", True, 20, 10, 0.1, 0.2, 200.0, 6.0)
_ONE: Final = replace(_NOISE, rounds=200, local_steps=1)
_QUIET: Final = Setting("mnist", False, 60, 12, 64 / 6_000, 16.0, 0.3, 0.0, bound=4.0)
_MANY: Final = Setting("digits", True, 100, 1, 1.0, 0.3, 100.0, 6.0, clients=200, each=144, cohort=10)
_UNEVEN: Final = replace(_QUIET, rounds=30, alpha=0.3)

FULL: Final[tuple[Run, ...]] = (
    ("noise-100", _NOISE),
    ("noise-25", replace(_NOISE, density=0.25, factor=4.0)),
    ("noise-10", replace(_NOISE, density=0.1, factor=6.0)),
    ("noise-5", replace(_NOISE, density=0.05, factor=8.0)),
    ("many-100", _MANY),
    ("many-10", _tenth(_MANY)),
    ("quiet-100", _QUIET),
    ("quiet-10", _tenth(_QUIET)),
    ("quiet-5", replace(_QUIET, rounds=30, density=0.05, between=True)),
    ("uneven-100", _UNEVEN),
    ("uneven-10", _tenth(_UNEVEN)),
    ("dropping-10", replace(_tenth(_QUIET), rounds=30, dropped=0.2)),
    ("noise-half-10", replace(_NOISE, density=0.1, rule="half")),
    ("noise-fading-10", replace(_NOISE, density=0.1, rule="fading")),
    ("many-fading-10", replace(_MANY, density=0.1, rule="fading")),
    ("one-100", _ONE),
    ("one-10", _tenth(_ONE)),
)
FULL_LOSSES: Final = (
    Loss("sparse 10 %, 30 rounds, no noise, CNN", "quiet-10", "quiet-100", 30, 0.6),
    Loss("sparse 10 %, 60 rounds, no noise, CNN", "quiet-10", "quiet-100", 60, 0.4),
    Loss("sparse 5 %, 30 rounds, no noise, CNN", "quiet-5", "quiet-100", 30, 2.0),
    Loss("sparse 25 % with DP noise, MNIST", "noise-25", "noise-100", 20, 0.2),
    Loss("sparse 10 % with DP noise, MNIST", "noise-10", "noise-100", 20, 0.6),
    Loss("sparse 5 % with DP noise, MNIST", "noise-5", "noise-100", 20, 1.5),
    Loss("sparse 10 % with DP noise, ten of two hundred, digits", "many-10", "many-100", 100, 0.8),
    Loss("sparse 10 %, Dirichlet 0.3, CNN", "uneven-10", "uneven-100", 30, 0.8),
    Loss("sparse 10 %, 20 % dropping out, CNN, against dense without", "dropping-10", "quiet-100", 30, 0.8),
)
SEEDS: Final = {"many-100": 8, "many-10": 8, "many-fading-10": 8, "one-100": 1, "one-10": 1}  # others 3

_FEW: Final = Setting("digits", True, 30, 1, 1.0, 0.3, 120.0, 2.0)
_SMALL_QUIET: Final = Setting("digits", False, 30, 4, 0.3, 16.0, 0.3, 0.0, bound=4.0)
SMALL: Final[tuple[Run, ...]] = (
    ("few-100", _FEW),
    ("few-25", replace(_FEW, density=0.25, between=True)),
    ("few-10", _tenth(_FEW)),
    ("few-half-10", replace(_FEW, density=0.1, rule="half")),
    ("small-quiet-100", _SMALL_QUIET),
    ("small-quiet-25", replace(_SMALL_QUIET, density=0.25, between=True)),
)
SMALL_LOSSES: Final = (
    Loss("sparse 25 % with DP noise, digits (small)", "few-25", "few-100", 30, 2.0),
    Loss("sparse 10 % with DP noise, digits (small)", "few-10", "few-100", 30, 3.0),
    Loss("sparse 25 %, no noise, small CNN, digits (small)", "small-quiet-25", "small-quiet-100", 30, 4.0),
)

NOTES: Final = (
    ("Coordinates take turns in a public order, and each example's gradient is cut down to what is sent before it is"
    " clipped: the epsilon is that of the dense steps, and a phone keeps nothing."
    " Learning rates and scales were picked on the test accuracy of one seed."),
    ("Runs without noise are of the mechanism client with a clip that nothing reaches: local steps move all"
     " coordinates, and of the update those are sent whose turn it is."),
    ("half: half of the sent coordinates are those with the largest last sums, the others are drawn, with a residual on"
    " the phone. fading: turns, noise on all coordinates, a residual of which 0.8 is left after a round. Both were"
    " rejected (ADR 53)."),
    ("Digits: each of 200 clients has 144 of the 1,437 training images, so clients share images; a household that is"
    " in every round would spend the epsilon that is shown."),
)  # fmt: skip


class Sparsity:
    name = "sparsity"

    def __init__(self, seeds: int | None = None) -> None:
        self._seeds = seeds

    def cells(self, profile: Profile) -> Sequence[Cell]:
        """Seed by seed, so that a run that is ended early has something of everything."""
        runs = _runs(profile)
        rounds = range(max(self._count(profile, name) for name, _ in runs))
        return [
            Cell(f"{name}-{seed}", partial(run, setting, seed))
            for seed in rounds
            for name, setting in runs
            if seed < self._count(profile, name)
        ]

    def report(self, profile: Profile, results: Results) -> Report:
        found = {
            name: [results[f"{name}-{seed}"] for seed in range(self._count(profile, name))]
            for name, _ in _runs(profile)
        }
        losses = SMALL_LOSSES if profile == "small" else FULL_LOSSES
        bar = "<= 3 points"
        rows = tuple(_row(loss, found, bar if "CNN" in loss.what or "MNIST" in loss.what else "-") for loss in losses)
        tables = (_accuracies(_runs(profile), found),)
        return Report("Sparse updates against dense ones", rows, tables, _plots(found), NOTES)

    def _count(self, profile: Profile, name: str) -> int:
        return self._seeds or (2 if profile == "small" else SEEDS.get(name, 3))


Found = dict[str, list[Any]]


def _runs(profile: Profile) -> tuple[Run, ...]:
    return SMALL if profile == "small" else FULL


def _row(loss: Loss, found: Found, bar: str) -> Row:
    pairs = zip(found[loss.sparse], found[loss.dense], strict=False)
    points = [100.0 * (at_round(dense, loss.rounds) - at_round(sparse, loss.rounds)) for sparse, dense in pairs]
    value = mean(points)
    what = f"{loss.what}, {len(points)} seeds"
    return Row(what, bar, f"<= {loss.most} points", round(value, 2), value <= loss.most)


def _accuracies(runs: Sequence[Run], found: Found) -> Table:
    rows = []
    for name, setting in runs:
        last, epsilon = [one["last"] for one in found[name]], setting.epsilon()
        rows.append((
            f"{name}, {setting.rounds} x {setting.local_steps}",
            f"{found[name][0]['sent']:,} of {found[name][0]['parameters']:,}",
            f"{epsilon:.2f}" if isfinite(epsilon) else "no noise",
            str(len(last)),
            f"{percent(mean(last))} +- {percent(deviation(last))}",
            ", ".join(f"{100 * one:.2f}" for one in last),
            percent(mean([one["averaged"] for one in found[name]])),
        ))  # fmt: skip
    return Table("Accuracy on the test set; rounds x local steps", HEADINGS, tuple(rows))


def _plots(found: Found) -> tuple[Plot, ...]:
    plots = []
    for group in dict.fromkeys(name.partition("-")[0] for name in found):
        lines = []
        for name, runs in found.items():
            if name.partition("-")[0] == group:
                shares = [[one["curve"][place][1] for one in runs] for place in range(len(runs[0]["curve"]))]
                rounds = tuple(float(number) for number, _ in runs[0]["curve"])
                lines.append(Line(name, rounds, tuple(map(mean, shares)), tuple(map(deviation, shares))))
        plots.append(Plot(f"accuracy-{group}", f"Accuracy, {group}", "round", "share of right answers", tuple(lines)))
    return tuple(plots)
