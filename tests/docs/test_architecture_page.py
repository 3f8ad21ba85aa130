"""docs/architecture.md has the rooms, the floors and the import rules that there are."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from tests.tracked import ROOT, tracked

PAGE = (ROOT / "docs" / "architecture.md").read_text()
RULES = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
FILES = [path.relative_to(ROOT).as_posix() for path in tracked()]


def rows(heading: str) -> list[list[str]]:
    """Cells of the table whose first heading this is."""
    (table,) = re.findall(rf"^\| {re.escape(heading)} \|.*\n\|[ |-]+\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
    return [[cell.strip(" `") for cell in row.strip("|").split(" |")] for row in table.splitlines()]


def test_the_rooms() -> None:
    filled = {
        Path(name).parent.as_posix() for name in FILES if name.endswith(".py") and not name.endswith("__init__.py")
    }
    assert sorted(row[0] for row in rows("room")) == sorted(room for room in filled if not room.startswith("tests"))


def test_the_folders_of_tests() -> None:
    named = [name for row in rows("folder") for name in re.findall(r"\w+", row[0])]
    assert sorted(named) == sorted({name.split("/")[1] for name in FILES if re.match(r"tests/\w+/", name)})


def test_the_floors() -> None:
    (layers,) = [rule["layers"] for rule in RULES if rule["type"] == "layers"]
    block = PAGE.split("```")[1].strip("\n").splitlines()
    assert [line.split("  ")[0].strip() for line in block] == layers


def test_the_import_rules() -> None:
    assert [row[0] for row in rows("rule")] == [rule["name"] for rule in RULES]


def test_the_files_of_the_steps() -> None:
    files = re.findall(r"`((?:protocol|backend|client_agent|scripts|storage|tests)/[\w/]+\.py)`", PAGE)
    assert len(files) > 10
    assert [file for file in files if file not in FILES] == []
