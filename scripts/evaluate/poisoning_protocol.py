"""The part of ``hearth evaluate poisoning`` that goes through the whole protocol: one short run of every attack."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from scripts.evaluate.evaluation import Cell, Profile, Results, Row, Table, percent
from scripts.evaluate.poisoned.attackers import ATTACKS, PERIOD
from scripts.evaluate.poisoned.clients import Deal
from scripts.evaluate.poisoned.protocol_run import run_protocol
from scripts.evaluate.poisoned.setting import Kind, Setting
from scripts.evaluate.poisoned.softmax import Step

NOISE: Final = {"little": 0.2, "much": 1.0}  # of a client's sum, in clips; no task without any can be published
OF_CLASSES: Final = ("label flip", "boosted", "own noise", "split", "on and off", "backdoor")  # beside one class each
PROBATION: Final = 3
TOGETHER: Final = 10  # clients where all are alike


@dataclass(frozen=True)
class ProtocolCase:
    attack: str
    noise: str
    rounds: int = 10
    krum: bool = False  # in place of the rule for the deal

    @property
    def key(self) -> str:
        words = ("protocol", self.attack.replace(", ", "-").replace(" ", "-"), self.noise, "krum" if self.krum else "")
        return ".".join(word for word in words if word)

    @property
    def setting(self) -> Setting:
        of_classes = self.attack in OF_CLASSES
        attackers = {"none": 0, "boosted": 1}.get(self.attack, 3)
        deal: Deal = "classes" if of_classes else "alike"
        defence: Kind = "screened, krum" if self.krum else "screened"
        noise, honest = NOISE[self.noise], 10 if of_classes else TOGETHER - attackers
        step = Step(20, 1.0, 4.0, noise) if of_classes else Step(60, 0.3, 8.0, noise)
        return Setting("digits", deal, honest, attackers, self.attack, defence, step, self.rounds, PROBATION)


Found = Mapping[ProtocolCase, Sequence[Mapping[str, Any]]]


def protocol_cases(profile: Profile) -> list[ProtocolCase]:
    if profile == "small":
        attacks = (("boosted", "little"), ("label flip", "little"), ("sign flip", "little"), ("rider, copies", "much"))
        return [ProtocolCase(*one, rounds=6) for one in attacks]
    found = [
        ProtocolCase(attack, noise, PERIOD + 4 if attack == "on and off" else 10)
        for attack in ATTACKS
        for noise in NOISE
    ]
    return [*found, *(ProtocolCase("omniscient", noise, krum=True) for noise in NOISE)]


def protocol_cells(profile: Profile, seeds: int | None) -> list[Cell]:
    return [
        Cell(key, partial(run_protocol, case.setting, seed))
        for case in protocol_cases(profile)
        for seed, key in _keys(case, seeds)
    ]


def protocol_found(profile: Profile, seeds: int | None, results: Results) -> Found:
    """Of those cases of which everything was run."""
    keys = {case: [key for _, key in _keys(case, seeds)] for case in protocol_cases(profile)}
    return {case: [results[key] for key in some] for case, some in keys.items() if all(key in results for key in some)}


def protocol_row(found: Found) -> Row:
    cells = [cell for some in found.values() for cell in some]
    different = {(number, what.partition(":")[0]) for number, cell in enumerate(cells) for what in _faults(cell)}
    attacks, rounds = len({case.attack for case in found} - {"none"}), sum(cell["rounds"] for cell in cells)
    return Row(
        f"whole protocol, {attacks} attacks, {rounds} rounds: those whose weights, verdict, sums or payments are not,"
        " bit for bit, what the same updates give in the clear",
        "-",
        "0",
        float(len(different)),
        not different,
    )


HEADINGS: Final = (
    "attack",
    "rule",
    "noise",
    "attackers",
    "honest",
    "rounds",
    "published",
    "attackers in the sum",
    "honest in the sum",
    "attackers named",
    "honest named",
    "called idle: attackers",
    "honest ",
    "equal",
)


def protocol_table(found: Found) -> Table:
    rows = []
    for case, cells in found.items():
        setting = case.setting
        of = {"attackers": setting.attackers, "honest": setting.honest}
        rounds, published = (sum(cell[what] for cell in cells) for what in ("rounds", "published"))
        rows.append(
            (
                case.attack,
                setting.rule,
                case.noise,
                str(setting.attackers),
                str(setting.honest),
                str(rounds),
                str(published),
                *(_share(cells, "accepted", who, of[who] * published) for who in of),
                *(_named(cells, who) for who in of),
                *(_share(cells, "idle", who, of[who] * rounds) for who in of),
                "no" if any(map(_faults, cells)) else "yes",
            )
        )
    return Table("Through the whole protocol, held against the same updates in the clear", HEADINGS, tuple(rows))


def protocol_note() -> str:
    return (
        "Through the whole protocol: plans, PAD/1, five authorities' masked answers, openings, verdict, key, decrypted"
        f" sum and payment of every round, on the digits with {NOISE['little']:g} (little noise) or {NOISE['much']:g}"
        f" clips; {PROBATION} rounds of probation. Equal: weights, the whole verdict, accepted set and reasons, the"
        " decrypted sum, money and reputation of every round are bit for bit what the code of the other tables gives in"
        " the clear for the same terms, integers and sketch. In the sum: of published rounds. Named: how often, by"
        " reason; level is 0 in foolsgold. So few rounds show that it is the same, not what a rule reaches: beside"
        " clients of one class each, whoever is like attackers is out with them at first."
    )


def _keys(case: ProtocolCase, seeds: int | None) -> list[tuple[int, str]]:
    return [(seed, f"{case.key}.{seed}") for seed in range(1, 1 + (seeds or 1))]


def _faults(cell: Mapping[str, Any]) -> list[str]:
    faults: list[str] = cell["differences"]
    return faults


def _share(cells: Sequence[Mapping[str, Any]], what: str, who: str, most: int) -> str:
    return percent(sum(cell[what].get(who, 0) for cell in cells) / most, 0) if most else "-"


def _named(cells: Sequence[Mapping[str, Any]], who: str) -> str:
    counts: dict[str, int] = {}
    for cell in cells:
        for name, count in cell["named"].items():
            role, _, reason = name.partition(": ")
            if role == who:
                counts[reason] = counts.get(reason, 0) + count
    return ", ".join(f"{reason} {count}" for reason, count in sorted(counts.items())) or "-"
