"""Says loudly when the port suite ran without a real Kubo daemon."""

from __future__ import annotations

import pytest

from tests.ports.kubo_daemon import find_ipfs


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if find_ipfs() is None:
        terminalreporter.write_line(
            "WARNING: no real Kubo was tested: set HEARTH_IPFS to an ipfs program or put one on PATH.",
            red=True,
            bold=True,
        )
