"""Property inference (Melis, Song, De Cristofaro and Shmatikov 2019), passive: does a household's data have a property
that the task is not about?

The property is handwriting that leans to the right; each digit is compared with others of its class, so no class tells
it. Whoever watches has examples of its own, makes updates with and without the property at each published model, and
learns what the difference looks like: in three ways, of which the best counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from sklearn.ensemble import RandomForestClassifier

from client_agent.data.datasets import load_digits
from protocol.messages.learning import LearningTerms, ModelSpec
from protocol.model.dataset import Array, Examples
from protocol.randomness import SeededRandomness
from protocol.round.training import Assignment
from protocol.round.update import prepare_update
from protocol.sparse.index_set import IndexSet
from protocol.sparse.quantization import meaning
from scripts.evaluate.attacks.audited_terms import without_noise
from scripts.evaluate.attacks.roc import Curve, standard_error
from scripts.evaluate.attacks.training import trainers_for
from scripts.evaluate.evaluation import Progress
from scripts.evaluate.rounds import Course, Parameters, play

Reals = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

EXAMPLES: Final = 20  # of a household
CROWD: Final = 10  # households whose rounds make the models
TREES: Final = 100
LEAF: Final = 5
POOL: Final = 60  # others' updates, of which sums are made


@dataclass(frozen=True)
class View:
    """What is watched: single updates, or only sums of ``summed`` of which one is the victim's."""

    learning: LearningTerms
    summed: int = 1


@dataclass(frozen=True)
class Effort:
    """How much is tried: ``victims``, half of them with the property, and as many updates of the watcher's own."""

    rounds: int
    victims: int
    own: int


@dataclass(frozen=True)
class Found:
    """Areas under the curve, each of the classifier that does best: of one round, mean; and of all rounds of a victim
    together. ``error``: standard, of the second."""

    one_round: float
    all_rounds: float
    error: float


def infer(model: ModelSpec, view: View, effort: Effort, seed: int, progress: Progress) -> Found:
    """Each victim keeps its data for all rounds, and is in every one of them."""
    generator = np.random.Generator(np.random.PCG64(seed))
    pools, source = _pools(generator), SeededRandomness(seed.to_bytes(8, "big"))
    has, known = _halves(effort.victims), _halves(effort.own)
    data = {
        "victims": [_drawn(pools[1][int(flag)], generator) for flag in has],
        "own": [_drawn(pools[0][int(flag)], generator) for flag in known],
        "others": [_drawn(_either(pools[0]), generator) for _ in range(POOL)],
        "crowd": [_drawn(_either(pools[0]), generator) for _ in range(CROWD)],
    }
    groups = {name: _Group(model, view.learning, data[name], source.fork(name)) for name in data if name != "crowd"}
    groups["exact"] = _Group(model, without_noise(view.learning), data["own"], source.fork("exact"))
    course = Course(model, view.learning, trainers_for(model, data["crowd"], view.learning, seed), seed)
    areas, together = np.zeros(3), np.zeros((3, len(has)))
    for played in play(course, effort.rounds):
        rows = {name: group.updates(played.before, played.sent, played.number) for name, group in groups.items()}
        examples, seen = (_summed(rows[name], rows["others"], view.summed, generator) for name in ("own", "victims"))
        exact = rows["exact"][known].mean(axis=0) - rows["exact"][~known].mean(axis=0)
        scores = ridge_scores(examples, known, seen), _forest_scores(examples, known, seen, seed), seen @ exact
        for kind, found in enumerate(scores):
            areas[kind] += Curve.of(found, has).area / effort.rounds
            together[kind] += found / max(float(found.std()), 1e-12)
        progress.advance(played.number, effort.rounds)
    whole = [Curve.of(scores, has).area for scores in together]
    return Found(float(areas.max()), max(whole), standard_error(together[int(np.argmax(whole))], has))


def slant(images: Array) -> Reals:
    """Of each image (n, 1, rows, columns): how far ink moves to the right from row to row upwards, shape (n,)."""
    ink = images[:, 0].astype(np.float64)
    rows, columns = np.arange(ink.shape[1])[:, None], np.arange(ink.shape[2])
    total = np.maximum(ink.sum(axis=(1, 2)), 1.0)
    down = rows - (ink * rows).sum(axis=(1, 2))[:, None, None] / total[:, None, None]
    right = columns - (ink * columns).sum(axis=(1, 2))[:, None, None] / total[:, None, None]
    found: Reals = -(ink * down * right).sum(axis=(1, 2)) / np.maximum((ink * down * down).sum(axis=(1, 2)), 1e-9)
    return found


def ridge_scores(examples: Reals, labels: Flags, seen: Reals) -> Reals:
    """Of each row of ``seen`` (n, k), by ridge regression on ``examples`` (m, k), with the penalty that leaves-one-out
    likes best: noise of the updates is in the examples, too."""
    middle = examples.mean(axis=0)
    rows, target = examples - middle, np.where(labels, 1.0, -1.0)
    values, vectors = np.linalg.eigh(rows @ rows.T)
    turned = vectors.T @ target
    best, weights = np.inf, np.zeros(len(rows))
    for penalty in np.geomspace(1e-6, 1e3, 19) * max(float(values.max()), 1e-300):
        shrunk = 1.0 / (np.maximum(values, 0.0) + penalty)
        candidate = vectors @ (shrunk * turned)
        error = float(((candidate / ((vectors**2) @ shrunk)) ** 2).sum())
        if error < best:
            best, weights = error, candidate
    found: Reals = (seen - middle) @ (rows.T @ weights)
    return found


def _forest_scores(examples: Reals, labels: Flags, seen: Reals, seed: int) -> Reals:
    """As the authors do it: absolute values of unit length, and a random forest."""

    def prepared(rows: Reals) -> Reals:
        sizes = np.abs(rows)
        unit: Reals = sizes / np.maximum(np.linalg.norm(sizes, axis=1, keepdims=True), 1e-12)
        return unit

    forest = RandomForestClassifier(TREES, min_samples_leaf=LEAF, min_samples_split=LEAF, random_state=seed)
    found: Reals = forest.fit(prepared(examples), labels).predict_proba(prepared(seen))[:, 1]
    return found


class _Group:
    """Households that are all asked for updates, as real numbers; each keeps its secret for all rounds."""

    def __init__(
        self, model: ModelSpec, learning: LearningTerms, households: Sequence[Examples], source: SeededRandomness
    ) -> None:
        self._learning, self._source = learning, source
        secret = int.from_bytes(source.draw("secret", 7), "big")
        self._trainers = trainers_for(model, households, learning, secret)

    def updates(self, before: Parameters, sent: IndexSet, number: int) -> Reals:
        """A row for each household."""
        rows = []
        for household, trainer in enumerate(self._trainers):
            own = self._source.fork(f"household {household}")
            update = prepare_update(trainer, Assignment(before, self._learning, sent, own, f"round {number}"))
            rows.append(meaning(update.values, self._learning, sent))
        return np.array(rows)


def _summed(updates: Reals, crowd: Reals, count: int, generator: np.random.Generator) -> Reals:
    """Each of ``updates`` with so many of the ``crowd`` that they are ``count`` together."""
    if count == 1:
        return updates
    with_others: Reals = updates.copy()
    for row in with_others:
        row += crowd[generator.permutation(len(crowd))[: count - 1]].sum(axis=0)
    return with_others


def _pools(generator: np.random.Generator) -> list[tuple[Examples, Examples]]:
    """The watcher's examples and the victims', each without and with the property: the outer thirds of each class."""
    train = load_digits()[0]
    images, labels = train.labelled()
    leaning, sides = slant(images), [[list[int](), list[int]()], [list[int](), list[int]()]]
    for kind in np.unique(labels):
        members = np.flatnonzero(labels == kind)
        ranked = members[np.argsort(leaning[members], kind="stable")]
        third = len(ranked) // 3
        for has, outer in enumerate((ranked[:third], ranked[-third:])):
            mixed = generator.permutation(outer)
            for side, part in enumerate((mixed[: third // 2], mixed[third // 2 :])):
                sides[side][has] += part.tolist()
    return [(train.take(np.array(without)), train.take(np.array(with_it))) for without, with_it in sides]


def _either(pool: tuple[Examples, Examples]) -> Examples:
    names = pool[0].arrays
    return Examples({name: np.concatenate([part.arrays[name] for part in pool]) for name in names})


def _drawn(pool: Examples, generator: np.random.Generator) -> Examples:
    return pool.take(generator.permutation(len(pool))[:EXAMPLES])


def _halves(count: int) -> Flags:
    odd: Flags = np.arange(count) % 2 == 1
    return odd
