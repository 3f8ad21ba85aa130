"""Mutants that make no difference, each with the reason, in ``contracts/mutants.toml``: they are not tried."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from contracts.compiler import ROOT
from scripts.checks.mutate.mutants import Mutant

ANSWERS: Final = ROOT / "contracts" / "mutants.toml"


def without_equivalent(mutants: Sequence[Mutant], path: Path = ANSWERS) -> list[Mutant]:
    """``mutants`` are all that there are. Raises ValueError when an answer has no reason or is of none of them."""
    answered: set[Mutant] = set()
    for answer in tomllib.loads(path.read_text(encoding="utf-8"))["equivalent"]:
        place = answer["file"], answer["function"], answer["before"], answer["after"]
        found = [mutant for mutant in mutants if _place(mutant) == place]
        if not found or not answer["reason"]:
            raise ValueError(f"{path.name}: no mutant, or no reason: {' '.join(place)}")
        answered.update(found)
    return [mutant for mutant in mutants if mutant not in answered]


def _place(mutant: Mutant) -> tuple[str, str, str, str]:
    return mutant.file, mutant.function, mutant.before.strip(), mutant.after.strip()
