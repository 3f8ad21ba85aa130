"""What the phone must remember across a kill: keys, charges, sealed updates, residual; durable before use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from client_agent.keystore import decode_master_keys, encode_master_keys
from protocol.canonical import decode, encode
from protocol.encryption.committee import Subset, ratchet
from protocol.errors import HearthError
from protocol.identifiers import Digest, sha256
from protocol.messages.charge import Charge
from protocol.messages.submission import Commitment, SignedCommitment, SignedReceipt
from storage.records.journal import Entry, Journal

_KEYS_PREFIX = "master-keys-"


class JournalDamagedError(HearthError):
    """A file beside the journal is not the one the journal recorded."""

    code = "E_JOURNAL_DAMAGED"


@dataclass(frozen=True, slots=True)
class Sealed:
    """One encrypted update, ready to be sent and sent again."""

    commitment: SignedCommitment
    residual: Digest


class AgentJournal:
    """Append-only; the current state is a fold over the entries."""

    def __init__(self, folder: Path) -> None:
        self._journal = Journal(folder / "journal")
        self.envelope: Digest | None = None
        self._keys: tuple[int, Digest] | None = None  # epoch and file
        self.charged: dict[int, Digest] = {}  # round -> label, in order
        self.charges: dict[int, Charge] = {}  # round -> what all rounds up to it have spent together
        self.sealed: dict[int, Sealed] = {}
        self.receipts: dict[int, SignedReceipt] = {}  # round -> the edge server's word that the batch will hold it
        self.outcomes: dict[int, bool] = {}  # round -> was the update added to the model
        for entry in self._journal.entries():
            self._apply(entry)
        self._erase_used_keys()

    def close(self) -> None:
        self._journal.close()

    @property
    def has_keys(self) -> bool:
        return self._keys is not None

    def keep_keys(self, keys: Mapping[Subset, bytes], epoch: int = 0) -> None:
        """The master keys of ``epoch``, 0 as enrolled; those of earlier ones are erased."""
        data = encode_master_keys(keys)
        self._journal.write_file(_keys_file(epoch), data)
        self._append("keys", digest=sha256(data), epoch=epoch)
        self._erase_keys_before(epoch)

    def keys_of(self, epoch: int) -> dict[Subset, bytes]:
        """Moves the master keys on to ``epoch``, for good. Raises EncryptionError ``E_EPOCH`` for one that is over."""
        assert self._keys is not None
        held, digest = self._keys
        keys = ratchet(decode_master_keys(self._read(_keys_file(held), digest)), epoch - held)
        if epoch > held:
            self.keep_keys(keys, epoch)
        return keys

    def _erase_used_keys(self) -> None:
        """No second update can be encrypted for a round that has one, and no thief of the phone opens the first."""
        if self._keys is not None:
            if self.sealed and max(self.sealed) >= self._keys[0]:
                self.keys_of(max(self.sealed) + 1)
            self._erase_keys_before(self._keys[0])

    def _erase_keys_before(self, epoch: int) -> None:
        for name in self._journal.file_names():
            if name.startswith(_KEYS_PREFIX) and name != _keys_file(epoch):
                self._journal.remove_file(name)

    def keep_envelope(self, data: bytes, digest: Digest) -> None:
        self._journal.write_file("envelope.json", data)
        self._append("envelope", digest=digest)

    def envelope_bytes(self) -> bytes:
        return self._journal.read_file("envelope.json")

    def charge(self, round_number: int, label: Digest, charge: Charge) -> None:
        """The round's privacy charge counts from here on, whatever happens to the update."""
        if round_number not in self.charged:
            self._append("charged", round=round_number, label=label, charge=encode(charge))

    def seal(self, signed: SignedCommitment, body: bytes, residual: npt.NDArray[np.float64]) -> Sealed:
        commitment, kept = signed.commitment, residual.astype("<f8").tobytes()
        self._journal.write_file(f"body-{commitment.round}", body)
        self._journal.write_file(f"residual-{commitment.round}", kept)
        self._append(
            "sealed",
            task=commitment.task,
            round=commitment.round,
            client=commitment.client,
            label=commitment.label,
            nonce=commitment.nonce,
            ciphertext=commitment.ciphertext,
            signature=signed.signature,
            residual=sha256(kept),
        )
        self._erase_used_keys()
        return self.sealed[commitment.round]

    def body(self, round_number: int) -> bytes:
        """The ciphertext; its digest is checked by whoever stores it."""
        return self._journal.read_file(f"body-{round_number}")

    def keep_receipt(self, round_number: int, receipt: SignedReceipt) -> None:
        """Verified; the first one of a round stays."""
        if round_number not in self.receipts:
            self._append("receipt", round=round_number, server=receipt.server, signature=receipt.signature)

    def settle(self, round_number: int, added: bool) -> None:
        self._append("outcome", round=round_number, added=int(added))

    def residual(self, dimension: int) -> npt.NDArray[np.float64]:
        """Left by the last update that went into the model; zero before the first."""
        added = [number for number, was_added in self.outcomes.items() if was_added]
        if not added:
            return np.zeros(dimension)
        last = max(added)
        values = np.frombuffer(self._read(f"residual-{last}", self.sealed[last].residual), dtype="<f8")
        if len(values) != dimension:
            raise JournalDamagedError(f"residual of {len(values)} coordinates where the model has {dimension}")
        return values.astype(np.float64)

    def _read(self, name: str, digest: Digest) -> bytes:
        data = self._journal.read_file(name)
        if sha256(data) != digest:
            raise JournalDamagedError(f"{name} is not what the journal recorded")
        return data

    def _append(self, kind: str, **fields: int | str | bytes) -> None:
        self._journal.append(kind, **fields)
        self._apply(Entry(kind, fields))

    def _apply(self, entry: Entry) -> None:
        fields = entry.fields
        match entry.kind:
            case "keys":
                self._keys = _int(fields["epoch"]), _bytes(fields["digest"])
            case "envelope":
                self.envelope = _bytes(fields["digest"])
            case "charged":
                self.charged[_int(fields["round"])] = _bytes(fields["label"])
                self.charges[_int(fields["round"])] = decode(Charge, _bytes(fields["charge"]))
            case "sealed":
                commitment = Commitment(
                    _int(fields["task"]),
                    _int(fields["round"]),
                    _bytes(fields["client"]),
                    _bytes(fields["label"]),
                    _bytes(fields["nonce"]),
                    _bytes(fields["ciphertext"]),
                )
                signed = SignedCommitment(commitment, _bytes(fields["signature"]))
                self.sealed[commitment.round] = Sealed(signed, _bytes(fields["residual"]))
            case "receipt":
                self.receipts[_int(fields["round"])] = SignedReceipt(
                    _bytes(fields["server"]), _bytes(fields["signature"])
                )
            case "outcome":
                self.outcomes[_int(fields["round"])] = bool(fields["added"])
            case kind:
                raise JournalDamagedError(f"unknown entry {kind}")


def _keys_file(epoch: int) -> str:
    return f"{_KEYS_PREFIX}{epoch}.json"


def _int(value: object) -> int:
    if not isinstance(value, int):
        raise JournalDamagedError(f"{value!r} is not a number")
    return value


def _bytes(value: object) -> bytes:
    if not isinstance(value, bytes):
        raise JournalDamagedError(f"{value!r} is not bytes")
    return value
