"""A file under a passphrase: scrypt (RFC 7914), then AES-256-GCM in chunks that cannot be cut, moved or swapped.

The order of chunks and which one is the last are in their nonces (STREAM: Hoang, Reyhanitabar, Rogaway, Vizar 2015). A
file has a salt of its own, so a key is used for one file alone.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import Annotated, BinaryIO, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from protocol.canonical import decode, encode
from protocol.errors import HearthError, MalformedError
from protocol.identifiers import Digest, Range, sha256
from protocol.randomness import Randomness

CHUNK_BYTES: Final = 64 * 1024
TAG_BYTES: Final = 16
MAX_HEADER_BYTES: Final = 512
MAX_CHUNKS: Final = 2**32
LOG_N: Final = 16  # with p = 2: 64 MB and half a second, on whatever opens it
_R: Final = 8
_P: Final = 2


class EncryptedFileError(HearthError):
    """A file that is none of these, is damaged or cut, or that the passphrase does not open."""

    code = "E_BACKUP"


@dataclass(frozen=True, slots=True)
class Header:
    """Second line of a file. The ranges keep a planted one from asking for all memory."""

    log_n: Annotated[int, Range(10, 18)]
    p: Annotated[int, Range(1, 16)]
    salt: Digest


class EncryptedWriter:
    """``kind``: the first line, without its end. ``randomness`` must not repeat: a salt makes the key."""

    def __init__(self, file: BinaryIO, kind: str, passphrase: str, randomness: Randomness, log_n: int = LOG_N) -> None:
        header = Header(log_n, _P, randomness.draw("encrypted file/salt", 32))
        first = f"{kind}\n".encode("ascii") + encode(header) + b"\n"
        file.write(first)
        self._file, self._cipher, self._associated = file, _cipher(header, passphrase), sha256(first)
        self._waiting, self._count = bytearray(), 0

    def write(self, data: bytes) -> None:
        """Raises OSError."""
        self._waiting += data
        while len(self._waiting) > CHUNK_BYTES:  # the last one is written by :meth:`finish`, whatever its size
            self._chunk(bytes(self._waiting[:CHUNK_BYTES]), last=False)
            del self._waiting[:CHUNK_BYTES]

    def finish(self) -> None:
        """Without it the file opens for nobody."""
        self._chunk(bytes(self._waiting), last=True)

    def _chunk(self, plain: bytes, *, last: bool) -> None:
        self._file.write(self._cipher.encrypt(_nonce(self._count, last), plain, self._associated))
        self._count += 1


class EncryptedReader:
    """Gives plaintext of chunks that were authenticated, and its end only if it is the file's. Raises
    EncryptedFileError."""

    def __init__(self, file: BinaryIO, kind: str, passphrase: str) -> None:
        first = file.readline(len(kind) + 2)
        if first != f"{kind}\n".encode("ascii"):
            raise EncryptedFileError(f"it does not begin as a {kind} does")
        second = file.readline(MAX_HEADER_BYTES)
        try:
            header = decode(Header, second.rstrip(b"\n"), MAX_HEADER_BYTES)
        except MalformedError as error:
            raise EncryptedFileError(f"its header is damaged: {error.args[0]}") from error
        self._file, self._cipher, self._associated = file, _cipher(header, passphrase), sha256(first + second)
        self._ahead = file.read(CHUNK_BYTES + TAG_BYTES)
        self._plain, self._count, self._ended = b"", 0, False

    def take(self, size: int) -> bytes:
        """Up to ``size`` bytes; fewer only at the end."""
        taken = bytearray()
        while len(taken) < size and (self._plain or self._next()):
            part, self._plain = self._plain[: size - len(taken)], self._plain[size - len(taken) :]
            taken += part
        return bytes(taken)

    def _next(self) -> bool:
        if self._ended:
            return False
        chunk, self._ahead = self._ahead, self._file.read(CHUNK_BYTES + TAG_BYTES)
        self._ended = not self._ahead
        try:
            self._plain = self._cipher.decrypt(_nonce(self._count, self._ended), chunk, self._associated)
        except (InvalidTag, ValueError) as error:
            where = "another passphrase, or it is damaged" if not self._count else "it is damaged or cut"
            raise EncryptedFileError(f"it cannot be opened: {where}") from error
        self._count += 1
        return bool(self._plain)


def _cipher(header: Header, passphrase: str) -> AESGCM:
    """The same letters are the same passphrase, however a keyboard composes them."""
    scrypt = Scrypt(salt=header.salt, length=32, n=2**header.log_n, r=_R, p=header.p)
    return AESGCM(scrypt.derive(unicodedata.normalize("NFC", passphrase).encode("utf-8", "surrogatepass")))


def _nonce(count: int, last: bool) -> bytes:
    if count >= MAX_CHUNKS:
        raise EncryptedFileError("it has too many chunks")
    return count.to_bytes(11, "big") + bytes([last])
