"""The MNIST promise of the README's command, on anvil, with 6,000 examples on each of ten phones."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from scripts.guard import run_guarded
from scripts.launcher import hearth_command

MISSING = "HEARTH_DATA_DIR names no folder with mnist/ in it: the MNIST demonstration is not tested"


@pytest.mark.skipif(not (Path(os.environ.get("HEARTH_DATA_DIR", "/nowhere")) / "mnist").is_dir(), reason=MISSING)
def test_the_mnist_demonstration_keeps_its_promise(tmp_path: Path) -> None:
    figures_file = tmp_path / "figures.json"
    command = ["demo", "--dataset", "mnist", "--suite", "fe64", "--chain", "anvil", "--rounds", "20", "--seed", "1"]
    ran = run_guarded([*hearth_command(), *command, "--json", str(figures_file)], capture_output=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    figures = json.loads(figures_file.read_text())
    assert figures["accuracy"][-1] >= 0.95
    assert figures["epsilon"] <= 1
    assert figures["delta"] == 1e-5
    dense = figures["dense_bytes_per_update"]
    assert figures["ciphertext_bytes_per_update"] < dense / 3
    assert figures["bytes_per_update"] <= dense * 0.75
    assert (figures["audit"]["verdict"], figures["all_claimed"]) == ("PASS", True)
