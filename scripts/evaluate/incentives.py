"""``hearth evaluate incentives``: what honest and dishonest clients earn, and their reputations, by the incentive's
parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

import numpy as np

from protocol.incentives.contribution import Progress as Gain
from protocol.messages.learning import MICRO
from protocol.messages.task import ReputationTerms, RewardTerms
from scripts.evaluate.evaluation import Cell, Profile, Progress, Report, Results
from scripts.evaluate.incentives_report import report_of
from scripts.evaluate.poisoned.attackers import RIDERS
from scripts.evaluate.poisoned.clients import Deal, images
from scripts.evaluate.poisoned.payout import Standings, paid
from scripts.evaluate.poisoned.run import play
from scripts.evaluate.poisoned.setting import screening_terms
from scripts.evaluate.poisoned.softmax import answers
from scripts.evaluate.poisoning import SIZES, Case

# initial, floor, maximum, rounds of waiting
REPUTATIONS: Final[Mapping[str, ReputationTerms]] = {
    "usual": ReputationTerms(2, 2, 5, 2),
    "slow": ReputationTerms(1, 1, 15, 1),
    "flat": ReputationTerms(1, 1, 1, 1),
    "strict": ReputationTerms(5, 5, 10, 5),
}
# accuracy above the best so far that releases the whole contribution of a round
GAINS: Final = {"0.005": 5_000, "0.05": 50_000}
PARTICIPATION: Final = 600_000  # of the sample task, in millionths of its sum of both
CONTRIBUTION: Final = 400_000
LOOKS: Final = 30
USUAL_GAIN: Final = "0.05"


@dataclass(frozen=True)
class Scene:
    name: str
    deal: Deal
    attack: str
    attackers: int
    noisy: bool
    reputation: str = "usual"
    seeds: int = 1

    @property
    def key(self) -> str:
        return ".".join((self.name.replace(", ", "-").replace(" ", "-").replace("%", "percent"), self.reputation))


def scenes(profile: Profile) -> list[Scene]:
    seeds, sybils, riders = (1, 30, 4) if profile == "small" else (3, 90, 10)
    found = [Scene(f"{sybils} sybils", "classes", "label flip", sybils, True, seeds=seeds)]
    for kind in RIDERS:
        for noisy in (False, True) if kind != "rider, noise" else (True,):
            word = "noise" if noisy else "no noise"
            name = f"20 % riders, {kind.removeprefix('rider, ')}, {word}"
            found.append(Scene(name, "alike", kind, riders, noisy, seeds=seeds))
    found += [
        Scene("one boosted", "classes", "boosted", 1, True),
        Scene("40 % sign flip", "alike", "sign flip", 2 * riders, True),
        Scene("nobody dishonest", "alike", "none", 0, True),
    ]
    if profile == "full":
        varied = [replace(one, seeds=1) for one in found if "sybils" in one.name or one.attack == "rider, noise"]
        varied += [found[-3], found[-1]]
        found += [replace(one, reputation=name) for name in REPUTATIONS if name != "usual" for one in varied]
    return found


class Incentives:
    """An :class:`~scripts.evaluate.evaluation.Evaluation`."""

    name = "incentives"

    def __init__(self, seeds: int | None) -> None:
        self._seeds = seeds

    def cells(self, profile: Profile) -> Sequence[Cell]:
        return [
            Cell(f"{scene.key}.{seed}", partial(run, scene, profile, seed))
            for scene in scenes(profile)
            for seed in self._range(scene)
        ]

    def report(self, profile: Profile, results: Results) -> Report:
        """Also of a part of the cells; it says how many are missing."""
        found, missing = {}, 0
        for scene in scenes(profile):
            keys = [f"{scene.key}.{seed}" for seed in self._range(scene)]
            if all(key in results for key in keys):
                found[scene] = [results[key] for key in keys]
            else:
                missing += 1
        report = report_of(profile, found)
        note = f"{missing} of the profile's {len(found) + missing} settings are not in these tables: they were not run."
        return replace(report, notes=(*report.notes, note)) if missing else report

    def _range(self, scene: Scene) -> range:
        return range(1, 1 + (self._seeds or scene.seeds))


def run(scene: Scene, profile: Profile, seed: int, progress: Progress) -> Mapping[str, Any]:
    """Sums over the rounds after probation of what honest and dishonest clients earn together, by target gain, and
    curves of reputation and reward for each client. A round in which a model is not better releases nothing."""
    sizes = SIZES[profile]
    setting = sizes.setting(Case(scene.deal, scene.attack, scene.attackers, scene.noisy, "screened"))
    terms, data = REPUTATIONS[scene.reputation], images(setting.dataset)
    standings, examples = Standings(setting.clients, terms), len(data.test)
    rewards = {name: RewardTerms(PARTICIPATION, CONTRIBUTION, gain) for name, gain in GAINS.items()}
    earned = {name: np.zeros((3, setting.clients)) for name in rewards}
    best, curve, before = examples // 10, [], np.zeros(setting.clients)
    honest = np.zeros(setting.clients, bool)
    for played in play(setting, seed, standings):
        verdict, honest = played.judged.verdict, played.honest == 1
        assert verdict is not None  # of screening
        screening = screening_terms(setting, played.scale)
        correct = int((answers(played.weights, data.test) == data.test_labels).sum())
        gain = Gain(best, correct, examples)
        for name, one in rewards.items():
            found = paid(verdict, standings, terms, screening, gain, one)
            earned[name] += np.stack([found.participation, found.by_weight, found.by_openings])
        if played.number == setting.probation:
            before = earned[USUAL_GAIN][0].copy()
            for sums in earned.values():
                sums[:] = 0
        best = max(best, correct)
        standings.settle(verdict, screening)
        if played.number % max(1, setting.rounds // LOOKS) == 0 or played.number == setting.rounds:
            reputations = np.array([standings.reputations[client] for client in sorted(standings.reputations)])
            total = before + earned[USUAL_GAIN][0] if played.number > setting.probation else earned[USUAL_GAIN][0]
            curve.append([played.number, *_both(reputations, honest), *_both(total, honest),
                          *_both(earned[USUAL_GAIN][2], honest)])  # fmt: skip
        progress.advance(played.number, setting.rounds)
    return {
        "scene": scene.name,
        "reputation": scene.reputation,
        "clients": [int(honest.sum()), int((~honest).sum())],
        "paid": {
            name: {
                kind: [float(values[honest].sum()) / MICRO, float(values[~honest].sum()) / MICRO]
                for kind, values in zip(("participation", "by_weight", "by_openings"), sums, strict=True)
            }
            for name, sums in earned.items()
        },
        "best": best / examples,
        "curve": curve,
    }


def _both(values: Any, honest: Any) -> tuple[float, float]:
    """Means of honest and of dishonest clients."""
    return float(values[honest].mean()), float(values[~honest].mean()) if (~honest).any() else 0.0
