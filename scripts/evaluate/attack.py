"""``hearth evaluate attack``: what attacks get out of the product's own training, with each mechanism and without one.

One-run audits of every mechanism, membership by likelihood ratio, property inference, and the attack by a generator.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from scripts.evaluate.attack_cells import (
    GENERATORS,
    MEMBERSHIPS,
    PROPERTIES,
    SIZES,
    Sizes,
    run_generator,
    run_membership,
    run_property,
)
from scripts.evaluate.attack_report import report_of
from scripts.evaluate.attacks.audits import AUDITS, Audit
from scripts.evaluate.evaluation import Cell, Profile, Progress, Report, Results

NOISES: Final = {"claimed": True, "off": False}


class Attack:
    """An :class:`~scripts.evaluate.evaluation.Evaluation`."""

    name = "attack"

    def __init__(self, seeds: int | None) -> None:
        self._seeds = seeds

    def cells(self, profile: Profile) -> Sequence[Cell]:
        sizes = SIZES[profile]
        seeds = range(1, 1 + (self._seeds or sizes.seeds))
        cells = [
            Cell(f"audit.{_word(audit.name)}.{noise}.{seed}", _audit(audit, sizes, with_noise, seed))
            for audit in AUDITS
            for noise, with_noise in NOISES.items()
            for seed in seeds
        ]
        for kind, names, run in (
            ("membership", MEMBERSHIPS, run_membership),
            ("property", PROPERTIES, run_property),
            ("generator", sizes.generators or GENERATORS, run_generator),
        ):
            cells += [
                Cell(f"{kind}.{_word(name)}.{seed}", _bound(run, name, sizes, seed)) for name in names for seed in seeds
            ]
        return cells

    def report(self, profile: Profile, results: Results) -> Report:
        return report_of(profile, results)


def _audit(audit: Audit, sizes: Sizes, noise: bool, seed: int) -> Callable[[Progress], Mapping[str, Any]]:
    def run(progress: Progress) -> Mapping[str, Any]:
        found = {"seed": seed, **audit.run(sizes.audits.get(audit.name, sizes.audit), noise, seed)}
        progress.advance(1, 1)
        return found

    return run


def _bound(
    run: Callable[[str, Sizes, int, Progress], Mapping[str, Any]], name: str, sizes: Sizes, seed: int
) -> Callable[[Progress], Mapping[str, Any]]:
    return lambda progress: {"name": name, "seed": seed, **run(name, sizes, seed, progress)}


def _word(name: str) -> str:
    """As part of a key."""
    return "".join(letter if letter.isalnum() else "-" for letter in name).replace("--", "-")
