"""The manufacturer's server where phones redeem their codes: one signature for each, whatever happens in between."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Final

from backend.vouchers.codes import is_code
from backend.vouchers.key_file import new_key, read_key, write_key
from protocol.errors import HearthError, Party
from protocol.identifiers import Digest, sha256
from protocol.messages.vouchers import BlindSignature, VoucherRequest, VoucherTerms
from protocol.randomness import Randomness
from protocol.vouchers.signing import VoucherKey
from storage.records.fold import Folded
from storage.records.interface import NOTHING, Change, Records

KEY_FILE: Final = ".pem"


class RedeemError(HearthError):
    """A code that brings no signature."""

    code = "E_VOUCHER_CODE"


@dataclass(frozen=True, slots=True)
class CodeRedeemed:
    """For this value and no other; the same value is signed again when it is asked for again."""

    key: Digest
    code: Digest  # SHA-256: whoever reads the records can redeem nothing
    blinded: Digest  # SHA-256


@dataclass
class _Redeemed:
    """Grows in its place, entry by entry: a product line has a million codes, and a copy for each would not end."""

    values: dict[tuple[Digest, Digest], Digest] = field(default_factory=dict)


def _apply(state: _Redeemed, entry: CodeRedeemed) -> _Redeemed:
    state.values.setdefault((entry.key, entry.code), entry.blinded)
    return state


class Issuer:
    """``folder``: of the key files of all tasks, each named by its modulus. For threads."""

    def __init__(self, folder: Path, password: str, records: Records, randomness: Randomness) -> None:
        self._folder, self._password, self._randomness = folder, password, randomness
        self._folded: Folded[_Redeemed, CodeRedeemed] = Folded(records, (CodeRedeemed,), _Redeemed(), _apply)
        self._keys, self._mutex = dict[Digest, VoucherKey](), Lock()
        self._terms = dict[Digest, VoucherTerms]()

    def terms_of(self, key: Digest) -> VoucherTerms | None:
        """Of a key in the folder, for a task that is to have it; None where there is none. Raises VoucherKeyError."""
        path = self._folder / (key.hex() + KEY_FILE)
        if key not in self._terms and path.is_file():
            self._terms[key] = read_key(path, self._password).terms()
        return self._terms.get(key)

    def redeem(self, terms: VoucherTerms, request: VoucherRequest) -> BlindSignature:
        """Durable before it is signed. Raises RedeemError, VoucherError for what cannot be signed, RecordsError."""
        key = self._key(terms)
        if not is_code(key, request.code):
            raise RedeemError("no code of this task", fault=Party.CLIENT)
        signed = BlindSignature(key.sign(request.blinded, self._randomness))
        spent = CodeRedeemed(terms.key, sha256(request.code), sha256(request.blinded))

        def change(state: _Redeemed) -> Change:
            before = state.values.get((spent.key, spent.code))
            if before is not None and before != spent.blinded:
                raise RedeemError("the code was redeemed before", fault=Party.CLIENT, code="E_VOUCHER_SPENT")
            return NOTHING if before is not None else Change((spent,))

        self._folded.change(change)
        return signed

    def redeemed(self, terms: VoucherTerms) -> int:
        """Codes of this key."""
        return sum(key == terms.key for key, _ in self._folded.state.values)

    def _key(self, terms: VoucherTerms) -> VoucherKey:
        with self._mutex:
            if terms.key not in self._keys:
                path = key_path(self._folder, terms)
                if not terms.needed or not path.is_file():
                    raise RedeemError("this server redeems no codes of the task", code="E_NOT_FOUND")
                self._keys[terms.key] = read_key(path, self._password)
            return self._keys[terms.key]


def make_key(folder: Path, password: str) -> VoucherTerms:
    """A new key in the folder, and what a task says of it. Raises VoucherKeyError, OSError."""
    key = new_key()
    terms = key.terms()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_key(key_path(folder, terms), key, password)
    return terms


def key_path(folder: Path, terms: VoucherTerms) -> Path:
    return folder / (terms.key.hex() + KEY_FILE)
