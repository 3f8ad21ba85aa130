"""docs/models.md: every kind of layer with its arguments, and the samples that it measures."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from protocol.model import specification
from protocol.model.specification import dimension_of, multiplications_of
from scripts.commands.model_check import read_model

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = (DOCS / "models.md").read_text()
SAMPLES = sorted((DOCS / "samples" / "models").glob("*.toml"))


def test_every_kind_of_layer_and_no_other() -> None:
    rows = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \| (.*?) \|", PAGE.split("## 2.")[0], re.MULTILINE)
    written = {
        kind: re.findall(r"`(\w+)`", arguments) for kinds, arguments in rows for kind in re.findall(r"\w+", kinds)
    }
    assert written == {kind: list(names) for kind, (names, _) in specification._LAYERS.items()}


def test_the_task_file_lists_them_too() -> None:
    comments = [line for line in (DOCS / "samples" / "task.toml").read_text().splitlines() if line.startswith("#   ")]
    for kind, (names, _) in specification._LAYERS.items():
        (line,) = [line for line in comments if re.search(rf"\b{kind}\b", line)]
        assert all(re.search(rf"\b{name}\b", line) for name in names), kind


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_the_samples_are_models_of_the_size_that_the_page_says(path: Path) -> None:
    model, _ = read_model(path)
    assert f"{dimension_of(model):,} parameters" in path.read_text().splitlines()[0]
    row = f"| `{path.name}` | {dimension_of(model):,} | {multiplications_of(model):,} |"
    assert row in PAGE
