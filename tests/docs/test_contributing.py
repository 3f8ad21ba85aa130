"""CONTRIBUTING.md names files, modules and classes that exist; docs/adr/README.md has every decision."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "CONTRIBUTING.md").read_text()
NAMED = sorted(set(re.findall(r"`([\w./-]+/[\w.-]*)`", PAGE)))
MODULES = sorted(set(re.findall(r"`python -m ([\w.]+)", PAGE)))


@pytest.mark.parametrize("path", NAMED)
def test_files_exist(path: str) -> None:
    assert (ROOT / path).exists()


@pytest.mark.parametrize("module", MODULES)
def test_modules_exist(module: str) -> None:
    assert (ROOT / f"{module.replace('.', '/')}.py").is_file()


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("protocol/audit/report.py", "CHECKS"),
        ("protocol/encryption/port.py", "class Suite"),
        ("protocol/encryption/port.py", "class Encoding"),
        ("client_agent/data/loader.py", "class DataMissingError"),
        ("protocol/audit/evidence.py", "class MissingEvidenceError"),
    ],
)
def test_names_exist(file: str, name: str) -> None:
    assert name.removeprefix("class ") in PAGE
    assert re.search(rf"^{name}\b", (ROOT / file).read_text(), re.MULTILINE)


def test_the_index_of_decisions_is_complete() -> None:
    folder = ROOT / "docs" / "adr"
    titles = {path.name: path.read_text().split("\n", 1)[0] for path in sorted(folder.glob("[0-9]*.md"))}
    assert [name for name, title in titles.items() if not title.startswith(f"# {int(name[:4])}. ")] == []
    expected = [f"* [{name[:4]}]({name}) {title.split('. ', 1)[1]}" for name, title in titles.items()]
    lines = (folder / "README.md").read_text().splitlines()
    assert [line for line in lines if line.startswith("* ")] == expected
