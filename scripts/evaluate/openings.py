"""``hearth evaluate attack --openings``: how much of an update, and of the labels behind it, a round's openings say.

Gradients are reconstructed from similarities in two-server defences; here the reader has what screening opens: inner
products of sketches with everybody's, with the model's last step, which is public, and with colluders' vectors.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

import numpy as np

from client_agent.data.partition import dirichlet_partition
from protocol.identifiers import sha256
from protocol.screening.sketch import sketch_of
from scripts.evaluate.evaluation import Cell, Profile, Progress, Report, Results
from scripts.evaluate.images import DataSet
from scripts.evaluate.openings_report import report_of
from scripts.evaluate.poisoned.clients import ALPHA, Images, images
from scripts.evaluate.poisoned.defences import Scale
from scripts.evaluate.poisoned.readers import Shadows, direction, distance, hits, read, recovered
from scripts.evaluate.poisoned.softmax import CLASSES, Dealt, Numbers, Pixels, Reals, Step, updates, whole

COLLUDERS: Final = (0, 1, 5, 20)
EVERYTHING: Final = -1  # in place of a number: what a reader of the updates themselves makes of them
WATCHED: Final = (1, 10, 50)  # rounds in which a history is opened
UPDATES: Final = 20  # in it, at first


@dataclass(frozen=True)
class Sizes:
    dataset: DataSet
    step: Step
    victims: int
    shadows: int
    warm: int  # rounds that the model has been trained for
    seeds: int


SIZES: Final[Mapping[Profile, Sizes]] = {
    "full": Sizes("mnist", Step(100, 0.1, 10.0, 2.0), 50, 500, 30, 3),
    "small": Sizes("digits", Step(60, 0.3, 8.0, 1.0), 10, 100, 10, 1),
}


class OpeningsRead:
    """An :class:`~scripts.evaluate.evaluation.Evaluation`."""

    name = "openings"

    def __init__(self, seeds: int | None) -> None:
        self._seeds = seeds

    def cells(self, profile: Profile) -> Sequence[Cell]:
        return [
            Cell(f"{word}.{seed}", partial(run, SIZES[profile], noisy, seed))
            for word, noisy in (("noisy", True), ("quiet", False))
            for seed in range(1, 1 + (self._seeds or SIZES[profile].seeds))
        ]

    def report(self, profile: Profile, results: Results) -> Report:
        return report_of(profile, results)


def run(sizes: Sizes, noisy: bool, seed: int, progress: Progress) -> Mapping[str, Any]:
    """How much is read of one round's update from its own openings, and of the mean of a history from those of so many
    rounds, each under a sketch of its own: of a client that stays away, and of one that goes on. The model stands
    still meanwhile."""
    data = images(sizes.dataset)
    generator = np.random.Generator(np.random.PCG64([seed, 3]))
    step = replace(sizes.step, noise=sizes.step.noise if noisy else 0.0)
    scale = Scale(CLASSES * data.pixels.shape[1], step.longest, step.deviation)
    parts = dirichlet_partition(data.labels, sizes.victims, ALPHA, seed, 10)
    victims = Dealt(parts, [data.labels[part] for part in parts])
    weights, last = _warm(data, victims, step, sizes.warm, generator)
    shadows = _shadows(data, weights, step, sizes.shadows, generator)
    truth = np.stack([np.bincount(data.labels[part], minlength=CLASSES) / len(part) for part in parts])
    axes = _axes(shadows)
    probes = np.rint(axes[: max(COLLUDERS)] * scale.clip).astype(np.int64)
    scene = _Scene(scale, shadows, probes, axes, truth, step.deviation, seed)

    def sent() -> tuple[Reals, Reals]:
        """Before noise, and in units."""
        plain = updates(weights, data.pixels, *victims.batch(step.batch, generator), step)
        noise = step.deviation * generator.standard_normal(plain.shape)
        return plain, whole(plain + noise, scale.unit, generator).astype(np.float64)

    found: dict[str, dict[str, Any]] = {kind: {} for kind in ("round", "absent", "present")}
    plain, values = sent()
    before = whole(last, scale.unit, generator)
    for colluders in (*COLLUDERS, EVERYTHING):
        found["round"][str(colluders)] = scene.read(plain, [_Opened(values, 1, (before,))], colluders)
    gone, history = (sum(each) for each in zip(*(sent() for _ in range(UPDATES)), strict=True))
    on, growing = gone.copy(), history.copy()
    absent, present = [], []
    for number in range(max(WATCHED)):
        absent.append(_Opened(history, UPDATES))
        present.append(_Opened(growing, UPDATES + number))
        if number + 1 in WATCHED:
            for colluders in (*COLLUDERS, EVERYTHING):
                key = f"{colluders} {number + 1}"
                found["absent"][key] = scene.read(gone / UPDATES, absent, colluders)
                found["present"][key] = scene.read(on / (UPDATES + number), present, colluders)
        more, values = sent()
        on, growing = on + more, growing + values
        progress.advance(number + 1, max(WATCHED))
    return {**found, "noise": step.noise}


@dataclass(frozen=True, eq=False)
class _Opened:
    """``total``: of ``count`` updates of each victim, in units, shape (victims, d), a new array where it changes.
    ``public``: vectors that stand beside the sum of all of them, which anybody knows, too."""

    total: Reals
    count: int
    public: tuple[Numbers, ...] = ()


@dataclass(frozen=True, eq=False)
class _Scene:
    """``probes``: what colluders send, (m, d) in units; ``everything``: all directions in which shadows differ."""

    scale: Scale
    shadows: Shadows
    probes: Numbers
    everything: Reals
    truth: Reals
    deviation: float
    seed: int

    def read(self, plain: Reals, rounds: Sequence[_Opened], colluders: int) -> Mapping[str, float]:
        """``plain``: of each victim, the mean of its updates before noise, in the model's units."""
        directions, products = [], []
        for number, opened in enumerate(rounds):
            if colluders == EVERYTHING:
                products = [opened.total @ self.everything.T * (self.scale.unit / opened.count)]
                directions = [self.everything]
                continue
            sketch = sketch_of(sha256(b"read %d %d" % (self.seed, number)), self.scale.dimension)
            mean = np.rint(opened.total.mean(axis=0)).astype(np.int64)
            of_round = np.stack([direction(sketch, one) for one in (*opened.public, mean, *self.probes[:colluders])])
            directions.append(of_round)
            products.append((opened.total @ of_round.T) * (self.scale.unit / opened.count))
        variance = self.deviation**2 / rounds[-1 if colluders == EVERYTHING else 0].count + self.scale.unit**2 / 6
        guess = read(self.shadows, np.vstack(directions), np.hstack(products), variance)
        nothing = np.tile(self.shadows.labels.mean(axis=0), (len(plain), 1))
        return {
            "measurements": float(sum(map(len, directions))),
            "recovered": recovered(guess.updates, plain, self.shadows.updates.mean(axis=0)),
            "distance": distance(guess.labels, self.truth),
            "guessed": distance(nothing, self.truth),
            "hits": hits(guess.labels, self.truth),
            "guessed_hits": hits(nothing, self.truth),
        }


def _warm(data: Images, clients: Dealt, step: Step, rounds: int, generator: np.random.Generator) -> tuple[Reals, Reals]:
    """The model after so many rounds, and its last step."""
    weights, last = np.zeros((CLASSES, data.pixels.shape[1])), np.zeros(CLASSES * data.pixels.shape[1])
    for _ in range(rounds):
        last = updates(weights, data.pixels, *clients.batch(step.batch, generator), step).mean(axis=0)
        weights = weights + last.reshape(weights.shape)
    return weights, last


def _shadows(data: Images, weights: Reals, step: Step, count: int, generator: np.random.Generator) -> Shadows:
    """Of clients made up of test images, by Dirichlet, too."""
    pixels: Pixels = data.test
    by_class = [np.flatnonzero(data.test_labels == one) for one in range(CLASSES)]
    parts = generator.dirichlet(np.full(CLASSES, ALPHA), count)
    labels = np.stack([generator.choice(CLASSES, step.batch, p=part) for part in parts])
    places = np.zeros_like(labels)
    for one, own in enumerate(by_class):
        chosen = labels == one
        places[chosen] = own[generator.integers(0, len(own), int(chosen.sum()))]
    return Shadows(updates(weights, pixels, places, labels, step), parts)


def _axes(shadows: Shadows) -> Reals:
    """Directions of length 1, those first in which shadows differ most. Colluders send the first ones, as long as an
    update may be."""
    _, _, found = np.linalg.svd(shadows.updates - shadows.updates.mean(axis=0), full_matrices=False)
    return np.asarray(found, np.float64)
