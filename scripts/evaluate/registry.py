"""Evaluations by name. Each is loaded when it is asked for: some need much that others do not."""

from __future__ import annotations

from importlib import import_module
from typing import Final

from scripts.evaluate.evaluation import Evaluation

# module and class; the class takes the number of seeds that was asked for, or None
EVALUATIONS: Final = {
    "bdp": ("scripts.evaluate.bdp", "Bdp"),
    "normalisation": ("scripts.evaluate.normalisation", "Normalisation"),
    "sparsity": ("scripts.evaluate.sparsity", "Sparsity"),
    "appliances": ("scripts.evaluate.appliances", "Appliances"),
    "traffic": ("scripts.evaluate.traffic", "Traffic"),
    "adaptive": ("scripts.evaluate.adaptive", "Adaptive"),
    "attack": ("scripts.evaluate.attack", "Attack"),
    "poisoning": ("scripts.evaluate.poisoning", "Poisoning"),
    "incentives": ("scripts.evaluate.incentives", "Incentives"),
    "openings": ("scripts.evaluate.openings", "OpeningsRead"),
}
SPOKEN: Final = {"openings": "attack --openings"}  # how a command names an evaluation, if not by its name


def evaluation(name: str, seeds: int | None = None) -> Evaluation:
    """Raises KeyError for a name that there is not."""
    module, kind = EVALUATIONS[name]
    made: Evaluation = getattr(import_module(module), kind)(seeds)
    return made
