"""docs/attacks.md is complete: each row has tests that are run; each item of issue 11 and each attack has a row."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.tracked import ROOT, tracked

DOCS = ROOT / "docs"
TABLE, OPEN = (DOCS / "attacks.md").read_text().split("\n## Open\n")
ROWS = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in TABLE.splitlines() if line.startswith("| ")]
ATTACKS = ROWS[2:]
ITEMS = {
    f"{part}{n}"
    for part, numbers in {"A": (1, 7), "B": (8, 13), "C": (14, 18), "D": (19, 21)}.items()
    for n in range(numbers[0], numbers[1] + 1)
}
PARTIES = {"manufacturer", "edge server", "key authority", "client", "chain endpoint", "content store", "anybody"}
LINK = re.compile(r"\[`(\w+)`\]\(([^)]+)\)")
FILE = re.compile(r"\]\((\.\./tests/[^)]+)\)")


@cache
def collected(path: Path) -> frozenset[str]:
    """The tests that a runner finds in a file of ``tests``: pytest by its own names, Foundry in ``*.t.sol``."""
    text = path.read_text()
    if path.name.endswith(".t.sol"):
        return frozenset(re.findall(r"function ((?:test|invariant)\w*)\(", text))
    if not re.fullmatch(r"test_\w+\.py", path.name):
        return frozenset()
    return frozenset(_names(ast.parse(text).body))


def _names(body: list[ast.stmt]) -> Iterator[str]:
    for node in body:
        match node:
            case ast.FunctionDef(name=name) if name.startswith("test_"):
                yield name
            case ast.ClassDef(name=name, body=inner) if name.startswith("Test"):
                yield from (name, *_names(inner))
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Attribute(attr="TestCase")) if name[:4] == "Test":
                yield name
            case _:
                pass


def linked(page: str) -> set[Path]:
    """The files of tests that a page links to."""
    return {(DOCS / link).resolve() for link in FILE.findall(page)}


def test_the_table_has_the_columns_that_the_page_explains() -> None:
    assert ROWS[0] == ["item", "attack", "who", "gains or costs", "what stops it", "test"]
    assert len(ATTACKS) > 60


@pytest.mark.parametrize("row", ATTACKS, ids=lambda row: str(row[1]))
def test_every_row_is_whole(row: list[str]) -> None:
    assert len(row) == 6
    assert all(row)
    item, _, who, *_, tests = row
    assert item in {*ITEMS, "-"}
    assert set(who.split(", ")) <= PARTIES
    links = LINK.findall(tests)
    assert " ".join(f"[`{name}`]({link})" for name, link in links) == tests, "something else than tests"
    for name, link in links:
        path = (DOCS / link).resolve()
        assert path in tracked(".py", ".sol"), link
        assert path.is_relative_to(ROOT / "tests"), link
        assert name in collected(path), f"{link} has no {name}"


def test_no_attack_is_there_twice() -> None:
    attacks = [row[1] for row in ATTACKS]
    assert len(set(attacks)) == len(attacks)


def test_every_item_is_closed_with_a_row_or_open() -> None:
    closed = {row[0] for row in ATTACKS} - {"-"}
    still_open = re.findall(r"^\* (\w+): .+\.$", OPEN, re.MULTILINE)
    assert len(still_open) == OPEN.count("\n* "), "an item without a number"
    assert len(set(still_open)) == len(still_open)
    assert closed.isdisjoint(still_open)
    assert closed.union(still_open) == ITEMS


def test_every_file_of_attacks_has_a_row() -> None:
    files = {path for path in tracked(".py") if path.is_relative_to(ROOT / "tests" / "attacks") and collected(path)}
    assert len(files) > 15
    assert files - linked(TABLE) == set()


def test_every_test_of_the_threat_model_has_a_row() -> None:
    assert linked((DOCS / "threat-model.md").read_text()) - linked(TABLE) == set()


def test_what_no_runner_finds_counts_as_no_test(tmp_path: Path) -> None:
    text = "def test_one(): ...\nclass TestTwo:\n    def test_three(self): ...\n    def four(self): ...\n"
    (tmp_path / "test_some.py").write_text(text)
    (tmp_path / "some.py").write_text(text)
    (tmp_path / "Some.t.sol").write_text("function testFuzz_six(uint x) external {}\nfunction seven() internal {}\n")
    assert collected(tmp_path / "test_some.py") == {"test_one", "TestTwo", "test_three"}
    assert collected(tmp_path / "some.py") == set()
    assert collected(tmp_path / "Some.t.sol") == {"testFuzz_six"}
