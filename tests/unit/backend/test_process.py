"""What every server process has in common."""

from __future__ import annotations

import io
import json
import logging
from contextlib import redirect_stderr

import structlog

from backend.process import configure_log


def test_a_log_goes_where_standard_error_is_now() -> None:
    with redirect_stderr(io.StringIO()) as closed:
        configure_log()
    closed.close()
    with redirect_stderr(io.StringIO()) as now:
        structlog.get_logger().warning("said", task=1)
    line = json.loads(now.getvalue())
    assert (line["event"], line["level"], line["task"]) == ("said", "warning", 1)


def test_what_libraries_log_is_a_line_of_the_same_kind() -> None:
    """A trace, or somebody's escape codes, would reach the terminal raw."""
    with redirect_stderr(io.StringIO()) as told:
        configure_log()
        try:
            raise ValueError("\x1b[31mred\n")
        except ValueError:
            logging.getLogger("a.library").exception("Exception in %s\n", "\x1b[2Jhere")
        logging.getLogger("a.library").info("nothing to say")
    assert "\x1b" not in told.getvalue() and told.getvalue().count("\n") == 1
    line = json.loads(told.getvalue())
    assert (line["event"], line["level"]) == ("a.library", "warning")
    assert "here" in line["detail"] and "ValueError" in line["error"]
