"""A snapshot of a journal is a journal: whole, of one moment, and read beside whoever writes to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from storage.records import snapshot
from storage.records.interface import Change, RecordsDamagedError, RecordsError
from storage.records.journal import Journal
from storage.records.snapshot import is_journal, read_snapshot


@dataclass(frozen=True, slots=True)
class Said:
    number: int


def put(files: dict[str, bytes], folder: Path) -> Journal:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return Journal(folder / "journal")


def test_put_elsewhere_it_is_the_same_journal(tmp_path: Path) -> None:
    with Journal(tmp_path / "journal") as records:
        records.append(Change((Said(1),), {"kept": b"1", "gone": b"2"}), 0)
        records.append(Change((Said(2),), {"kept": b"3"}, ("gone",)), 1)
        files = read_snapshot(tmp_path / "journal")
    assert next(iter(files)) == "journal" and len(files) == 2
    with put(files, tmp_path / "other") as again:
        assert list(again.read([Said])) == [Said(1), Said(2)] and again.blob("kept") == b"3"


def test_a_blob_that_is_replaced_while_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read_lines: Callable[..., Any] = snapshot._read_lines
    with Journal(tmp_path / "journal") as records:
        records.append(Change((Said(0),), {"keys": b"0"}), 0)

        def slow(*arguments: Any) -> Any:
            found = read_lines(*arguments)
            if (count := len(list(records.read([Said])))) < 3:
                records.append(Change((Said(count),), {"keys": b"%d" % count}), count)  # erases what was named
            return found

        monkeypatch.setattr(snapshot, "_read_lines", slow)
        files = read_snapshot(tmp_path / "journal")
        monkeypatch.undo()
    with put(files, tmp_path / "other") as again:
        assert (len(list(again.read([Said]))), again.blob("keys")) == (3, b"2")


def test_a_line_that_is_torn_is_not_there_yet_and_one_that_is_damaged_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    with Journal(path) as records:
        records.append(Change((Said(1),)), 0)
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:50])
    assert read_snapshot(path) == {"journal": whole}
    for wrong in (whole.replace(b"1", b"2", 1) + whole, b"x" * 64 + whole[64:], whole + whole):
        path.write_bytes(wrong)
        with pytest.raises(RecordsDamagedError):
            read_snapshot(path)


def test_sizes_and_what_is_no_journal(tmp_path: Path) -> None:
    with Journal(tmp_path / "journal") as records:
        records.append(Change((Said(1),), {"large": bytes(1_000)}), 0)
    assert is_journal(tmp_path / "journal")
    with pytest.raises(RecordsError, match="more than 900"):
        read_snapshot(tmp_path / "journal", 900)
    with pytest.raises(RecordsError):
        read_snapshot(tmp_path / "absent")
    for text in (b"", b"\n", b"policy = 1\n", b"\xff" * 100):
        (tmp_path / "text").write_bytes(text)
        assert not is_journal(tmp_path / "text")
