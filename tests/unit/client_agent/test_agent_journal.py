"""What the phone remembers across a kill."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from client_agent.journal import AgentJournal, Included, Sealed
from client_agent.keystore import decode_master_keys
from protocol.encryption.committee import ratchet
from protocol.errors import EncryptionError
from protocol.messages.round import CohortNode, CohortPlace
from protocol.messages.submission import Commitment, InclusionProof, SignedCommitment, SignedReceipt
from storage.records.interface import Change, Records, RecordsDamagedError
from storage.records.journal import Journal
from storage.records.memory import MemoryRecords

KEYS: dict[tuple[int, ...], bytes] = {(1,): b"\1" * 32, (2,): b"\2" * 32, (3,): b"\3" * 32}
INCLUSION = InclusionProof(1, (b"\x0b" * 32,))
RECEIPT = SignedReceipt(b"\x0e" * 20, b"\x0f" * 65)


class KilledError(Exception):
    pass


class DyingRecords(MemoryRecords):
    """Kills before or after a change, of which either everything is there or nothing."""

    dies: str | None = None

    def append(self, change: Change, after: int) -> None:
        if self.dies == "before":
            raise KilledError
        super().append(change, after)
        if self.dies == "after":
            raise KilledError


def _on_disk(folder: Path) -> AgentJournal:
    return AgentJournal(Journal(folder / "journal"))


def _signed(round_number: int) -> SignedCommitment:
    return SignedCommitment(
        Commitment(1, round_number, b"\5" * 20, bytes([round_number]) * 32, b"\6" * 16, b"\7" * 32), b"\x08" * 65
    )


def _sealed(round_number: int) -> Sealed:
    return Sealed(_signed(round_number), CohortPlace(0, 2, (CohortNode(b"\4" * 32, 2**255),)))


def test_everything_survives_a_restart(tmp_path: Path) -> None:
    journal = _on_disk(tmp_path)
    journal.keep_keys(KEYS)
    journal.keep_envelope(0, b"envelope", b"\x09" * 32)
    journal.seal(_sealed(1), b"body")
    journal.keep_receipt(1, RECEIPT)
    journal.keep_inclusion(1, b"\x0a" * 32, INCLUSION)
    journal.close()
    again = _on_disk(tmp_path)
    assert again.keys_of(2) == ratchet(KEYS, 2)  # round 1 is sealed
    assert (again.envelope, again.envelope_bytes(0)) == (b"\x09" * 32, b"envelope")
    assert again.sealed == {1: _sealed(1)}
    assert again.body(1) == b"body"
    assert again.receipts == {1: RECEIPT}
    assert again.included == {1: Included(1, b"\x0a" * 32, INCLUSION)}
    again.close()


def test_the_first_receipt_of_a_round_stays() -> None:
    journal = AgentJournal(MemoryRecords())
    journal.keep_receipt(1, RECEIPT)
    journal.keep_receipt(1, SignedReceipt(b"\1" * 20, b"\1" * 65))
    assert journal.receipts == {1: RECEIPT}


def test_the_last_place_in_a_batch_stays() -> None:
    """The chain may have taken the batch before back."""
    journal = AgentJournal(MemoryRecords())
    for root in (b"\1" * 32, b"\2" * 32):
        journal.keep_inclusion(1, root, INCLUSION)
    assert journal.included == {1: Included(1, b"\2" * 32, INCLUSION)}


@pytest.mark.parametrize("name", ["master-keys-2.json", "body-1"])
def test_a_changed_file_is_noticed(name: str, tmp_path: Path) -> None:
    journal = _on_disk(tmp_path)
    journal.keep_keys(KEYS)
    journal.seal(_sealed(1), b"body")
    (path,) = tmp_path.rglob(f"{name}.*")
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(RecordsDamagedError):
        journal.keys_of(2) if name.startswith("master") else journal.body(1)
    journal.close()


def test_keys_move_on_and_never_back(tmp_path: Path) -> None:
    journal = _on_disk(tmp_path)
    journal.keep_keys(KEYS)
    assert journal.keys_of(3) == ratchet(KEYS, 3)  # two rounds were sat out
    journal.seal(_sealed(3), b"body")
    with pytest.raises(EncryptionError, match="E_EPOCH"):
        journal.keys_of(3)
    journal.close()
    (kept,) = tmp_path.rglob("master-keys-*")
    assert decode_master_keys(kept.read_bytes()) == ratchet(KEYS, 4)


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_kill_while_keys_move_on_loses_none(when: str) -> None:
    records = DyingRecords()
    journal = AgentJournal(records)
    journal.keep_keys(KEYS)
    records.dies = when
    with pytest.raises(KilledError):
        journal.keys_of(1)
    records.dies = None
    assert AgentJournal(records).keys_of(1) == ratchet(KEYS, 1)


@pytest.mark.parametrize("when", ["before", "after"])
def test_an_update_is_sealed_and_its_keys_are_erased_in_one_change(when: str) -> None:
    """Otherwise a phone that was killed in between could encrypt twice under the same keys."""
    records = DyingRecords()
    journal = AgentJournal(records)
    journal.keep_keys(KEYS)
    records.dies = when
    with pytest.raises(KilledError):
        journal.seal(_sealed(1), b"body")
    records.dies = None
    again = AgentJournal(records)
    if when == "before":
        assert again.sealed == {}
        assert again.keys_of(1) == ratchet(KEYS, 1)
    else:
        assert (again.sealed, again.body(1)) == ({1: _sealed(1)}, b"body")
        with pytest.raises(EncryptionError, match="E_EPOCH"):
            again.keys_of(1)


def test_secrets_are_readable_by_the_owner_only(tmp_path: Path) -> None:
    journal = _on_disk(tmp_path)
    journal.keep_keys(KEYS)
    (path,) = tmp_path.rglob("master-keys-0.json.*")
    assert path.stat().st_mode & 0o077 == 0
    journal.close()


STEPS = st.lists(st.tuples(st.sampled_from(["keys", "seal", "receipt", "include"]), st.integers(1, 5)))


@settings(max_examples=40)
@given(STEPS)
def test_a_journal_that_was_opened_anew_says_what_the_running_one_says(steps: list[tuple[str, int]]) -> None:
    """After every step, whatever came before; and no step brings keys of an earlier round back."""
    records = MemoryRecords()
    journal, epoch = AgentJournal(records), 0
    journal.keep_keys(KEYS)
    for step, number in steps:
        if step == "keys" and number >= epoch:
            journal.keys_of(number)
            epoch = number
        if step == "seal" and number not in journal.sealed and number >= epoch:
            journal.seal(_sealed(number), bytes([number]))
            epoch = number + 1
        if step == "receipt":
            journal.keep_receipt(number, RECEIPT)
        if step == "include":
            journal.keep_inclusion(number, bytes([number]) * 32, INCLUSION)
        assert _said(records) == _said_by(journal)
        assert AgentJournal(records).keys_of(epoch) == ratchet(KEYS, epoch)
        with pytest.raises(EncryptionError, match="E_EPOCH"):
            AgentJournal(records).keys_of(epoch - 1)


def _said(records: Records) -> list[Any]:
    return _said_by(AgentJournal(records))


def _said_by(journal: AgentJournal) -> list[Any]:
    bodies = [journal.body(number) for number in journal.sealed]
    return [
        *(journal.envelope, journal.has_keys, journal.sealed, bodies),
        *(journal.receipts, journal.included),
    ]
