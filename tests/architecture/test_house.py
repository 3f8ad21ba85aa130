"""The house rules that a program can check: sizes, names, depths, and what must not stand in any file."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.tracked import ROOT, tracked

FILES = tracked()
PACKAGES = ("backend", "client_agent", "contracts", "protocol", "scripts", "storage")
SOURCES = [path for path in FILES if path.suffix == ".py"]
TEXTS = [path for path in FILES if path.suffix not in (".png", ".gz") and "locks" not in path.parts]

ALLOWED_AT_TOP = {
    *PACKAGES,
    *("docker", "docs", "tests", ".ci", ".gitignore", "pyproject.toml"),
    *("README.md", "CONTRIBUTING.md", "LICENSE", "CHANGELOG.md"),
}
BANNED_NAMES = {"utils", "util", "helpers", "helper", "common", "core", "misc", "manager", "base"}
MAX_LINES = 300
IMPURE = {"os", "socket", "time", "random", "secrets", "datetime", "pathlib", "threading", "subprocess", "asyncio"}


def _relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_only_the_agreed_folders_stand_at_the_top() -> None:
    assert {path.relative_to(ROOT).parts[0] for path in FILES} <= ALLOWED_AT_TOP


@pytest.mark.parametrize("path", SOURCES, ids=_relative)
def test_modules_are_small_and_well_named(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= MAX_LINES
    assert path.stem not in BANNED_NAMES
    parts = path.relative_to(ROOT).parts
    if parts[0] in PACKAGES:
        assert len(parts) <= 4, "at most two folders deep"


@pytest.mark.parametrize(
    "path", [p for p in SOURCES if "tests" not in p.parts and p.name != "__init__.py"], ids=_relative
)
def test_modules_say_what_they_are(path: Path) -> None:
    assert path.read_text().startswith('"""'), "no docstring"


def test_nothing_is_unpickled() -> None:
    pattern = re.compile(
        r"^\s*(import|from) (pickle|marshal|shelve|dill|joblib)\b|torch\.load\(|allow_pickle=True", re.MULTILINE
    )
    assert [_relative(path) for path in SOURCES if path != Path(__file__) and pattern.search(path.read_text())] == []


def test_text_leaves_as_lines_or_as_ascii_json_alone() -> None:
    """A table for a spreadsheet, or a page, would need an escape of its own: ``=`` begins a formula, ``<`` a tag. An
    evaluation's page has it, and templates have it, which one module fills in, and the table of rounds."""
    tables = r"csv(?! import (Error|reader))"  # to read them is no harm
    writers = rf"^\s*(import|from) ({tables}|html|jinja2|openpyxl|pandas)\b|to_csv\(|HTMLResponse|text/(html|csv)"
    pattern = re.compile(writers + "|ensure_ascii=False", re.MULTILINE)
    product = [path for path in SOURCES if path.relative_to(ROOT).parts[0] in PACKAGES]
    known = ["backend/dashboard/rounds_table.py", "storage/pages/pages.py"]
    assert sorted(_relative(path) for path in product if pattern.search(path.read_text())) == known
    assert [_relative(path) for path in product if "<!doctype" in path.read_text()] == ["scripts/evaluate/written.py"]


def test_the_agreement_is_pure() -> None:
    pattern = re.compile(rf"^\s*(import|from) ({'|'.join(sorted(IMPURE))})\b|np\.random|\bopen\(", re.MULTILINE)
    found = [
        path for path in SOURCES if path.relative_to(ROOT).parts[0] == "protocol" and pattern.search(path.read_text())
    ]
    assert [_relative(path) for path in found] == []


def test_no_party_asks_its_machine_what_time_it_is() -> None:
    """Block time counts (docs/adr/0051): a machine's own is looked at to say that it is off, for dates of HTTP, and
    by a chain for its blocks."""
    allowed = {
        "storage/ledger/ethereum/block_clock.py",
        "storage/patience.py",
        "scripts/doctor/subject.py",
        "scripts/chain/development.py",
        "scripts/chain/server.py",
        "client_agent/data/intake/arrival.py",  # no block tells when a plug said something
    }
    asks = re.compile(r"\btime\.time\b|\btime_ns\(|datetime\.(now|utcnow|today)\b|\bdate\.today\b")
    parties = ("backend/", "client_agent/", "protocol/", "scripts/", "storage/")
    sources = [path for path in tracked(".py") if _relative(path).startswith(parties)]
    assert {_relative(path) for path in sources if asks.search(path.read_text())} <= allowed


def test_tests_do_not_sleep_or_skip() -> None:
    # looking again after a fraction of a second whether a process is up is waiting, not sleeping
    pattern = re.compile(r"time\.sleep\([1-9]|pytest\.mark\.skip\b|pytest\.mark\.xfail|random\.random\(")
    tests = [path for path in SOURCES if path.relative_to(ROOT).parts[0] == "tests" and path != Path(__file__)]
    assert [_relative(path) for path in tests if pattern.search(path.read_text())] == []


def test_no_file_names_a_machine_or_an_index() -> None:
    pattern = re.compile(
        r"/(home|root|work)/[a-z]+/|registry\.npmjs|files\.pythonhosted|pypi\.org/simple|download\.pytorch"
    )
    found = [path for path in TEXTS if path != Path(__file__) and pattern.search(path.read_text(errors="replace"))]
    assert [_relative(path) for path in found] == []


def test_locks_are_hashed_and_name_no_index() -> None:
    for path in (ROOT / "scripts" / "locks").glob("*.txt"):
        lines = [line for line in path.read_text().splitlines() if line and not line.lstrip().startswith("#")]
        assert not [line for line in lines if "://" in line]
        pinned = [line for line in lines if not line.startswith(" ")]
        assert all("==" in line and line.endswith("\\") for line in pinned)
