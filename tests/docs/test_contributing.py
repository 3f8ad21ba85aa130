"""CONTRIBUTING.md names files, modules and classes that exist."""

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
