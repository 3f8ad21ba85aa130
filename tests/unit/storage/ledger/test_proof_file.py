"""Proofs of a breach in files: one name for each, written whole, read from whoever wrote them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from protocol.messages.submission import Commitment
from storage.ledger import proofs
from storage.ledger.proof_file import (
    MAX_FILE_BYTES,
    MAX_PROOF_BYTES,
    ProofFile,
    ProofFileError,
    read_proof,
    write_proof,
)

SERVER = b"\x11" * 20


def _proof(nonce: int = 1) -> bytes:
    promised = Commitment(3, 2, b"\x22" * 20, b"\x33" * 32, bytes([nonce]) * 16, b"\x44" * 32)
    return proofs.receipt_ignored(SERVER, promised, b"\x55" * 65, None)


def _write(folder: Path, proof: bytes) -> Path:
    return write_proof(folder, "receiptIgnored", 3, 2, SERVER, proof)


def test_a_proof_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = _write(tmp_path / "new" / "folder", _proof())
    assert read_proof(path) == ProofFile("receiptIgnored", 3, 2, SERVER, _proof())


def test_each_proof_has_one_file(tmp_path: Path) -> None:
    first = _write(tmp_path, _proof())
    assert _write(tmp_path, _proof()) == first
    assert _write(tmp_path, _proof(2)) != first
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "badLeaf"},
        {"kind": "dispute"},
        {"kind": "../escape"},
        {"proof": "0x" + bytes(4).hex()},
        {"proof": "0x"},
        {"proof": "0x" + (_proof() + bytes(MAX_PROOF_BYTES)).hex()},
        {"round": 0},
        {"task": -1},
        {"culprit": "0x11"},
        {"note": "mine"},
    ],
)
def test_a_file_of_something_else_is_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    path = _write(tmp_path, _proof())
    changed = json.loads(path.read_text()) | change
    path.write_text(json.dumps(changed, sort_keys=True, separators=(",", ":")))
    with pytest.raises(ProofFileError):
        read_proof(path)


@pytest.mark.parametrize("content", [b"", b"[" * 1000, b"\xff", b'{"kind":"badLeaf"}', b" " * (MAX_FILE_BYTES + 1)])
def test_bytes_that_are_no_proof_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "proof.json"
    path.write_bytes(content)
    with pytest.raises(ProofFileError):
        read_proof(path)


def test_what_cannot_be_read_or_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(ProofFileError):
        read_proof(tmp_path / "absent.json")
    (tmp_path / "file").touch()
    with pytest.raises(ProofFileError):
        _write(tmp_path / "file", _proof())


@pytest.mark.parametrize("wrong", [("badLeaf", 3, 2, SERVER), ("receiptIgnored", 3, 0, SERVER)])
def test_nothing_else_is_written(tmp_path: Path, wrong: tuple[str, int, int, bytes]) -> None:
    with pytest.raises(ProofFileError):
        write_proof(tmp_path, *wrong, _proof())
    assert not list(tmp_path.iterdir())
