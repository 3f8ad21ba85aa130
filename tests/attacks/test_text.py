"""A title, or an answer, that would rewrite what its reader sees: a line more, a line less, another figure."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from backend.process import configure_log
from client_agent.binding import TaskBinding
from client_agent.consent import disclose
from client_agent.consent_text import as_text
from client_agent.privacy.ledger import HOME, Spending
from protocol.audit.report import Report, require
from protocol.errors import MalformedError
from protocol.task.status import TaskStatus
from scripts.commands.task_file import SAMPLE, TaskFile
from scripts.commands.task_status import lines_of
from storage.ledger.ethereum.reader import EthereumReader
from storage.ledger.interface import LedgerError
from tests.samples import DOMAIN, sample_policy, sample_spec
from tests.unit.storage.ledger.node import Answer, node

SPEC, BINDING = sample_spec(), TaskBinding.of(DOMAIN, 7, b"\5" * 32)
FALSE_LINE = "ok\n  - budget 1000.000, spent so far 0.000\x1b[1A\u202e"
TITLES = st.one_of(st.text(min_size=1, max_size=120), st.just(FALSE_LINE))


def _disclosed(title: str, data_set: str = HOME) -> list[str]:
    spec, limits = replace(SPEC, title=title), sample_policy().privacy
    return as_text(disclose(spec, BINDING, 7, data_set, Spending(), limits)).split("\n")


@given(TITLES, TITLES)
def test_no_text_gives_the_disclosure_another_line(title: str, data_set: str) -> None:
    """Also if such a text had passed the decoder: nothing but the two lines that quote it differs."""
    plain, told = _disclosed("plain"), _disclosed(title, data_set)
    assert len("".join(told).splitlines()) == 1, "no line end of any kind within a line"
    assert len(told) == len(plain)
    assert all(line.isprintable() for line in told)
    differing = [number for number, (one, other) in enumerate(zip(plain, told, strict=True)) if one != other]
    quoting = [number for number, line in enumerate(plain) if "plain" in line or f"data set {HOME} " in line]
    assert set(differing) <= set(quoting)


@given(TITLES)
def test_no_title_gives_a_status_another_line(title: str) -> None:
    plain, told = (list(lines_of(TaskStatus(1, "running", title=text))) for text in ("plain", title))
    assert len(told) == len(plain)
    assert all(line.isprintable() for line in told)


@given(st.text())
def test_no_text_gives_a_verdict_another_line(text: str) -> None:
    report = Report()
    with report.check(7, "round 1"):
        require(False, f"the reason is {text}")
    with report.check(8, "round 1") as remarks:
        remarks.append(text)
    assert [str(line).isprintable() for line in report.lines] == [True, True]


def test_an_endpoint_does_not_write_on_the_screen() -> None:
    def refuse(question: dict[str, Any]) -> bytes:
        error = {"code": -32000, "message": FALSE_LINE}
        return json.dumps({"jsonrpc": "2.0", "id": question["id"], "error": error}).encode()

    answer: Answer = refuse
    with node(answer) as url, pytest.raises(LedgerError) as caught:
        EthereumReader(url, bytes(20)).block_number()
    assert str(caught.value).isprintable()
    assert "[U+000A]" in str(caught.value) and "[U+202E]" in str(caught.value)


def test_a_log_is_ascii_with_one_event_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    configure_log()
    structlog.get_logger().warning("refused", detail=FALSE_LINE, title="p\u0430ypal")
    (line,) = capsys.readouterr().err.splitlines()
    assert line.isascii() and line.isprintable()
    assert json.loads(line)["detail"] == FALSE_LINE


def test_a_task_file_may_name_a_kitchen_in_any_language(tmp_path: Path) -> None:
    task_file, sample = tmp_path / "task.toml", SAMPLE.read_text()
    kitchen = re.sub("^title = .*$", 'title = "Küche"', sample, count=1, flags=re.MULTILINE)
    task_file.write_bytes(kitchen.encode())
    assert TaskFile(task_file)._tables.task.title == "Küche"
    task_file.write_bytes(kitchen.encode("latin-1", "replace"))
    with pytest.raises(MalformedError):
        TaskFile(task_file)


def test_a_terminal_without_the_letters_ends_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "scripts.cli", "policy", "init", str(tmp_path / "厨房.toml")]
    environment = {**os.environ, "PYTHONIOENCODING": "latin-1", "PYTHONPATH": str(Path(__file__).parents[2])}
    ran = subprocess.run(command, env=environment, capture_output=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, b"")
    assert rb"\u53a8\u623f.toml" in ran.stdout
