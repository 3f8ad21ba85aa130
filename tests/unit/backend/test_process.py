"""What every server process has in common."""

from __future__ import annotations

import io
import json
from contextlib import redirect_stderr

import structlog

from backend.process import configure_log


def test_a_log_goes_where_standard_error_is_now() -> None:
    before = structlog.get_config()
    try:
        with redirect_stderr(io.StringIO()) as closed:
            configure_log()
        closed.close()
        with redirect_stderr(io.StringIO()) as now:
            structlog.get_logger().warning("said", task=1)
    finally:
        structlog.configure(**before)
    line = json.loads(now.getvalue())
    assert (line["event"], line["level"], line["task"]) == ("said", "warning", 1)
