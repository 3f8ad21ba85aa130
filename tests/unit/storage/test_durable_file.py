"""Files are replaced whole; what is no file is never replaced."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from storage.durable_file import write_file_atomically, write_ready_file


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    return path


@pytest.mark.parametrize("write", [write_file_atomically, write_ready_file])
def test_a_file_is_replaced_whole_and_nothing_else_stays(tmp_path: Path, write: object) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"before")
    assert callable(write)
    write(path, b"after", 0o600)
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"after", 0o600)
    assert list(tmp_path.iterdir()) == [path]


def test_a_pipe_is_not_replaced(pipe: Path) -> None:
    with pytest.raises(FileExistsError, match="a pipe or a device is there"):
        write_file_atomically(pipe, b"data", 0o600)
    with pytest.raises(OSError):  # nobody reads it, and nobody is waited for
        write_ready_file(pipe, b"data", 0o600)
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert list(pipe.parent.iterdir()) == [pipe]


def test_who_waits_at_a_pipe_or_a_device_is_told(pipe: Path, tmp_path: Path) -> None:
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_ready_file(pipe, b"data", 0o600)
        assert os.read(reader, 10) == b"data"
    finally:
        os.close(reader)
    device = tmp_path / "device"
    device.symlink_to("/dev/null")
    write_ready_file(device, b"data", 0o600)
    assert device.is_char_device()
