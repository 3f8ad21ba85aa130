"""One run with attackers: what the model learns, and who was in its sums."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from protocol.screening.arithmetic import prepare
from scripts.evaluate.evaluation import Progress
from scripts.evaluate.poisoned.clients import SOURCE, TARGET, Images, images
from scripts.evaluate.poisoned.crowd import Crowd
from scripts.evaluate.poisoned.defences import (
    Defence,
    Judged,
    Mean,
    PublishedFoolsGold,
    PublishedMultiKrum,
    Reputations,
    Scale,
    Screening,
)
from scripts.evaluate.poisoned.setting import Setting, screening_terms
from scripts.evaluate.poisoned.softmax import Numbers, Reals, answers, whole

LAST: Final = 20  # rounds at the end over which figures are means
LOOKS: Final = 15  # at the model, on the way


@dataclass(frozen=True)
class Played:
    """One round. ``honest``: who is, by client; ``sent``: updates in units."""

    number: int
    honest: Numbers
    weights: Reals  # of the model, after it
    sent: Numbers
    judged: Judged
    scale: Scale


def play(setting: Setting, seed: int, reputations: Reputations | None = None) -> Iterator[Played]:
    """Rounds one after the other, with updates in units rounded at random."""
    crowd = Crowd(setting, seed)
    scale = Scale(crowd.dimension, setting.step.longest, setting.step.deviation)
    defence = _defence(setting, scale, seed, reputations)
    weights, last = crowd.first_model(), np.zeros(crowd.dimension, np.int64)
    for number in range(1, setting.rounds + 1):
        values = crowd.values(number, weights, last * scale.unit)
        sent = whole(values, scale.unit, crowd.generator)[crowd.order]
        judged = defence.weigh(number, sent, last)
        total = int(judged.weights.sum())
        if total:
            moved = (judged.weights @ sent) / total
            weights = weights + scale.unit * moved.reshape(weights.shape)
            last = np.rint(moved).astype(np.int64)
        yield Played(number, crowd.honest, weights, sent, judged, scale)


def run(setting: Setting, seed: int, progress: Progress) -> Mapping[str, Any]:
    """Means over the last rounds, and the course of a few figures; shares of honest clients and of attackers that were
    in the sum, and the attackers' part of its weights."""
    data, looks = images(setting.dataset), []
    seen: list[tuple[float, float, float, float, float]] = []
    reasons = {"honest": 0, "attackers": 0}
    for played in play(setting, seed):
        seen.append(_presence(played))
        for who, is_honest in (("honest", 1), ("attackers", 0)):
            reasons[who] += sum(int(played.honest[client] == is_honest) for client in played.judged.rejected)
        if played.number > setting.rounds - LAST or played.number % max(1, setting.rounds // LOOKS) == 0:
            looks.append((played.number, *quality(data, played.weights)))
        progress.advance(played.number, setting.rounds)
    last = [look[1:] for look in looks[-LAST:]]
    accuracy, flipped, triggered = (float(value) for value in np.mean(last, axis=0))
    whole_run = np.array(seen[setting.probation :])
    return {
        "accuracy": accuracy,
        "flipped": flipped,
        "triggered": triggered,
        "last": dict(zip(PRESENCE, np.mean(seen[-LAST:], axis=0).tolist(), strict=True)),
        "all": dict(zip(PRESENCE, whole_run.mean(axis=0).tolist(), strict=True)),
        "rejected": reasons,
        "curve": [list(look) for look in looks],
        "presence": [[round(value, 4) for value in one] for one in seen[:: max(1, setting.rounds // LOOKS)]],
    }


PRESENCE: Final = ("honest", "attackers", "share", "idle_honest", "idle_attackers")


def _presence(played: Played) -> tuple[float, float, float, float, float]:
    weights, idle = played.judged.weights, np.zeros(len(played.honest), np.int64)
    idle[list(played.judged.idle)] = 1
    honest, total = played.honest == 1, max(1, int(played.judged.weights.sum()))
    return (
        _share(weights[honest] > 0),
        _share(weights[~honest] > 0),
        float(weights[~honest].sum()) / total,
        _share(idle[honest] > 0),
        _share(idle[~honest] > 0),
    )


def _share(marks: Any) -> float:
    return float(np.mean(marks)) if len(marks) else 0.0


def quality(data: Images, weights: Reals) -> tuple[float, float, float]:
    """Right answers; examples of the source class that are called the target; triggered ones that are."""
    found = answers(weights, data.test)
    source = data.test_labels == SOURCE
    return (
        float((found == data.test_labels).mean()),
        float((found[source] == TARGET).mean()),
        float((answers(weights, data.triggered) == TARGET).mean()),
    )


def _defence(setting: Setting, scale: Scale, seed: int, reputations: Reputations | None) -> Defence:
    match setting.defence:
        case "mean":
            return Mean()
        case "foolsgold":
            return PublishedFoolsGold()
        case "krum":
            return PublishedMultiKrum(setting.attackers)
    prepare(setting.rounds * setting.clients * scale.dimension)
    return Screening(scale, screening_terms(setting, scale), setting.clients, seed, reputations)
