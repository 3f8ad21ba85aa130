"""A second implementation of PAD/1, in JavaScript, agrees with every vector, and notices when one is changed."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from scripts.checks.node_tools import ensure_node

READER = Path(__file__).parent / "read_pad_vectors.mjs"
VECTORS = Path(__file__).parents[1] / "vectors" / "encryption"


def read(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [str(ensure_node() / "node"), str(READER), str(folder)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def test_javascript_recomputes_every_vector() -> None:
    answer = read(VECTORS)
    assert answer.returncode == 0, answer.stderr
    counts = json.loads(answer.stdout)
    assert counts["refused"] == len(json.loads((VECTORS / "pad_broken.json").read_text())["cases"])
    assert counts["compared"] > 150


def _ciphertext(vectors: dict[str, Any]) -> None:
    client = vectors["rounds"][0]["clients"][1]
    client["ciphertext"] = client["ciphertext"][:-1] + ("0" if client["ciphertext"][-1] != "0" else "1")


def _sum_key(vectors: dict[str, Any]) -> None:
    keys = vectors["rounds"][4]["sum_keys"]
    keys["1"], keys["2"] = keys["2"], keys["1"]


def _decrypted(vectors: dict[str, Any]) -> None:
    vectors["rounds"][1]["decrypted"][0] += 1


@pytest.mark.parametrize("change", [_ciphertext, _sum_key, _decrypted])
def test_a_changed_vector_is_noticed(tmp_path: Path, change: Any) -> None:
    shutil.copytree(VECTORS, tmp_path / "vectors")
    path = tmp_path / "vectors" / "pad.json"
    vectors = json.loads(path.read_text())
    change(vectors)
    path.write_text(json.dumps(vectors))
    assert read(tmp_path / "vectors").returncode == 1


def test_what_must_be_refused_and_is_not_is_noticed(tmp_path: Path) -> None:
    shutil.copytree(VECTORS, tmp_path / "vectors")
    path = tmp_path / "vectors" / "pad_broken.json"
    vectors = json.loads(path.read_text())
    truncated = vectors["cases"][0]
    assert truncated["step"] == "fold"
    truncated["body"] += "00"  # now it is as long as it should be
    path.write_text(json.dumps(vectors))
    assert read(tmp_path / "vectors").returncode == 1
