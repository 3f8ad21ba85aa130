"""A backup holds what a household cannot get back elsewhere, and puts nothing where it does not belong."""

from __future__ import annotations

import io
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from client_agent.backup import KIND, BackupError, FileHeader, read_backup, write_backup
from client_agent.household_folder import HouseholdFolder
from client_agent.restoring import Restored, restore_backup
from protocol.canonical import encode
from protocol.errors import HearthError
from protocol.identifiers import sha256
from protocol.randomness import SeededRandomness
from storage.encrypted_file import EncryptedWriter
from storage.records.interface import Change
from storage.records.journal import Journal
from storage.records.snapshot import read_snapshot
from tests.unit.client_agent.scene_household import PASSPHRASE, QUICK

RANDOM = SeededRandomness(b"backup")


def nothing(_: Restored) -> None:
    pass


def household(folder: Path) -> HouseholdFolder:
    home = HouseholdFolder(folder / "home")
    (home.path / "tasks" / "one" / "proofs").mkdir(parents=True)
    (home.path / "policy.toml").write_text("[privacy]\n")
    (home.path / "tasks" / "one" / "proofs" / "K\u00fcche").write_bytes(b"proof")
    with Journal(home.privacy) as records:
        records.append(Change((FileHeader("x", 1, bytes(32)),), {"blob": b"secret"}), 0)
    return home


def back_up(home: HouseholdFolder, target: Path, **more: object) -> dict[str, bytes]:
    write_backup(home, target, PASSPHRASE, RANDOM, log_n=QUICK, **more)  # type: ignore[arg-type]
    with target.open("rb") as file:
        return dict(read_backup(file, PASSPHRASE))


def restored(source: Path, target: Path, account: Callable[[Restored], None] = nothing) -> HouseholdFolder:
    return restore_backup(source, target, PASSPHRASE, RANDOM, lambda path: Journal(path, wait=True), account)


def test_everything_is_put_back_as_it_was_for_its_owner_alone(tmp_path: Path) -> None:
    home = household(tmp_path)
    found = back_up(home, tmp_path / "backup")
    again = restored(tmp_path / "backup", tmp_path / "deep" / "again")
    assert (again.path / "policy.toml").read_text() == "[privacy]\n"
    assert (again.path / "tasks" / "one" / "proofs" / "K\u00fcche").read_bytes() == b"proof"
    assert read_snapshot(again.privacy) == read_snapshot(home.privacy)
    with Journal(again.privacy) as records:
        assert records.blob("blob") == b"secret"
    paths = [path for path in again.path.rglob("*") if path.is_file()]
    assert len(paths) == len(found) and {path.stat().st_mode & 0o777 for path in paths} == {0o600}
    assert (tmp_path / "backup").stat().st_mode & 0o777 == 0o600
    assert not [path for path in (*tmp_path.iterdir(), *(tmp_path / "deep").iterdir()) if path.name.startswith(".")]


def test_a_journal_that_is_written_meanwhile_is_what_it_was_at_one_moment(tmp_path: Path) -> None:
    home = household(tmp_path)
    with Journal(home.privacy) as records:  # whose lock nobody asks for
        before = back_up(home, tmp_path / "backup")
        with home.privacy.open("ab") as torn:
            torn.write(b"0" * 70)
        assert back_up(home, tmp_path / "backup") == before
        assert records.blob("blob") == b"secret"


def test_a_damaged_journal_is_not_taken_for_a_file(tmp_path: Path) -> None:
    home = household(tmp_path)
    (home.path / "privacy.files" / next(iter((home.path / "privacy.files").iterdir())).name).write_bytes(b"other")
    with pytest.raises(HearthError, match="not what was recorded"):
        back_up(home, tmp_path / "backup")
    assert not (tmp_path / "backup").exists()


def test_readings_are_left_out_unless_they_are_wanted(tmp_path: Path) -> None:
    home = household(tmp_path)
    with closing(sqlite3.connect(home.path / "readings.db")) as database:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("CREATE TABLE watts (watt INTEGER)")
        database.execute("INSERT INTO watts VALUES (60)")
        database.commit()
        (home.path / "examples.safetensors").write_bytes(b"examples")
        without = back_up(home, tmp_path / "without")
        found = back_up(home, tmp_path / "with", readings=True)
    assert found.keys() - without.keys() == {"readings.db", "examples.safetensors"}
    again = restored(tmp_path / "with", tmp_path / "again")
    with closing(sqlite3.connect(again.path / "readings.db")) as database:
        assert database.execute("SELECT watt FROM watts").fetchall() == [(60,)]


def test_what_is_no_file_is_left_out_and_so_is_the_backup_itself(tmp_path: Path) -> None:
    home = household(tmp_path)
    (tmp_path / "elsewhere").write_bytes(b"not the household's")
    (home.path / "link").symlink_to(tmp_path / "elsewhere")
    (home.path / "folder").symlink_to(tmp_path)
    expected = back_up(home, tmp_path / "backup")
    assert back_up(home, home.path / "backup") == back_up(home, home.path / "backup") == expected


def test_files_and_folders_elsewhere(tmp_path: Path) -> None:
    home = household(tmp_path)
    (tmp_path / "key.json").write_bytes(b"{}")
    found = back_up(home, tmp_path / "b", files=(tmp_path / "key.json",), folders={"two": home.path / "tasks" / "one"})
    assert found["key.json"] == b"{}" and found["tasks/two/proofs/K\u00fcche"] == b"proof"
    with pytest.raises(BackupError, match="two files"):
        back_up(home, tmp_path / "b", files=(tmp_path / "key.json", tmp_path / "key.json"))


def test_a_household_in_use_is_never_written_over(tmp_path: Path) -> None:
    home = household(tmp_path)
    back_up(home, tmp_path / "backup")
    (tmp_path / "empty").mkdir()
    assert restored(tmp_path / "backup", tmp_path / "empty").policy.exists()
    for taken in (home.path, tmp_path / "backup", tmp_path / "empty"):
        with pytest.raises(BackupError, match="in use"):
            restored(tmp_path / "backup", taken)


def test_nothing_is_there_when_the_chain_cannot_be_asked(tmp_path: Path) -> None:
    def away(_: Restored) -> None:
        raise HearthError("the chain is away")

    home = household(tmp_path)
    back_up(home, tmp_path / "backup")
    with pytest.raises(HearthError, match="away"):
        restored(tmp_path / "backup", tmp_path / "again", away)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["backup", "home"]


def written(path: Path, *files: tuple[str, bytes], tail: bytes = b"") -> Path:
    file = io.BytesIO()
    writer = EncryptedWriter(file, KIND, PASSPHRASE, RANDOM, log_n=QUICK)
    for name, data in files:
        header = encode(FileHeader(name, len(data), sha256(data)))
        writer.write(len(header).to_bytes(4, "big") + header + data)
    writer.write(tail)
    writer.finish()
    path.write_bytes(file.getvalue())
    return path


@pytest.mark.parametrize("name", ["../x", "a/../../x", "/etc/x", "a//x", "a/./x", "..", "a" * 300, "a/" * 300])
def test_a_planted_backup_writes_nowhere_else(tmp_path: Path, name: str) -> None:
    source = written(tmp_path / "planted", ("good", b"x"), (name, b"y"))
    with pytest.raises(BackupError):
        restored(source, tmp_path / "inside" / "home")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["inside", "planted"]


def test_a_planted_backup_that_is_something_else(tmp_path: Path) -> None:
    huge = encode(FileHeader("x", 10_000, bytes(32)))
    for source in (
        written(tmp_path / "a", ("x", b"1"), ("x", b"2")),
        written(tmp_path / "b", ("x", b"1"), ("x/y", b"2")),
        written(tmp_path / "c", ("x", b"1"), tail=b"\xff\xff\xff\xff{}"),
        written(tmp_path / "d", ("x", b"1"), tail=len(huge).to_bytes(4, "big") + huge),
        written(tmp_path / "e"),
    ):
        with pytest.raises(BackupError):
            restored(source, tmp_path / "home")
        assert not (tmp_path / "home").exists()


def test_passphrases_that_are_too_short_and_places_that_are_no_files(tmp_path: Path) -> None:
    home = household(tmp_path)
    with pytest.raises(BackupError, match="at least"):
        write_backup(home, tmp_path / "backup", "short", RANDOM)
    for target in (Path("/dev/null"), tmp_path, tmp_path / "absent" / "backup"):
        with pytest.raises(BackupError):
            back_up(home, target)
    with pytest.raises(BackupError, match=r"nothing in it|No such file"):
        back_up(HouseholdFolder(tmp_path / "nobody"), tmp_path / "backup")
