"""The command around the gas measurement: exit code, JSON, snapshot."""

from __future__ import annotations

import copy
import json
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from scripts.bench import gas_report
from scripts.bench.gas_report import read_snapshot
from scripts.cli import app


@pytest.fixture
def result(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Any]:
    """What the next run will have measured; the snapshot is a copy of it that keeps every promise."""
    result = copy.deepcopy(read_snapshot())
    result["claims"] = dict.fromkeys(result["claims"], 50_000)
    result["functions"]["commitDirect"] = {"first": 60_000, "later": 60_000}
    result["per_update_all_in"]["100"] = 15_000.0
    monkeypatch.setattr(gas_report, "SNAPSHOT", tmp_path / "gas.json")
    (tmp_path / "gas.json").write_text(json.dumps(result))
    monkeypatch.setattr("scripts.bench.gas.local_chain", lambda: nullcontext(("url", "faucet")))
    monkeypatch.setattr("scripts.bench.gas.run", lambda *_: result)
    return result


def bench(*arguments: str) -> tuple[int, str]:
    ran = CliRunner().invoke(app, ["bench", "gas", *arguments])
    return ran.exit_code, ran.output


def test_the_json_has_the_agreed_keys(result: dict[str, Any], tmp_path: Path) -> None:
    code, shown = bench("--clients", "10,100", "--json", str(tmp_path / "out.json"))
    assert code == 0, shown
    written = json.loads((tmp_path / "out.json").read_text())
    assert written == result
    assert {"functions", "round", "per_update", "per_update_all_in"} <= written.keys()
    assert "openRound" in shown and "MISSED" not in shown


def test_a_rise_is_an_exit_code_until_it_is_made_the_snapshot(result: dict[str, Any]) -> None:
    result["functions"]["openRound"]["first"] *= 2
    code, shown = bench()
    assert code == 1 and "openRound first" in shown
    assert bench("--update")[0] == 0
    assert bench()[0] == 0


def test_a_missed_promise_is_an_exit_code_whatever_the_snapshot_says(result: dict[str, Any]) -> None:
    result["functions"]["commitDirect"]["later"] = 91_001
    assert bench("--update")[0] == 1
    code, shown = bench()
    assert code == 1 and "MISSED" in shown


@pytest.mark.parametrize("clients", ["", "ten", "1", "5000", "10,"])
def test_sizes_that_make_no_sense(clients: str, result: dict[str, Any]) -> None:
    assert bench("--clients", clients)[0] == 2
