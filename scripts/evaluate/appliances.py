"""``hearth evaluate appliances``: the type of an appliance from its power, learned by households, asked of appliances
that none of them has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from client_agent.data.appliance_split import FOLDS
from scripts.evaluate.appliance_noise import Crowd, simulated
from scripts.evaluate.appliance_run import HOUSEHOLDS, centralised, federated, fold_of, learning_of, model_of
from scripts.evaluate.evaluation import (
    Cell,
    Line,
    Plot,
    Profile,
    Progress,
    Report,
    Results,
    Row,
    Table,
    deviation,
    mean,
    percent,
)

FIGURES: Final = ("day", "day balanced", "window", "window balanced")
NOISES: Final = (2.0, 4.0, 8.0, 16.0)  # multipliers of a household's own noise
CROWDS: Final = (1_000, 10_000)
_NOTES: Final = (
    ("An appliance is a type and a plug. A fold's appliances are in no household, and all of a plug are in one."
     " A day is judged by the mean log probability of its windows of four hours."),
    ("One local step a round on eight windows of each appliance, Adam on the server, class weights by how many"
     " appliances of a type the households own: that count is taken to be public."),
    ("Last is the last round's model, which rewards count; averaged is the mean of the last half of all models, the"
     " second document of a task. Learning rate, widths and the spread of power were picked on these folds."),
    ("With noise, households are drawn from the real appliances again and again: the curve says how many would be"
     " needed, not what 62 plugs can promise. Its epsilon is of all windows of one appliance, own noise alone."),
)  # fmt: skip


@dataclass(frozen=True)
class Size:
    channels: tuple[int, ...]
    hidden: int
    rounds: int
    folds: int
    epochs: int
    day: float  # targets
    balanced: float


SIZES: Final[Mapping[str, Size]] = {
    "full": Size((16, 32, 32), 32, 200, FOLDS, 20, 0.63, 0.66),
    "small": Size((16, 16, 16), 16, 30, 1, 3, 0.40, 0.40),
}
RATE: Final = 0.006
NEAR: Final = 0.08  # of centralised


class Appliances:
    name = "appliances"

    def __init__(self, seeds: int | None = None) -> None:
        self._seeds = range(1, 1 + (seeds or 1))

    def cells(self, profile: Profile) -> Sequence[Cell]:
        size = SIZES[profile]
        made = [
            Cell(f"{what}-fold{fold}-seed{seed}", partial(run, size, fold, seed))
            for seed in self._seeds
            for fold in range(size.folds)
            for what, run in (("federated", _federated), ("centralised", _centralised))
        ]
        if profile == "full":
            made += [
                Cell(f"noise-{noise:g}-of-{crowd}", partial(_with_noise, Crowd(crowd, noise)))
                for crowd in CROWDS
                for noise in NOISES
            ]
        return made

    def report(self, profile: Profile, results: Results) -> Report:
        size = SIZES[profile]
        federated_, apart = (self._of(results, what) for what in ("federated", "centralised"))
        tables = [
            Table(
                "without noise, mean over folds and seeds, +- their spread",
                ("run", *FIGURES),
                (
                    _line("federated, averaged model", federated_, "averaged"),
                    _line("federated, last model", federated_, "last"),
                    _line("centralised", apart, "last"),
                ),
            ),
            Table(
                "day accuracy / balanced of each fold",
                ("run", *(f"fold {fold}" for fold in range(size.folds))),
                tuple(
                    (name, *(self._fold(results, what, kind, fold) for fold in range(size.folds)))
                    for name, what, kind in (
                        ("federated, averaged", "federated", "averaged"),
                        ("federated, last", "federated", "last"),
                        ("centralised", "centralised", "last"),
                    )
                ),
            ),
        ]
        plots = [
            Plot(
                "course",
                "Day accuracy on unseen appliances",
                "round",
                "day accuracy",
                tuple(
                    Line(f"fold {fold}", *_course(results[f"federated-fold{fold}-seed{self._seeds[0]}"]))
                    for fold in range(size.folds)
                ),
            )
        ]
        if profile == "full":
            tables.append(_noise_table(results))
            plots.append(_noise_plot(results))
        return Report(
            f"Appliances by their power, {HOUSEHOLDS} households",
            tuple(_rows(size, federated_, apart)),
            tuple(tables),
            tuple(plots),
            _NOTES,
        )

    def _of(self, results: Results, what: str) -> list[Mapping[str, Any]]:
        return [result for key, result in results.items() if key.startswith(what)]

    def _fold(self, results: Results, what: str, kind: str, fold: int) -> str:
        found = [results[f"{what}-fold{fold}-seed{seed}"][kind] for seed in self._seeds]
        return " / ".join(percent(mean([one[figure] for one in found]), 1) for figure in ("day", "day balanced"))


def _federated(size: Size, fold: int, seed: int, progress: Progress) -> Mapping[str, Any]:
    dealt, model = fold_of(fold), model_of(size.channels, size.hidden)
    return federated(dealt, model, learning_of(dealt, RATE), size.rounds, seed, progress)


def _centralised(size: Size, fold: int, seed: int, progress: Progress) -> Mapping[str, Any]:
    return centralised(fold_of(fold), model_of(size.channels, size.hidden), size.epochs, seed)


def _with_noise(crowd: Crowd, progress: Progress) -> Mapping[str, Any]:
    return simulated(crowd, progress)


def _rows(size: Size, federated_: Sequence[Mapping[str, Any]], apart: Sequence[Mapping[str, Any]]) -> list[Row]:
    day, balanced = (_mean(federated_, "averaged", figure) for figure in ("day", "day balanced"))
    lost = max(_mean(apart, "last", figure) - _mean(federated_, "averaged", figure) for figure in FIGURES[:2])
    what = f"appliances, federated over {HOUSEHOLDS} households, mean of {size.folds} folds"
    near = NEAR if size.folds == FOLDS else 0.30
    return [
        Row(f"{what}, day accuracy", "-", f">= {size.day}", round(day, 4), day >= size.day),
        Row(f"{what}, day balanced", "-", f">= {size.balanced}", round(balanced, 4), balanced >= size.balanced),
        Row(f"{what}, below centralised", "-", f"<= {near}", round(lost, 4), lost <= near),
    ]


def _mean(results: Sequence[Mapping[str, Any]], kind: str, figure: str) -> float:
    return mean([result[kind][figure] for result in results])


def _line(name: str, results: Sequence[Mapping[str, Any]], kind: str) -> tuple[str, ...]:
    spreads = [deviation([result[kind][figure] for result in results]) for figure in FIGURES]
    shown = zip(FIGURES, spreads, strict=True)
    return name, *(f"{percent(_mean(results, kind, figure), 1)} +- {percent(spread, 1)}" for figure, spread in shown)


def _course(result: Mapping[str, Any]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    rounds, days = zip(*result["course"], strict=True)
    return tuple(rounds), tuple(days)


def _noise_table(results: Results) -> Table:
    rows = [
        (
            f"{crowd:,}",
            f"{noise:g}",
            f"{(found := results[f'noise-{noise:g}-of-{crowd}'])['epsilon']:.2f}",
            *(percent(found["averaged"][figure], 1) for figure in FIGURES[:2]),
        )
        for crowd in CROWDS
        for noise in NOISES
    ]
    return Table(
        "with noise, unit appliance, households by simulation, fold 0",
        ("households", "noise multiplier", "epsilon, own noise, PLD at 1e-5", "day", "day balanced"),
        tuple(rows),
    )


def _noise_plot(results: Results) -> Plot:
    lines = []
    for crowd in CROWDS:
        found = sorted((results[f"noise-{noise:g}-of-{crowd}"] for noise in NOISES), key=lambda one: one["epsilon"])
        days = tuple(one["averaged"]["day"] for one in found)
        lines.append(Line(f"{crowd:,} households", tuple(one["epsilon"] for one in found), days))
    return Plot("noise", "Day accuracy with noise", "epsilon of one appliance", "day accuracy", tuple(lines), True)
