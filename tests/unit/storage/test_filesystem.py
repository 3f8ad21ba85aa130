"""The folder store against hostile folders, writers at the same time, and the choice of a store by text."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from protocol.content.cid import Cid, cid_of
from protocol.errors import MalformedError
from storage.content.filesystem import FilesystemStore
from storage.content.interface import (
    ContentCorruptError,
    ContentMissingError,
    ContentTooLargeError,
    StoreUnavailableError,
)
from storage.content.kubo_client import KuboStore
from storage.content.open_store import open_store
from storage.content.patient import PatientStore

DATA = b"a document"
CID = cid_of(DATA)


def _put_many(folder: Path) -> list[str]:
    return [FilesystemStore(folder).put(bytes([n]) * 50_000).text for n in range(10)]


def test_processes_may_write_the_same_objects(tmp_path: Path) -> None:
    with ProcessPoolExecutor(3, mp_context=get_context("fork")) as pool:
        results = list(pool.map(_put_many, [tmp_path] * 3))
    assert results[0] == results[1] == results[2]
    assert sorted(os.listdir(tmp_path)) == sorted(results[0])
    for n, text in enumerate(results[0]):
        assert FilesystemStore(tmp_path).get(Cid.parse(text), 50_000) == bytes([n]) * 50_000


def test_a_huge_file_is_refused_without_reading_it(tmp_path: Path) -> None:
    with (tmp_path / CID.text).open("wb") as file:
        file.truncate(1 << 40)  # sparse: reading it would take all memory
    for max_bytes in (100, 1 << 39):
        with pytest.raises(ContentTooLargeError):
            FilesystemStore(tmp_path).get(CID, max_bytes)


def _link(path: Path) -> None:
    (path.parent / "elsewhere").write_bytes(DATA)
    path.symlink_to(path.parent / "elsewhere")


@pytest.mark.parametrize("plant", [os.mkfifo, os.mkdir, _link])
def test_what_is_not_a_plain_file_is_corrupt(tmp_path: Path, plant: Callable[[Path], None]) -> None:
    plant(tmp_path / CID.text)
    with pytest.raises(ContentCorruptError):
        FilesystemStore(tmp_path).get(CID, 100)


def test_a_truncated_file_is_corrupt_and_put_heals_it(tmp_path: Path) -> None:
    store = FilesystemStore(tmp_path / "new")
    store.put(DATA)
    (tmp_path / "new" / CID.text).write_bytes(DATA[:3])
    with pytest.raises(ContentCorruptError):
        store.get(CID, 100)
    store.put(DATA)
    assert store.get(CID, 100) == DATA


def test_no_folder_is_unavailable_an_empty_one_lacks_the_content(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailableError):
        FilesystemStore(tmp_path / "none").get(CID, 100)
    with pytest.raises(ContentMissingError):
        FilesystemStore(tmp_path).get(CID, 100)


def test_a_failed_write_is_unavailable_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(StoreUnavailableError):
        FilesystemStore(tmp_path).put(DATA)
    assert os.listdir(tmp_path) == []


def test_a_path_that_is_a_file_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    store = FilesystemStore(tmp_path / "file")
    with pytest.raises(StoreUnavailableError):
        store.put(DATA)
    with pytest.raises(StoreUnavailableError):
        store.get(CID, 100)


def test_one_file_that_cannot_be_opened_is_missing_and_says_nothing_of_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    FilesystemStore(tmp_path).put(DATA)

    def refuse(*_: object) -> int:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(ContentMissingError, match="Permission denied") as caught:
        FilesystemStore(tmp_path).get(CID, 100)
    assert "Errno" not in str(caught.value)


def test_a_folder_that_cannot_be_entered_is_unavailable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "lstat", refuse)
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(StoreUnavailableError, match="Permission denied"):
        FilesystemStore(tmp_path).get(CID, 100)


def test_reading_works_without_the_right_to_write(tmp_path: Path) -> None:
    FilesystemStore(tmp_path).put(DATA)
    before = sorted(os.listdir(tmp_path))
    (tmp_path / CID.text).chmod(0o444)
    tmp_path.chmod(0o555)
    try:
        assert FilesystemStore(tmp_path).get(CID, 100) == DATA
    finally:
        tmp_path.chmod(0o755)
    assert sorted(os.listdir(tmp_path)) == before


def test_open_store_chooses_by_the_text(tmp_path: Path) -> None:
    assert isinstance(open_store(str(tmp_path)), FilesystemStore)
    for daemon in ("http://127.0.0.1:5001", "https://host/path", "/ip4/127.0.0.1/tcp/5001", "/unix/run/kubo.sock"):
        store = open_store(daemon)
        assert isinstance(store, PatientStore) and isinstance(store.inner, KuboStore)
    for wrong in ("", "ftp://host", "http://host:port", "/ip4/127.0.0.1", "a\0b"):
        with pytest.raises(MalformedError):
            open_store(wrong)
