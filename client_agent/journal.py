"""What the phone must remember across a kill: keys, charges, sealed updates, residual; durable before use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from client_agent.keystore import decode_master_keys, encode_master_keys
from protocol.encryption.committee import Subset
from protocol.errors import HearthError
from protocol.identifiers import Digest, sha256
from protocol.messages.submission import Commitment, SignedCommitment
from storage.journal import Entry, Journal


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
        self._keys: Digest | None = None
        self.charged: dict[int, Digest] = {}  # round -> label, in order
        self.sealed: dict[int, Sealed] = {}
        self.outcomes: dict[int, bool] = {}  # round -> was the update added to the model
        for entry in self._journal.entries():
            self._apply(entry)

    def close(self) -> None:
        self._journal.close()

    def keep_keys(self, keys: Mapping[Subset, bytes]) -> None:
        data = encode_master_keys(keys)
        self._journal.write_file("master-keys.json", data)
        self._append("keys", digest=sha256(data))

    def keys(self) -> dict[Subset, bytes] | None:
        if self._keys is None:
            return None
        return decode_master_keys(self._read("master-keys.json", self._keys))

    def keep_envelope(self, data: bytes, digest: Digest) -> None:
        self._journal.write_file("envelope.json", data)
        self._append("envelope", digest=digest)

    def envelope_bytes(self) -> bytes:
        return self._journal.read_file("envelope.json")

    def charge(self, round_number: int, label: Digest) -> None:
        """The round's privacy charge counts from here on, whatever happens to the update."""
        if round_number not in self.charged:
            self._append("charged", round=round_number, label=label)

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
        return self.sealed[commitment.round]

    def body(self, round_number: int) -> bytes:
        """The ciphertext; its digest is checked by whoever stores it."""
        return self._journal.read_file(f"body-{round_number}")

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
                self._keys = _bytes(fields["digest"])
            case "envelope":
                self.envelope = _bytes(fields["digest"])
            case "charged":
                self.charged[_int(fields["round"])] = _bytes(fields["label"])
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
            case "outcome":
                self.outcomes[_int(fields["round"])] = bool(fields["added"])
            case kind:
                raise JournalDamagedError(f"unknown entry {kind}")


def _int(value: object) -> int:
    if not isinstance(value, int):
        raise JournalDamagedError(f"{value!r} is not a number")
    return value


def _bytes(value: object) -> bytes:
    if not isinstance(value, bytes):
        raise JournalDamagedError(f"{value!r} is not bytes")
    return value
