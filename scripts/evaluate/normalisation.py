"""``hearth evaluate normalisation``: what paper B (Zhao et al. 2021) proposes against batch normalisation.

Each has the noise that its own sensitivity asks for. A labelled reproduction: epsilon is of one number, and
guarantees nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from scripts.evaluate import perturbed_features
from scripts.evaluate.evaluation import Cell, Line, Plot, Profile, Progress, Report, Results, Row, Table, mean, percent
from scripts.evaluate.perturbed_features import CLIENTS, HEAD, MOMENTUM, WIDTH, Method, Setting

EPSILONS: Final = (1.0, 2.0, 4.0, 6.0, 8.0, 10.0)
BATCH: Final = 64
BATCHES: Final = (16, 32, 128, 256)
METHODS: Final[tuple[Method, ...]] = ("position", "batch")
NAMES: Final[Mapping[str, str]] = {
    "position": "proposed (each position over the batch)",
    "batch": "batch normalisation",
}
AT: Final = 10.0  # epsilon of the targets


@dataclass(frozen=True)
class Sizes:
    """``tested``: test images. ``bars``: least accuracy of the proposed, most of batch normalisation, at epsilon AT."""

    seeds: int
    setting: Setting
    tested: int
    bars: tuple[float, float]


SIZES: Final[Mapping[Profile, Sizes]] = {
    "small": Sizes(1, Setting("position", AT, BATCH, rounds=6, images=500, learning_rate=0.08), 2_000, (0.55, 0.40)),
    "full": Sizes(3, Setting("position", AT, BATCH, rounds=12, images=1_000), 10_000, (0.90, 0.40)),
}


class Normalisation:
    """An :class:`~scripts.evaluate.evaluation.Evaluation`."""

    name = "normalisation"

    def __init__(self, seeds: int | None) -> None:
        self._seeds = seeds

    def cells(self, profile: Profile) -> Sequence[Cell]:
        sizes = SIZES[profile]
        seeds = range(1, 1 + (self._seeds or sizes.seeds))
        settings = [replace(sizes.setting, method=method) for method in METHODS]
        if profile == "full":
            others = [epsilon for epsilon in (*EPSILONS, None) if epsilon != AT]
            settings += [replace(one, epsilon=epsilon) for epsilon in others for one in settings[:2]]
            settings += [replace(sizes.setting, batch=batch) for batch in BATCHES]
        return [
            Cell(f"{one.method}.{_word(one.epsilon)}.{one.batch}.{seed}", _run(one, sizes.tested, seed))
            for one in settings
            for seed in seeds
        ]

    def report(self, profile: Profile, results: Results) -> Report:
        sizes = SIZES[profile]
        reached = {method: _clean(_of(results, method, AT, BATCH)) for method in METHODS}
        least, most = sizes.bars
        what = f"MNIST, {sizes.setting.rounds} rounds, epsilon {AT:g} for each coordinate"
        rows = (
            Row(
                f"{what}: {NAMES['position']}",
                "better than batch norm",
                f">= {percent(least, 0)}",
                reached["position"],
                reached["position"] >= least,
            ),
            Row(
                f"{what}: {NAMES['batch']}, with its own sensitivity",
                "-",
                f"<= {percent(most, 0)}",
                reached["batch"],
                reached["batch"] <= most,
            ),
        )
        return Report("The paper's normalisation under noise", rows, _tables(results), _plots(results), _notes(sizes))


def _run(setting: Setting, tested: int, seed: int) -> Callable[[Progress], Mapping[str, Any]]:
    def run(progress: Progress) -> Mapping[str, Any]:
        found = perturbed_features.play(setting, tested, seed, progress)
        return {"seed": seed, **asdict(setting), "scale": setting.scale, **asdict(found)}

    return run


def _word(epsilon: float | None) -> str:
    return "none" if epsilon is None else f"{epsilon:g}"


def _of(results: Results, method: str, epsilon: float | None, batch: int) -> list[Mapping[str, Any]]:
    asked = (method, epsilon, batch)
    return [one for one in results.values() if (one["method"], one["epsilon"], one["batch"]) == asked]


def _clean(runs: Sequence[Mapping[str, Any]]) -> float:
    return mean([run["clean"] for run in runs])


def _shown(runs: Sequence[Mapping[str, Any]], key: str) -> str:
    """Mean and range of the seeds."""
    values = [run[key] for run in runs]
    return percent(mean(values), 1) + (
        f" ({percent(min(values), 1)} to {percent(max(values), 1)})" if values[1:] else ""
    )


def _tables(results: Results) -> tuple[Table, ...]:
    def row(method: str, epsilon: float | None, batch: int) -> tuple[str, ...] | None:
        runs = _of(results, method, epsilon, batch)
        if not runs:
            return None
        scale = f"{runs[0]['scale']:.2f}"
        return NAMES[method], _word(epsilon), str(batch), scale, _shown(runs, "clean"), _shown(runs, "noisy")

    headings = (
        "normalisation",
        "epsilon of one number, once",
        "batch",
        "scale of noise",
        "accuracy",
        "with noise on the test images",
    )
    by_epsilon = [row(method, epsilon, BATCH) for method in METHODS for epsilon in (*EPSILONS, None)]
    by_batch = [row("position", AT, batch) for batch in sorted((BATCH, *BATCHES))]
    tables = [Table("By epsilon", headings, tuple(found for found in by_epsilon if found))]
    if sum(found is not None for found in by_batch) > 1:
        tables.append(Table("By size of a batch", headings, tuple(found for found in by_batch if found)))
    return tuple(tables)


def _plots(results: Results) -> tuple[Plot, ...]:
    lines = []
    for method in METHODS:
        runs = [(epsilon, found) for epsilon in EPSILONS if (found := _of(results, method, epsilon, BATCH))]
        values = [[run["clean"] for run in found] for _, found in runs]
        spread = tuple((max(found) - min(found)) / 2.0 for found in values)
        lines.append(Line(NAMES[method], tuple(epsilon for epsilon, _ in runs), tuple(map(mean, values)), spread))
    return (
        Plot(
            "normalisation", "Accuracy under noise on features", "epsilon of one number, once", "accuracy", tuple(lines)
        ),
    )


def _notes(sizes: Sizes) -> tuple[str, ...]:
    setting = sizes.setting
    batches = setting.rounds * (setting.images // BATCH)
    whole = f"{WIDTH * AT:,.0f}"
    every = f"{WIDTH * AT * setting.rounds:,.0f}"
    return (
        (
            f"Epsilon is of one number of one image in one batch. An image has {WIDTH:,}, and is in one batch of every"
            f" round: by basic composition epsilon {AT:g} is {whole} for the image, once, and {every} after"
            f" {setting.rounds} rounds. This is no guarantee, and nothing but a reproduction."
        ),
        (
            "Changing one image moves mean and deviation of its batch, and with them all other normalised numbers of a"
            " position. Neither the paper's scale nor the one used here for batch normalisation covers that."
        ),
        (
            f"{CLIENTS} clients with {setting.images:,} images each, federated averaging of the head"
            f" ({' - '.join(map(str, (WIDTH, *HEAD)))}) after one local epoch; {batches} batches of {BATCH} of each"
            f" client, learning rate {setting.learning_rate:g}, momentum {MOMENTUM:g}. Larger batches mean fewer of"
            " them. The convolutions stay as they were drawn; the paper trains them."
        ),
        (
            "Noisy numbers are scaled back to variance one for training. Test images have no noise and are not scaled,"
            " unless the column says so; they are normalised by the mean of the clients' running statistics."
        ),
    )
