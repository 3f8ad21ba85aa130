"""What the phone remembers across a kill."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from client_agent.journal import AgentJournal, JournalDamagedError
from client_agent.keystore import decode_master_keys
from protocol.encryption.committee import ratchet
from protocol.errors import EncryptionError
from protocol.messages.submission import Commitment, SignedCommitment
from protocol.privacy.spending import spent
from storage.records.journal import Journal
from tests.samples import sample_spec

CHARGE = spent(sample_spec().learning.mechanism, sample_spec().privacy, 1)
KEYS: dict[tuple[int, ...], bytes] = {(1,): b"\1" * 32, (2,): b"\2" * 32, (3,): b"\3" * 32}


class KilledError(Exception):
    pass


def _killed(*_: object, **__: object) -> None:
    raise KilledError


def _signed(round_number: int) -> SignedCommitment:
    return SignedCommitment(
        Commitment(1, round_number, b"\5" * 20, bytes([round_number]) * 32, b"\6" * 16, b"\7" * 32), b"\x08" * 65
    )


def _reopened(journal: AgentJournal, folder: Path) -> AgentJournal:
    journal.close()
    return AgentJournal(folder)


def test_everything_survives_a_restart(tmp_path: Path) -> None:
    journal = AgentJournal(tmp_path)
    journal.keep_keys(KEYS)
    journal.keep_envelope(b"envelope", b"\x09" * 32)
    journal.charge(1, b"\1" * 32, CHARGE)
    journal.seal(_signed(1), b"body", np.array([0.5, -1.5]))
    journal.settle(1, True)
    again = _reopened(journal, tmp_path)
    assert again.keys_of(2) == ratchet(KEYS, 2)  # round 1 is sealed
    assert (again.envelope, again.envelope_bytes()) == (b"\x09" * 32, b"envelope")
    assert again.charged == {1: b"\1" * 32}
    assert again.charges == {1: CHARGE}
    assert again.sealed[1].commitment == _signed(1)
    assert again.body(1) == b"body"
    assert again.outcomes == {1: True}
    assert again.residual(2).tolist() == [0.5, -1.5]
    again.close()


def test_a_round_is_charged_once_however_often_it_is_begun(tmp_path: Path) -> None:
    journal = AgentJournal(tmp_path)
    journal.charge(1, b"\1" * 32, CHARGE)
    journal.charge(1, b"\1" * 32, CHARGE)
    assert len(journal.charged) == 1
    again = _reopened(journal, tmp_path)
    again.charge(1, b"\1" * 32, CHARGE)
    assert len(again.charged) == 1
    again.close()


def test_the_residual_moves_on_only_with_an_update_that_was_added(tmp_path: Path) -> None:
    journal = AgentJournal(tmp_path)
    assert journal.residual(2).tolist() == [0, 0]
    for number, added in ((1, True), (2, False)):
        journal.seal(_signed(number), b"body", np.array([float(number), 0.0]))
        journal.settle(number, added)
    assert journal.residual(2).tolist() == [1, 0]
    journal.close()


@pytest.mark.parametrize("name", ["master-keys-2.json", "residual-1"])
def test_a_changed_file_is_noticed(name: str, tmp_path: Path) -> None:
    journal = AgentJournal(tmp_path)
    journal.keep_keys(KEYS)
    journal.seal(_signed(1), b"body", np.zeros(2))
    journal.settle(1, True)
    (path,) = tmp_path.rglob(name)
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(JournalDamagedError):
        journal.keys_of(2) if name.startswith("master") else journal.residual(2)
    journal.close()


def test_keys_move_on_and_never_back(tmp_path: Path) -> None:
    journal = AgentJournal(tmp_path)
    journal.keep_keys(KEYS)
    assert journal.keys_of(3) == ratchet(KEYS, 3)  # two rounds were sat out
    journal.seal(_signed(3), b"body", np.zeros(2))
    with pytest.raises(EncryptionError, match="E_EPOCH"):
        journal.keys_of(3)
    journal.close()
    later = {key for keys in (ratchet(KEYS, 4), ratchet(KEYS, 5)) for key in keys.values()}
    (kept,) = tmp_path.rglob("master-keys-*")
    assert set(decode_master_keys(kept.read_bytes()).values()) <= later


@pytest.mark.parametrize("lost", ["write_file", "append", "remove_file"])
def test_a_kill_while_keys_move_on_loses_none(lost: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = AgentJournal(tmp_path)
    journal.keep_keys(KEYS)
    with monkeypatch.context() as patched:
        patched.setattr(Journal, lost, _killed)
        with pytest.raises(KilledError):
            journal.keys_of(1)
    again = _reopened(journal, tmp_path)
    assert again.keys_of(1) == ratchet(KEYS, 1)
    assert [path.name for path in tmp_path.rglob("master-keys-*")] == ["master-keys-1.json"]
    again.close()


def test_a_residual_of_another_model_is_refused(tmp_path: Path) -> None:
    journal = AgentJournal(tmp_path)
    journal.seal(_signed(1), b"body", np.zeros(3))
    journal.settle(1, True)
    with pytest.raises(JournalDamagedError):
        journal.residual(2)
    journal.close()


def test_secrets_are_readable_by_the_owner_only(tmp_path: Path) -> None:
    journal = AgentJournal(tmp_path)
    journal.keep_keys(KEYS)
    (path,) = tmp_path.rglob("master-keys-0.json")
    assert path.stat().st_mode & 0o077 == 0
    journal.close()
