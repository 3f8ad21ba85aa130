"""docs/protocol.md has the state table, the HTTP interfaces and the learning terms of the code."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import get_type_hints

from backend.problem import status_of
from protocol.errors import HearthError
from protocol.messages.learning import LearningTerms
from protocol.round.state_table import TRANSITIONS
from protocol.task.status import RoundStatus, TaskStatus
from protocol.version import PROTOCOL_NAME, PROTOCOL_VERSION

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "protocol.md").read_text()
WORDS = " ".join(PAGE.split())  # lines joined
ROUTE = re.compile(r'@\w+\.(get|post|put|delete)\(\s*"([^"]+)"')


def rows(heading: str) -> list[list[str]]:
    """Cells of the table whose first heading this is."""
    (table,) = re.findall(rf"^\| {re.escape(heading)} \|.*\n\|[ |-]+\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
    return [[cell.strip() for cell in row.strip("|").split(" |")] for row in table.splitlines()]


def test_the_state_table() -> None:
    table = {(row[0].upper(), row[1].upper()): row[2].replace("`", "") for row in rows("from")}
    assert table == {(before.name, after.name): function for (before, after), function in TRANSITIONS.items()}


def routes_of(*files: str) -> set[str]:
    return {
        f"{method.upper()} {path}"
        for pattern in files
        for file in ROOT.glob(pattern)
        for method, path in ROUTE.findall(file.read_text())
    }


def test_the_routes() -> None:
    for party, files in (("edge server", "backend/api/phones.py"), ("key authority", "backend/key_authority/*.py")):
        named = [row[0].strip("`").split("?")[0] for row in rows(party)]
        assert len(named) == len(set(named)) >= 4
        assert set(named) == routes_of(files)


def test_the_status_of_errors() -> None:
    usual = {400, 422, 500}
    for status, codes in (row[:2] for row in rows("status")):
        for code in re.findall(r"E_\w+", codes):
            assert status_of(HearthError("", code=code)) == int(status)
            assert int(status) not in usual
    page = {code for row in rows("status") for code in re.findall(r"E_\w+", row[1])}
    raised = {
        code for file in (ROOT / "backend").rglob("*.py") for code in re.findall(r'"(E_[A-Z_]+)"', file.read_text())
    }
    assert {code for code in raised if status_of(HearthError("", code=code)) not in usual} == page


def test_the_learning_terms() -> None:
    table = {row[0].strip("`"): re.findall(r"`(\w+)`", row[1]) for row in rows("`learning.`")}
    parts = get_type_hints(LearningTerms)
    assert table == {name: [field.name for field in fields(part)] for name, part in parts.items()}


def test_the_status_of_a_task() -> None:
    for view in (TaskStatus, RoundStatus):
        named = re.findall(r"`(\w+)`", " ".join(row[0] for row in rows(f"`{view.__name__}`")))
        assert sorted(named) == sorted(field.name for field in fields(view))


def test_the_domain_and_the_tags() -> None:
    assert f"The domain is name `{PROTOCOL_NAME}`, version `{PROTOCOL_VERSION}`, chain id, ledger." in WORDS
    tags = re.findall(r'"([A-Z0-9]+/[a-z0-9/]+)"', PAGE)
    code = "".join(path.read_text() for path in (ROOT / "protocol").rglob("*.py"))
    assert tags
    assert [tag for tag in tags if f'b"{tag}"' not in code] == []
