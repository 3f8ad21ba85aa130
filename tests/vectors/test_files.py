"""The vector files are what the script writes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.vectors import write_encryption


def test_the_files_are_what_the_script_writes() -> None:
    assert write_encryption.main(check=True) == 0


def test_a_stale_file_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "pad.json").write_text("{}\n")
    monkeypatch.setattr(write_encryption, "files", lambda: iter([(tmp_path / "pad.json", "{ }\n")]))
    assert write_encryption.main(check=True) == 1
    assert "pad.json" in capsys.readouterr().out
