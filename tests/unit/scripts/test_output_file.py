"""A result's file: refused before any work when it cannot be written, and never half of one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.commands.outcome import OutputError
from scripts.commands.output_file import OutputFile, discard_unwritten


@pytest.fixture(autouse=True)
def _nothing_stays_open() -> Iterator[None]:
    yield
    discard_unwritten()


def test_a_new_file(tmp_path: Path) -> None:
    file = OutputFile(tmp_path / "result.json")
    assert not file.path.exists(), "nothing of that name until it is whole"
    file.write(b"{}\n")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("result.json", b"{}\n")]
    assert file.path.stat().st_mode & 0o777 == 0o666 & ~_umask()


def test_a_file_that_is_there_keeps_its_mode_and_the_links_to_it(tmp_path: Path) -> None:
    old, link = tmp_path / "old", tmp_path / "link"
    old.write_bytes(b"before")
    old.chmod(0o640)
    link.symlink_to(old)
    OutputFile(link).write(b"after")
    assert link.is_symlink() and old.read_bytes() == b"after" and old.stat().st_mode & 0o777 == 0o640


def test_without_a_result_everything_is_as_before(tmp_path: Path) -> None:
    (tmp_path / "old").write_bytes(b"before")
    OutputFile(tmp_path / "old"), OutputFile(tmp_path / "new")
    discard_unwritten()
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("old", b"before")]


def test_a_disk_that_fills_up_leaves_the_old_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "old").write_bytes(b"before")
    file = OutputFile(tmp_path / "old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="No space left"):
        file.write(b"after")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("old", b"before")]


@pytest.mark.parametrize(
    ("name", "why"),
    [("absent/result", "no folder"), ("", "directory"), ("file/result", "Not a directory"), ("\0", "null byte"),
     ("fifo", "nobody reads"), ("loop", "Too many levels"), ("x" * 300, "too long"), ("\udcff" * 300, "too long")],
)  # fmt: skip
def test_what_cannot_be_written_is_said_at_once(tmp_path: Path, name: str, why: str) -> None:
    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(OutputError, match=why):
        OutputFile(f"{tmp_path}/{name}")


def test_a_write_protected_file_or_folder_stays_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "old").write_bytes(b"before")
    monkeypatch.setattr(os, "access", lambda *_: False)  # as for everybody but root
    with pytest.raises(OutputError, match="Permission denied"):
        OutputFile(tmp_path / "old")


def test_two_options_do_not_write_one_over_the_other(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "one")
    first = OutputFile(tmp_path / "one")
    with pytest.raises(OutputError, match="two options"):
        OutputFile(tmp_path / "link")
    first.write(b"1")
    OutputFile(tmp_path / "link").write(b"2")


def test_a_pipe_or_device_is_written_into(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    reader = os.open(tmp_path / "fifo", os.O_RDONLY | os.O_NONBLOCK)
    OutputFile(tmp_path / "fifo").write(b"piped")
    assert os.read(reader, 100) == b"piped"
    os.close(reader)
    OutputFile("/dev/null").write(b"gone")
    with pytest.raises(OutputError, match="No space left"):
        OutputFile("/dev/full").write(b"full")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
