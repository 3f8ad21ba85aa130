"""How an evaluation is run, resumed, written and shown; none of the figures."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from scripts.cli import app
from scripts.commands.outcome import OutputError
from scripts.evaluate import page, plots, registry
from scripts.evaluate.evaluation import (
    Cell,
    Evaluation,
    Line,
    Plot,
    Profile,
    Progress,
    Report,
    Results,
    Row,
    Silent,
    Table,
)
from scripts.evaluate.plots import PlotsMissingError
from scripts.evaluate.runner import CELLS, run_cells
from scripts.evaluate.told import tell
from scripts.evaluate.written import page as html_of
from scripts.evaluate.written import write_report

PICTURE = Plot(
    "curve", "A curve", "x", "y", (Line("one", (1.0, 2.0), (3.0, 4.0), (0.1, 0.2)), Line("two", (1.0,), (2.0,)))
)


@dataclass
class Counting:
    """Two cells; one may be killed in the middle."""

    keys: Sequence[str] = ("first-0", "second-0")
    dies: str = ""
    value: float = 0.5
    ran: list[str] = field(default_factory=list)
    name: str = "bdp"

    def cells(self, profile: Profile) -> Sequence[Cell]:
        return [Cell(key, lambda progress, key=key: self._run(key, progress)) for key in self.keys]  # type: ignore[misc]

    def _run(self, key: str, progress: Progress) -> Mapping[str, Any]:
        self.ran.append(key)
        progress.advance(1, 2)
        if key == self.dies:
            raise KeyboardInterrupt
        return {"value": self.value, "curve": (1, 2)}

    def report(self, profile: Profile, results: Results) -> Report:
        values = [one["value"] for one in results.values()]
        assert [one["curve"] for one in results.values()] == [[1, 2]] * len(values), "not what a resumed one gets"
        row = Row("a | <b> thing", "-", ">= 0.4", min(values), min(values) >= 0.4)
        table = Table("A table", ("name", "value"), (("é & 'x'", "1"),))
        return Report("A <title>", (row,), (table,), (PICTURE,), ('A "note".',))


def _silent(*_: object) -> Progress:
    return Silent()


def _told(evaluation: Evaluation) -> dict[str, Any]:
    return tell(evaluation, "full", None, run_cells(evaluation, "full", None, _silent))


@pytest.fixture
def counting(monkeypatch: pytest.MonkeyPatch) -> Counting:
    """What ``hearth evaluate bdp`` runs."""
    made = Counting()
    monkeypatch.setattr(registry, "evaluation", lambda name, seeds: made)
    return made


def test_what_was_ended_goes_on_with_the_cell_that_has_no_result(tmp_path: Path) -> None:
    ended = Counting(dies="second-0")
    with pytest.raises(KeyboardInterrupt):
        run_cells(ended, "small", tmp_path, _silent)
    resumed = Counting()
    kept = run_cells(resumed, "small", tmp_path, _silent)
    assert (ended.ran, resumed.ran) == (["first-0", "second-0"], ["second-0"])
    assert {key: one["result"]["value"] for key, one in kept.items()} == {"first-0": 0.5, "second-0": 0.5}


@pytest.mark.parametrize("content", ["", "{", "[1]", '{"result": 3, "seconds": 1}', '{"result": {}}'])
def test_half_a_result_is_none(tmp_path: Path, content: str) -> None:
    run_cells(Counting(), "small", tmp_path, _silent)
    (tmp_path / CELLS / "small-first-0.json").write_text(content)
    again = Counting()
    run_cells(again, "small", tmp_path, _silent)
    assert again.ran == ["first-0"]


def test_profiles_share_no_result(tmp_path: Path) -> None:
    run_cells(Counting(), "small", tmp_path, _silent)
    other = Counting()
    run_cells(other, "full", tmp_path, _silent)
    assert other.ran == ["first-0", "second-0"]


@pytest.mark.parametrize("keys", [("one", "one"), ("../up",), ("",), ("a b",)])
def test_keys_are_different_names(keys: Sequence[str]) -> None:
    with pytest.raises(ValueError, match="keys"):
        run_cells(Counting(keys=keys), "small", None, _silent)


def test_a_part_alone(tmp_path: Path) -> None:
    part = Counting()
    assert list(run_cells(part, "small", tmp_path, _silent, only="second")) == ["second-0"]
    assert part.ran == ["second-0"]


def test_a_report_on_disk_holds_all_and_needs_nothing_beside_it(tmp_path: Path) -> None:
    told = _told(Counting())
    write_report(told, tmp_path / "new", with_plots=True)
    assert json.loads((tmp_path / "new" / "report.json").read_text()) == json.loads(json.dumps(told))
    picture = (tmp_path / "new" / "curve.png").read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert plots.png(PICTURE) == picture
    text = (tmp_path / "new" / "report.html").read_text(encoding="ascii")
    assert "hearth evaluate bdp --profile full" in text
    assert not re.search(r'(src|href)="(?!data:)', text)
    write_report(told, tmp_path / "plain", with_plots=False)
    assert not list((tmp_path / "plain").glob("*.png"))


def test_nothing_of_a_report_is_markup() -> None:
    text = html_of(_told(Counting()), {})
    assert "<title>A &#60;title&#62;</title>" in text
    assert "<b>" not in text
    assert "&#233; &#38; &#39;x&#39;" in text
    assert text.isascii()


@pytest.mark.parametrize(("value", "code"), [(0.5, 0), (0.3, 1)])
def test_the_exit_code_says_whether_targets_are_met(
    counting: Counting, tmp_path: Path, value: float, code: int
) -> None:
    counting.value = value
    options = ["evaluate", "bdp", "--json", str(tmp_path / "out.json"), "--report", str(tmp_path / "r"), "--no-plots"]
    ended = CliRunner().invoke(app, options)
    assert ended.exit_code == code, ended.output
    written = json.loads((tmp_path / "out.json").read_text())
    assert (written["met"], written["profile"]) == (value >= 0.4, "small")
    assert written == json.loads((tmp_path / "r" / "report.json").read_text())
    assert {"python", "numpy"} <= written["versions"].keys()


def test_without_matplotlib_nothing_is_begun(
    counting: Counting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plots, "find_spec", lambda name: None)
    ended = CliRunner().invoke(app, ["evaluate", "bdp", "--report", str(tmp_path)])
    assert isinstance(ended.exception, PlotsMissingError)
    assert "--no-plots" in str(ended.exception)
    assert counting.ran == []
    assert CliRunner().invoke(app, ["evaluate", "bdp", "--report", str(tmp_path), "--no-plots"]).exit_code == 0


@pytest.mark.parametrize("words", [["none"], ["bdp", "--profile", "huge"], ["bdp", "--only", "a"], []])
def test_what_is_not_understood(counting: Counting, words: list[str]) -> None:
    assert CliRunner().invoke(app, ["evaluate", *words]).exit_code == 2
    assert counting.ran == []


def test_a_part_that_nothing_belongs_to_is_said(counting: Counting, tmp_path: Path) -> None:
    ended = CliRunner().invoke(app, ["evaluate", "bdp", "--only", "secnod", "--report", str(tmp_path), "--no-plots"])
    assert ended.exit_code == 2
    assert "did you mean second-0" in " ".join(ended.output.split())
    assert counting.ran == []


@pytest.mark.parametrize("name", ["cells", "report.json", "report.html"])
def test_what_cannot_be_written_over_is_said_before_the_work(counting: Counting, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("") if name == CELLS else (tmp_path / name).mkdir()
    ended = CliRunner().invoke(app, ["evaluate", "bdp", "--report", str(tmp_path), "--no-plots"])
    assert isinstance(ended.exception, OutputError)
    assert name in str(ended.exception)
    assert counting.ran == []


def test_the_page_tells_misses_and_their_reasons() -> None:
    met, missed = _told(Counting()), _told(Counting(value=0.1))
    assert page.faults({"bdp": met}, {}, page.page({"bdp": met}, {})) == []
    assert page.faults({"bdp": met}, {}, "old") == ["docs/learning.md is stale: python -m scripts.evaluate.page"]
    assert "no note" in page.faults({"bdp": missed}, {}, page.page({"bdp": missed}, {}))[0]
    notes = {"a | <b> thing": "Too little\nnoise."}
    text = page.page({"bdp": missed}, notes)
    assert page.faults({"bdp": missed}, notes, text) == []
    assert "**Missed, bdp: a | <b> thing.** Too little noise." in text
    assert "not missed" in page.faults({"bdp": met}, notes, page.page({"bdp": met}, notes))[0]
    assert "small" in page.faults({"bdp": {**met, "profile": "small"}}, {}, None)[0]


def test_attackers_have_a_page_of_their_own() -> None:
    reports = dict.fromkeys(registry.EVALUATIONS, _told(Counting()))
    of_learning, of_attackers = (page.on_page(which, reports) for which in page.PAGES)
    assert set(of_attackers) == {"poisoning", "incentives", "openings"}
    assert not of_learning.keys() & of_attackers.keys() and of_learning.keys() | of_attackers.keys() == reports.keys()
    text = page.page(of_attackers, {}, page.POISONING)
    assert page.faults(of_attackers, {}, text, page.POISONING) == []
    assert page.faults(of_attackers, {}, text)[0].startswith("docs/learning.md is stale")


def test_the_page_in_the_repository_is_what_its_reports_give() -> None:
    assert page.main(["--check"]) == 0


def test_every_evaluation_has_a_name_and_rows_for_it() -> None:
    assert list(asdict(Row("w", "b", "t", 1.0, True))) == ["what", "bar", "target", "value", "met"]
    for name in ("bdp", "sparsity"):
        assert registry.evaluation(name).name == name
