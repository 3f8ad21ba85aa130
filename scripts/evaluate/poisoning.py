"""``hearth evaluate poisoning``: attackers on the model against the product's screening and against published defences.

The verdict, sketches, histories and inner products are the product's; shares of authorities are those of the few runs
that go through the whole protocol alone, which are held against the same in the clear.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from scripts.evaluate.evaluation import Cell, Profile, Report, Results
from scripts.evaluate.poisoned.attackers import RIDERS
from scripts.evaluate.poisoned.clients import Deal
from scripts.evaluate.poisoned.run import run
from scripts.evaluate.poisoned.setting import Kind, Setting
from scripts.evaluate.poisoned.softmax import Step
from scripts.evaluate.poisoning_protocol import (
    protocol_cases,
    protocol_cells,
    protocol_found,
    protocol_note,
    protocol_row,
    protocol_table,
)
from scripts.evaluate.poisoning_report import report_of

FLIP: Final = "label flip"
MISLED: Final = ("sign flip", "omniscient")


@dataclass(frozen=True)
class Case:
    """``seeds``: how many are run where a person asks for no other number."""

    deal: Deal
    attack: str
    attackers: int
    noisy: bool
    defence: Kind
    seeds: int = 1

    @property
    def key(self) -> str:
        words = (self.deal, self.attack, str(self.attackers), "noisy" if self.noisy else "quiet", self.defence)
        return ".".join(word.replace(", ", "-").replace(" ", "-") for word in words)


@dataclass(frozen=True)
class Sizes:
    """``examples``: of all honest clients. ``together``: honest clients and attackers, where all are alike or uneven.
    ``of_classes`` and ``of_many``: steps without noise and with it."""

    shape: Setting
    examples: int
    together: int
    of_classes: tuple[Step, Step]
    of_many: tuple[Step, Step]
    rounds_of_many: int
    probation: int

    def setting(self, case: Case) -> Setting:
        one_class = case.deal == "classes"
        return replace(
            self.shape,
            deal=case.deal,
            honest=10 if one_class else self.together - case.attackers,
            attackers=case.attackers,
            attack=case.attack,
            defence=case.defence,
            step=(self.of_classes if one_class else self.of_many)[case.noisy],
            rounds=self.shape.rounds if one_class else self.rounds_of_many,
            probation=3 if one_class and not case.noisy else self.probation,
        )


_MNIST: Final = Setting("mnist", "classes", 10, 0, "none", "mean", Step(50, 1.0, 2.0, 0.0), 300, 3)
_DIGITS: Final = Setting("digits", "classes", 10, 0, "none", "mean", Step(20, 1.0, 2.0, 0.0), 60, 3)
SIZES: Final = {
    "full": Sizes(
        _MNIST,
        60_000,
        50,
        (Step(50, 1.0, 2.0, 0.0), Step(50, 1.0, 2.0, 2.0)),
        (Step(100, 0.1, 10.0, 0.0), Step(100, 0.1, 10.0, 2.0)),
        200,
        20,
    ),
    "small": Sizes(
        _DIGITS,
        1_437,
        20,
        (Step(20, 1.0, 4.0, 0.0), Step(20, 1.0, 4.0, 1.0)),
        (Step(60, 0.3, 8.0, 0.0), Step(60, 0.3, 8.0, 1.0)),
        60,
        10,
    ),
}


class Poisoning:
    """An :class:`~scripts.evaluate.evaluation.Evaluation`."""

    name = "poisoning"

    def __init__(self, seeds: int | None) -> None:
        self._seeds = seeds

    def cells(self, profile: Profile) -> Sequence[Cell]:
        sizes = SIZES[profile]
        grid = [
            Cell(f"{case.key}.{seed}", partial(run, sizes.setting(case), seed))
            for case in cases(profile)
            for seed in range(1, 1 + (self._seeds or case.seeds))
        ]
        return [*protocol_cells(profile, self._seeds), *grid]

    def report(self, profile: Profile, results: Results) -> Report:
        """Also of a part of the cells, if those of the grid's targets are among them; it says how many are missing."""
        found, missing = {}, 0
        for case in cases(profile):
            keys = [f"{case.key}.{seed}" for seed in range(1, 1 + (self._seeds or case.seeds))]
            if all(key in results for key in keys):
                found[case] = [results[key] for key in keys]
            else:
                missing += 1
        report = report_of(profile, found, SIZES[profile])
        whole = protocol_found(profile, self._seeds, results)
        missing += len(protocol_cases(profile)) - len(whole)
        if whole:
            rows, tables = (*report.rows, protocol_row(whole)), (*report.tables, protocol_table(whole))
            report = replace(report, rows=rows, tables=tables, notes=(*report.notes, protocol_note()))
        settings = len(found) + len(whole) + missing
        note = f"{missing} of the profile's {settings} settings are not in these tables: they were not run."
        return replace(report, notes=(*report.notes, note)) if missing else report


def cases(profile: Profile) -> list[Case]:
    """Those of the targets first."""
    if profile == "small":
        return [*_targets(1, (2, 9), (2, 30), (8,)), Case("alike", "rider, zeros", 4, False, "screened")]
    found = _targets(3, (2, 5, 9), (2, 5, 9, 30, 90), (10, 20))
    found += _others()
    return list(dict.fromkeys(found))


def _targets(seeds: int, quiet: Sequence[int], noisy: Sequence[int], misled: Sequence[int]) -> list[Case]:
    both: tuple[Kind, Kind] = ("screened", "foolsgold")
    found = [
        Case("classes", FLIP if sybils else "none", sybils, with_noise, defence, seeds)
        for with_noise, numbers in ((False, quiet), (True, noisy))
        for sybils in (0, *numbers)
        for defence in both
    ]
    found += [Case("classes", "boosted", 1, noise, defence, seeds) for noise in (False, True) for defence in both]
    for noise in (False, True):
        peers: tuple[tuple[Kind, int], ...] = (("screened", seeds), ("krum", 1))
        for defence, runs in peers:
            found.append(Case("alike", "none", 0, noise, defence, runs))
            found += [Case("alike", attack, count, noise, defence, runs) for attack in MISLED for count in misled]
    return found


def _others() -> list[Case]:
    """What has one seed. Few attackers beside clients of one class where the published figures are of those."""
    found: list[Case] = []
    plain: tuple[Kind, ...] = ("krum", "mean")
    everything: tuple[Kind, ...] = ("screened", "foolsgold", *plain)
    for noise in (False, True):
        for sybils in (0, 1, 2, 5, 9, 30, 90):
            also = sybils == 1 or (sybils > 9 and not noise)
            attack = FLIP if sybils else "none"
            found += [Case("classes", attack, sybils, noise, defence) for defence in (everything if also else plain)]
        for attack in ("own noise", "split", "on and off", "backdoor"):
            found += [Case("classes", attack, 5, noise, defence) for defence in everything]
        for attack in ("none", *MISLED, FLIP, "gaussian", "shifted labels", "backdoor", "boosted", "on and off"):
            defences: tuple[Kind, ...] = plain if attack not in ("none", *MISLED) else ("mean",)
            first: tuple[Kind, ...] = ("screened, krum",) if attack in ("none", *MISLED) else ("screened",)
            count = 10 if attack != "none" else 0
            found += [Case("alike", attack, count, noise, defence) for defence in (*first, *defences)]
        found += [Case("alike", attack, 20, noise, "mean") for attack in MISLED]
        for attack in RIDERS:
            found += [Case("alike", attack, 10, noise, "screened"), Case("alike", attack, 10, noise, "mean")]
        uneven: tuple[Kind, ...] = ("screened", "foolsgold", "screened, alignment", "mean")
        for attack in ("none", FLIP, "sign flip", "gaussian", "backdoor", "split", "rider, zeros"):
            found += [Case("uneven", attack, 10 if attack != "none" else 0, noise, defence) for defence in uneven]
    return found
