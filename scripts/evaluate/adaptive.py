"""``hearth evaluate adaptive``: local steps that follow public numbers, against the best fixed number of a sweep.

The same budget for all: the paper's (Wang et al., JSAC 2019) costs of a step and of a round. Beside the rule of the
product stands the paper's own, whose clients report their gradients.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, Final

from scripts.evaluate.adaptive_run import CASES, PUBLIC, REPORTED, Setting, run
from scripts.evaluate.evaluation import Cell, Line, Plot, Profile, Report, Results, Row, Table, mean, percent

# of the public rule: the best of a few tries on these very cases, as the paper chose theirs; a budget needs its own
PHI: Final = {"full": 0.005, "small": 0.012}
PAPER_PHI: Final = 0.025  # theirs, for a support vector machine
TUNED_PHI: Final = 0.0003  # for their rule, the best of a search on other data
FULL_SWEEP: Final = (1, 3, 5, 10, 20, 50, 100)
SMALL_SWEEP: Final = (3, 10, 30)
SECONDS: Final = {"full": 15.0, "small": 1.5}
NAMES: Final = {
    "random": "dealt at random",
    "labels": "labels of its own for each",
    "half": "half of the labels each way",
}

NOTES: Final = (
    (
        "Full-batch gradient descent without noise, a linear model on digits, five clients; the loss is that of all"
        " training examples when the budget is spent. The product's own training, quantiser, sum and step."
    ),
    (
        "phi was chosen by a few tries on these cases, theirs for the reported rule too. It has the unit of an inverse"
        " squared distance, so another model or budget needs another one; it is a line of the task."
    ),
    (
        "Clients report nothing. Divergence is seen in the length of the summed update, the rest in the loss of the"
        " public test set; a first round with one step measures what length is to be expected."
    ),
    "With the noise of differential privacy the estimates are as noisy as the sums; that is not measured here.",
)


class Adaptive:
    name = "adaptive"

    def __init__(self, seeds: int | None = None) -> None:
        self._seeds = seeds or 1

    def cells(self, profile: Profile) -> Sequence[Cell]:
        return [
            Cell(f"{key}-{seed}", partial(run, setting, seed))
            for key, setting in _runs(profile).items()
            for seed in range(self._seeds)
        ]

    def report(self, profile: Profile, results: Results) -> Report:
        found = {key: [results[f"{key}-{seed}"] for seed in range(self._seeds)] for key in _runs(profile)}
        cases, sweep = _cases(profile), _sweep(profile)
        most = 0.02 if profile == "full" else 0.2
        rows = [_against_best(found, case, sweep, most) for case in cases]
        random, labels = (_steps(found[f"{case}-{PUBLIC}"]) for case in ("random", "labels"))
        told = f"{labels:.1f} against {random:.1f}"
        rows.append(
            Row("local steps, labels of its own against dealt at random", "fewer", "fewer", told, labels < random)
        )
        tables = tuple(_table(found, case, sweep) for case in cases)
        return Report("Adaptive local steps", tuple(rows), tables, (_plot(found, cases, sweep), _course(found)), NOTES)


Found = dict[str, list[Any]]


def _cases(profile: Profile) -> tuple[str, ...]:
    return CASES if profile == "full" else CASES[:2]


def _sweep(profile: Profile) -> tuple[int, ...]:
    return FULL_SWEEP if profile == "full" else SMALL_SWEEP


def _runs(profile: Profile) -> dict[str, Setting]:
    seconds, runs = SECONDS[profile], dict[str, Setting]()
    for case in _cases(profile):
        runs[f"{case}-{PUBLIC}"] = Setting(case, seconds, by=PUBLIC, phi=PHI[profile])
        runs |= {f"{case}-{steps}": Setting(case, seconds, steps) for steps in _sweep(profile)}
        if profile == "full":
            runs[f"{case}-{REPORTED}"] = Setting(case, seconds, by=REPORTED, phi=PAPER_PHI)
            runs[f"{case}-{REPORTED}-tuned"] = Setting(case, seconds, by=REPORTED, phi=TUNED_PHI)
    return runs


def _loss(found: Sequence[Any]) -> float:
    return mean([one["loss"] for one in found])


def _steps(found: Sequence[Any]) -> float:
    return mean([mean(one["steps"]) for one in found])


def _best(found: Found, case: str, sweep: Sequence[int]) -> int:
    return min(sweep, key=lambda steps: _loss(found[f"{case}-{steps}"]))


def _against_best(found: Found, case: str, sweep: Sequence[int], most: float) -> Row:
    best = _best(found, case, sweep)
    excess = _loss(found[f"{case}-{PUBLIC}"]) / _loss(found[f"{case}-{best}"]) - 1.0
    what = f"{NAMES[case]}: loss above that of the best fixed number, {best}"
    return Row(what, "close", f"<= {percent(most, 0)}", percent(excess), excess <= most)


def _table(found: Found, case: str, sweep: Sequence[int]) -> Table:
    least = _loss(found[f"{case}-{_best(found, case, sweep)}"])
    labels = {f"{case}-{steps}": f"fixed, {steps}" for steps in sweep}
    labels |= {f"{case}-{PUBLIC}": "public", f"{case}-{REPORTED}": "reported"}
    labels[f"{case}-{REPORTED}-tuned"] = "reported"
    rows = [
        (
            f"{label}, phi {found[key][0]['phi']:g}" if found[key][0]["phi"] else label,
            f"{_loss(found[key]):.4f}",
            percent(_loss(found[key]) / least - 1.0),
            f"{mean([one['test'] for one in found[key]]):.4f}",
            f"{_steps(found[key]):.1f}",
            str(len(found[key][0]["steps"])),
        )
        for key, label in labels.items()
        if key in found
    ]
    headings = ("local steps", "loss", "above the best fixed", "loss on the test set", "mean steps", "rounds")
    return Table(NAMES[case], headings, tuple(rows))


def _plot(found: Found, cases: Sequence[str], sweep: Sequence[int]) -> Plot:
    lines = []
    for case in cases:
        losses = tuple(_loss(found[f"{case}-{steps}"]) for steps in sweep)
        lines.append(Line(f"{NAMES[case]}, fixed", tuple(float(steps) for steps in sweep), losses))
        adapted = found[f"{case}-{PUBLIC}"]
        lines.append(Line(f"{NAMES[case]}, adapted", (_steps(adapted),), (_loss(adapted),)))
    return Plot("loss", "Loss when the budget is spent", "local steps, mean", "loss", tuple(lines), logarithmic=True)


def _course(found: Found) -> Plot:
    lines = []
    for key, runs in found.items():
        if key.endswith(PUBLIC):
            steps = tuple(float(number) for number in runs[0]["steps"])
            rounds = tuple(float(number) for number in range(1, len(steps) + 1))
            lines.append(Line(NAMES[key.removesuffix(f"-{PUBLIC}")], rounds, steps))
    return Plot("steps", "Local steps as they are adapted", "round", "local steps", tuple(lines))
