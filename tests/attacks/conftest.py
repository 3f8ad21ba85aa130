"""Whatever an attack makes the audit say, no line shows its reader how the auditor is programmed."""

from __future__ import annotations

import re
from typing import Final

import pytest

from protocol.audit import report
from protocol.audit.report import Line, Status

CODE: Final = re.compile(
    r"""b['"] | \\x | <\w | [{}\[\]] | \w\(\w*= | ,\) | (?<![\w/.-])(?!eth_)[a-z]+_[a-z]  # reprs, and names of fields
    | \b(?:None|True|False)\b | \bE_[A-Z] | Error\b
    | \b(?!Hearth)[A-Z][a-z]+[A-Z]\w*  # names of classes; contracts have names that people know""",
    re.VERBOSE,
)


@pytest.fixture(autouse=True)
def _lines_are_plain(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Words, numbers and hex: of every audit that a test here makes."""
    if request.path.name == "test_text.py":
        return  # its reasons are any text

    def plain(number: int, subject: str, status: Status, detail: str = "") -> Line:
        assert not CODE.search(f"{subject} {detail}"), f"{number} {subject}: {detail}"
        return Line(number, subject, status, detail)

    monkeypatch.setattr(report, "Line", plain)
