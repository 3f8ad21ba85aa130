"""The benchmark of screening: one tiny run, whose openings are those of the updates. No timing is asserted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from scripts.bench import timing
from scripts.bench.screening import BOUNDS, targets
from scripts.bench.screening_round import Round
from scripts.cli import app

PARTS = {
    "hashes and signatures",
    "sketch",
    "pads",
    "updates and sum key",
    "sketches",
    "sketches of histories",
    "inner products and masks",
    "histories",
}


def test_a_tiny_run_has_all_that_an_authority_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "LEAST_SECONDS", 0)
    file = tmp_path / "out.json"
    arguments = ["--clients", "3", "--dimensions", "50,70", "--committee", "3,2", "--json", str(file)]
    ended = CliRunner().invoke(app, ["bench", "screening", *arguments])
    assert ended.exit_code == 0, ended.output
    rows = json.loads(file.read_text())["rows"]
    assert [row["dimension"] for row in rows] == [50, 70]
    for row in rows:
        assert row["authority_parts_ms"].keys() == PARTS
        assert row["authority_ms"] == pytest.approx(sum(row["authority_parts_ms"].values()), abs=0.1)
        assert row["answer_bytes"] == 6 * (6 + 12 + 6)
        assert row["authority_ms"] > 0 <= row["plaintext_gram_ms"]


def test_openings_of_other_updates_are_noticed() -> None:
    played = Round(3, 40, 3, 2)
    played.openings()
    played.values[1, 7] += 1
    with pytest.raises(ArithmeticError):
        played.openings()


@pytest.mark.parametrize(("measured", "met"), [(59.9, True), (60.1, False)])
def test_a_target_is_for_its_size_alone(measured: float, met: bool) -> None:
    row = {"clients": 100, "dimension": 10_000, "committee": [5, 2], "authority_ms": measured}
    assert [target["met"] for target in targets([row])] == [met]
    assert targets([{**row, "clients": 99}]) == []
    assert sorted(BOUNDS.values()) == [60, 450]


@pytest.mark.parametrize(
    "words", [["--committee", "3,3"], ["--committee", "9,2"], ["--committee", "x"], ["--dimensions", "0"]]
)
def test_what_cannot_be_measured_is_said(words: list[str]) -> None:
    assert CliRunner().invoke(app, ["bench", "screening", *words]).exit_code == 2
