"""``hearth evaluate traffic``: FedGRU (Liu et al. 2020) against the same network trained in one place, on METR-LA."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final

from scripts.evaluate.evaluation import Cell, Line, Plot, Profile, Report, Results, Row, Table, deviation, mean
from scripts.evaluate.traffic_run import (
    BATCH,
    CLUSTER_RATE,
    EXAMPLES,
    GENTLE_RATE,
    RATE,
    Size,
    centralised,
    federated,
    persistence,
)

ERRORS: Final = ("MAE", "MSE", "RMSE", "MAPE")
SIZES: Final[Mapping[str, Size]] = {
    "full": Size(207, 16, 10, 2_400, 600, 4, 100, 8),
    "small": Size(40, 16, 8, 100, 25, 2, 10, 2),
}
WORSE: Final[Mapping[str, float]] = {"full": 0.02, "small": 0.10}  # than centralised, at most
SEEDS: Final[Mapping[str, int]] = {"full": 3, "small": 1}
_NOTES: Final = (
    ("A sensor is a client. Twelve readings of five minutes say the next; speeds are scaled by those of days 1 to 5,"
     " which train; errors are of days 6 and 7, in miles an hour, over all sensors."),
    ("Joint announcement: a random cohort of each round. Clusters: k-means of correlations of the first day, ten starts"
     " combined by how often two sensors meet; each goes on from the model of all. Ensemble: the mean of a cluster's"
     " prediction and that of all."),
    ("Five minutes ahead, that nothing changes is already a good guess: look at the first line before the others."
     " Paper and reproduction counted vehicles of other roads, so only the loss against centralised compares."),
    ("There is no noise here: the figures are of federation alone. Rates were picked on day 5, for models that the same"
     " steps, without clip and quantiser, trained in torch on days 1 to 4; rounds are what the time allowed. Days 6 and"
     " 7 were looked at twice before: they showed that Adam on the server helps, and that a rate of 0.01 was too high"
     " for the few rounds of the small profile's clusters."),
)  # fmt: skip


class Traffic:
    name = "traffic"

    def __init__(self, seeds: int | None = None) -> None:
        self._asked = seeds

    def cells(self, profile: Profile) -> Sequence[Cell]:
        size = SIZES[profile]
        return [
            Cell("persistence", partial(persistence, size)),
            *(
                Cell(f"{name}-seed{seed}", partial(run, size, seed))
                for seed in self._seeds(profile)
                for name, run in (("federated", federated), ("centralised", centralised))
            ),
        ]

    def report(self, profile: Profile, results: Results) -> Report:
        seeds = self._seeds(profile)
        federated_ = [results[f"federated-seed{seed}"] for seed in seeds]
        apart = [results[f"centralised-seed{seed}"] for seed in seeds]
        lines = (
            ("as it was five minutes before", [results["persistence"]], "all"),
            ("GRU, centralised", apart, "all"),
            ("FedGRU", federated_, "all"),
            ("FedGRU, a model for each cluster", federated_, "clusters"),
            ("FedGRU, ensemble", federated_, "ensemble"),
        )
        together = _mean(apart, "all", "MAE")
        rows = [
            Row(
                f"{name} against centralised GRU, MAE",
                "+10 % (paper), +0.8 % (reproduction)",
                f"<= +{WORSE[profile]:.0%}",
                f"{(worse := _mean(found, kind, 'MAE') / together - 1.0):+.2%}",
                worse <= WORSE[profile],
            )
            for name, found, kind in lines[2:]
            if kind != "clusters"
        ]
        first = federated_[0]["course"]
        plot = Plot(
            "course",
            "FedGRU on days 6 and 7",
            "round",
            "MAE in miles an hour",
            (
                Line("FedGRU", tuple(one[0] for one in first), tuple(one[1] for one in first)),
                Line("GRU, centralised", (first[0][0], first[-1][0]), (together, together)),
            ),
        )
        table = Table(
            f"errors, mean of {len(seeds)} seeds, +- their spread; clusters of {federated_[0]['sizes']} sensors",
            ("model", *ERRORS),
            tuple((name, *(_shown(found, kind, error) for error in ERRORS)) for name, found, kind in lines),
        )
        notes = (*_NOTES, _course_of(SIZES[profile]))
        return Report("Traffic: FedGRU on METR-LA", tuple(rows), (table,), (plot,), notes)

    def _seeds(self, profile: Profile) -> range:
        return range(1, 1 + (self._asked or SEEDS[profile]))


def _course_of(size: Size) -> str:
    passes = (size.rounds + size.gentle_rounds) * size.cohort * BATCH / (size.sensors * EXAMPLES)
    return (
        f"FedGRU: one step a round on {BATCH} examples of each of {size.cohort} sensors, and Adam on the server;"
        f" {size.rounds} rounds at a rate of {RATE:g}, then {size.gentle_rounds} at {GENTLE_RATE:g}, a second task that"
        " goes on from the mean of the first one's last models. Its own mean of the last third is what counts; single"
        f" models scatter, as the plot shows. That is {passes:.1f} passes over the data; the centralised model makes"
        f" {size.epochs}, and its last one counts. A mean steadies the offset of all predictions, on which MAE depends"
        f" most: look at MSE too. A cluster goes on for {size.cluster_rounds} rounds at {CLUSTER_RATE:g}."
    )


def _mean(results: Sequence[Mapping[str, Any]], kind: str, error: str) -> float:
    return mean([result[kind][error] for result in results])


def _shown(results: Sequence[Mapping[str, Any]], kind: str, error: str) -> str:
    values = [result[kind][error] for result in results]
    if error == "MAPE":
        return f"{mean(values):.2%}"
    return f"{mean(values):.3f}" + (f" +- {deviation(values):.3f}" if len(values) > 1 else "")
