"""The parts of the measurement under load are processes that find their modules, wherever the command is called."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.bench.intake import Server


def test_a_server_starts_in_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    server = Server("bare", tmp_path)
    try:
        assert server.port
    finally:
        server.stop()
