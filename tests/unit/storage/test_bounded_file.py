"""Files that somebody else wrote, read by whoever was told their names."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from protocol.errors import MalformedError
from storage.bounded_file import read_bounded


def test_all_of_a_file_and_no_more_than_it_may_have(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"12345")
    assert read_bounded(tmp_path / "file", 5) == b"12345"
    with pytest.raises(MalformedError, match="larger than 4 bytes"):
        read_bounded(tmp_path / "file", 4)
    with pytest.raises(MalformedError, match="larger than"):
        read_bounded(Path("/dev/zero"), 100)


def test_a_pipe_is_read_and_not_waited_for(tmp_path: Path) -> None:
    """As a shell hands over the password that another command prints."""
    os.mkfifo(tmp_path / "pipe")
    assert read_bounded(tmp_path / "pipe", 100) == b""
    reader, writer = os.pipe()

    def write() -> None:
        for piece in (b"sec", b"ret"):
            os.write(writer, piece)
        os.close(writer)

    thread = threading.Thread(target=write)
    thread.start()
    assert read_bounded(Path(f"/dev/fd/{reader}"), 100) == b"secret"
    thread.join()
    os.close(reader)


@pytest.mark.parametrize("name", ["absent", "folder", "loop", "n" * 300])
def test_what_is_no_file_is_an_error_of_the_system(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(OSError):
        read_bounded(tmp_path / name, 100)


def test_a_name_that_no_file_can_have(tmp_path: Path) -> None:
    with pytest.raises(MalformedError):
        read_bounded(tmp_path / "\0", 100)
