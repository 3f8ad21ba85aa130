"""docs/api.md names every route of the edge server's API that is not a phone's."""

from __future__ import annotations

import re
from pathlib import Path

from backend.api.audit_runs import MOST_KEPT
from backend.api.pages import MOST
from backend.api.sessions import CHALLENGE_SECONDS, MOST_OF_ONE, SESSION_SECONDS
from backend.onnx_graph import OPSET

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "api.md").read_text()
ROUTE = re.compile(r'@\w+\.(get|post|put|delete)\(\s*"(/api/[^"]+)"')


def test_the_routes() -> None:
    named = [row.split("?")[0] for row in re.findall(r"^\| `([A-Z]+ /[^`]+)` \|", PAGE, re.MULTILINE)]
    files = [file for file in (ROOT / "backend" / "api").glob("*.py") if file.name != "phones.py"]
    routes = {f"{method.upper()} {path}" for file in files for method, path in ROUTE.findall(file.read_text())}
    assert len(named) == len(set(named))
    assert set(named) == routes


def test_the_numbers() -> None:
    words = " ".join(PAGE.split())
    for told in (
        f"`limit` is at most {MOST}",
        f"the last {MOST_KEPT} runs",
        f"`token` for {SESSION_SECONDS // 60} minutes",
        f"more than {MOST_OF_ONE} sign-ins",
        f"opset {OPSET}",
    ):
        assert told in words
    assert CHALLENGE_SECONDS == 300 and "within five minutes" in words
