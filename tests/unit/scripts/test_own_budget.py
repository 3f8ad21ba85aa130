"""``hearth budget --folder``: what one task has cost an owner's own examples, from what that phone kept."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from client_agent.journal import AgentJournal
from scripts.cli import app
from scripts.commands.budget import own_lines
from storage.records.interface import RecordsBusyError
from storage.records.journal import Journal
from tests.unit.client_agent.test_agent_journal import KEYS, _sealed
from tests.unit.client_agent.test_followed import followed, kept


def _phone(folder: Path, held: int) -> AgentJournal:
    journal = AgentJournal(Journal(folder / "journal"))
    journal.keep_keys(KEYS)
    if held:
        journal.seal(_sealed(1), b"body", kept(followed(range(held), 4, 1)))
    return journal


def test_it_shows_both_figures_whole(tmp_path: Path) -> None:
    _phone(tmp_path / "task", 40).close()
    shown = CliRunner().invoke(app, ["budget", "--household", str(tmp_path), "--folder", str(tmp_path / "task")])
    assert shown.exit_code == 0, shown.output
    text = " ".join(shown.output.split())
    assert "no data set was used yet" in text and "for your eyes only" in text
    for part in ("weak Bayesian differential privacy of one example", "PLD/1", "indicative only", "delta 1e-6"):
        assert part in text


def test_a_task_that_holds_nobody_out_has_none(tmp_path: Path) -> None:
    _phone(tmp_path, 0).close()
    assert "holds none out" in list(own_lines(tmp_path))[1]


def test_a_folder_that_is_no_phones_is_not_made_one(tmp_path: Path) -> None:
    with pytest.raises(typer.BadParameter, match="no phone"):
        list(own_lines(tmp_path / "other"))
    assert not (tmp_path / "other").exists()


def test_not_while_the_phone_runs(tmp_path: Path) -> None:
    journal = _phone(tmp_path, 40)
    with pytest.raises(RecordsBusyError):
        list(own_lines(tmp_path))
    journal.close()
    assert len(list(own_lines(tmp_path))) > 3
