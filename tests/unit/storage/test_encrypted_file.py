"""A file under a passphrase gives what was written, or an error: never a part of it as if it were all."""

from __future__ import annotations

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.randomness import SeededRandomness
from storage.encrypted_file import CHUNK_BYTES, TAG_BYTES, EncryptedFileError, EncryptedReader, EncryptedWriter

KIND = "some-kind/1"


def written(data: bytes, seed: bytes = b"one", passphrase: str = "p\u00e4ss") -> bytes:
    file = io.BytesIO()
    writer = EncryptedWriter(file, KIND, passphrase, SeededRandomness(seed), log_n=10)
    for start in range(0, len(data), 10_000):
        writer.write(data[start : start + 10_000])
    writer.finish()
    return file.getvalue()


def read(data: bytes, passphrase: str = "p\u00e4ss", piece: int = 70_000) -> bytes:
    reader, found = EncryptedReader(io.BytesIO(data), KIND, passphrase), bytearray()
    while part := reader.take(piece):
        found += part
    return bytes(found)


@pytest.mark.parametrize("size", [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES])
def test_what_is_written_is_read(size: int) -> None:
    data = bytes(range(256)) * (size // 256) + bytes(size % 256)
    encrypted = written(data)
    assert read(encrypted) == data and read(encrypted, piece=1_000) == data
    assert data[:64] not in encrypted or size < 64


def test_the_same_letters_are_the_same_passphrase() -> None:
    assert read(written(b"x"), "pa\u0308ss") == b"x"


def test_two_files_have_two_keys() -> None:
    one, other = written(bytes(100)), written(bytes(100), b"other")
    assert one.splitlines()[-1][-100:] != other.splitlines()[-1][-100:]


def test_chunks_that_are_cut_moved_or_of_another_file() -> None:
    data = bytes(3 * CHUNK_BYTES)
    encrypted, other = written(data), written(data, b"other")
    head, size = len(encrypted) - 3 * (CHUNK_BYTES + TAG_BYTES), CHUNK_BYTES + TAG_BYTES
    chunks = [encrypted[head + n * size : head + (n + 1) * size] for n in range(3)]
    for wrong in (
        encrypted[:head], encrypted[: head + size], encrypted[: head + 2 * size], encrypted + chunks[2],
        encrypted[:head] + chunks[1] + chunks[0] + chunks[2], encrypted[:-1], other[:head] + encrypted[head:],
    ):  # fmt: skip
        with pytest.raises(EncryptedFileError):
            read(wrong)


def test_another_passphrase() -> None:
    with pytest.raises(EncryptedFileError):
        read(written(b"secret"), "pass")


@settings(max_examples=60)
@given(st.data())
def test_no_changed_byte_goes_unnoticed(data: st.DataObject) -> None:
    encrypted = bytearray(WHOLE)
    place = data.draw(st.integers(0, len(encrypted) - 1))
    encrypted[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(EncryptedFileError):
        assert read(bytes(encrypted)) == b"something"


@settings(max_examples=60)
@given(st.binary(max_size=600))
def test_whatever_arrives_gives_that_one_error(data: bytes) -> None:
    for wrong in (data, KIND.encode() + b"\n" + data):
        with pytest.raises(EncryptedFileError):
            read(wrong)


WHOLE = written(b"something")
