"""What an evaluation found, as JSON: its report, and all that is needed to run it again."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

from scripts.evaluate.evaluation import Evaluation, Profile
from scripts.evaluate.registry import SPOKEN
from scripts.evaluate.runner import Kept

_PACKAGES: Final = ("numpy", "numba", "matplotlib", "torch")


def tell(evaluation: Evaluation, profile: Profile, seeds: int | None, kept: Mapping[str, Kept]) -> dict[str, Any]:
    """``kept``: of all cells of the profile."""
    report = evaluation.report(profile, {key: one["result"] for key, one in kept.items()})
    asked = "" if seeds is None else f" --seeds {seeds}"
    return {
        "evaluation": evaluation.name,
        "profile": profile,
        "command": f"hearth evaluate {SPOKEN.get(evaluation.name, evaluation.name)} --profile {profile}{asked}",
        "seeds": seeds,
        "versions": versions(),
        "seconds": round(sum(one["seconds"] for one in kept.values()), 1),
        "cells": {key: one["seconds"] for key, one in kept.items()},
        "met": report.met,
        "report": asdict(report),
    }


def versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
