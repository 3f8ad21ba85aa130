"""A proof of a breach in a file: written by whoever finds the breach, sent by whoever wants half of the bond."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

from protocol.canonical import decode, encode
from protocol.errors import HearthError, MalformedError
from protocol.identifiers import Address, Range, Word, sha256, to_hex
from protocol.messages.learning import ShortText
from storage.bounded_file import read_bounded
from storage.durable_file import write_file_atomically
from storage.ledger.ethereum import abi

MAX_PROOF_BYTES: Final = 128 * 1024  # what nodes take as one transaction: some 900 leaves of an allocation
MAX_FILE_BYTES: Final = 2 * MAX_PROOF_BYTES + 1024


class ProofFileError(HearthError):
    """The file cannot be read or written, or is not a proof that the judge has a name for."""

    code = "E_PROOF_FILE"


@dataclass(frozen=True, slots=True)
class ProofFile:
    """``kind``: the judge's function that ``proof`` calls. The judge reads ``proof`` alone; the rest is for people."""

    kind: ShortText
    task: Word
    round: Annotated[int, Range(1, 2**32 - 1)]
    culprit: Address
    proof: Annotated[bytes, Range(4, MAX_PROOF_BYTES)]

    @property
    def name(self) -> str:
        """One for each proof, so that writing it again changes nothing and no other proof is written over."""
        return f"{self.kind}-task-{self.task}-round-{self.round}-{to_hex(sha256(self.proof)[:8])}.json"


def write_proof(folder: Path, kind: str, task: int, round_number: int, culprit: Address, proof: bytes) -> Path:
    """Durable when it returns; ``folder`` is made if need be. ``proof`` is of :mod:`storage.ledger.proofs`.

    Raises ProofFileError.
    """
    if len(proof) > MAX_PROOF_BYTES:
        raise ProofFileError(f"{kind}: {len(proof)} bytes, and nodes take {MAX_PROOF_BYTES} as one transaction")
    try:
        found = ProofFile(kind, task, round_number, culprit, proof)
        content = encode(found)
    except MalformedError as error:
        raise ProofFileError(f"{kind}: {error.args[0]}") from error
    _check(found, kind)
    path = folder / found.name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_file_atomically(path, content, 0o644)
    except OSError as error:
        raise ProofFileError(f"{path}: {error.strerror}") from error
    return path


def read_proof(path: Path) -> ProofFile:
    """Whoever wrote it. Raises ProofFileError."""
    try:
        content = read_bounded(path, MAX_FILE_BYTES)
    except OSError as error:
        raise ProofFileError(f"{path}: {error.strerror}") from error
    except MalformedError as error:
        raise ProofFileError(str(error.args[0])) from error
    try:
        found = decode(ProofFile, content, MAX_FILE_BYTES)
    except MalformedError as error:
        raise ProofFileError(f"{path}: not a proof as it was written: {error.args[0]}") from error
    _check(found, str(path))
    return found


def _check(found: ProofFile, where: str) -> None:
    entry = abi.proofs().get(found.kind)
    if entry is None or found.proof[:4] != entry.hash[:4]:
        raise ProofFileError(f"{where}: not a proof of {found.kind}")
