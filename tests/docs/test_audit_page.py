"""docs/audit.md lists the checks of the code, in their words."""

from __future__ import annotations

import re
from pathlib import Path

from protocol.audit.report import CHECKS

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "audit.md").read_text()


def test_the_page_and_the_code_agree() -> None:
    rows = {int(number): text for number, text in re.findall(r"^\| (\d+) \| (.+) \|$", PAGE, re.MULTILINE)}
    assert rows == CHECKS
