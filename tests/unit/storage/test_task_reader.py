"""Why a document cannot be read: it is not there, the store gives something else, or it never was one."""

from __future__ import annotations

import random

from protocol.content.cid import CHUNK_BYTES, Cid
from protocol.task.documents import Lack
from storage.content.memory import MemoryStore
from storage.reading import BEYOND_BYTES, read_content

DATA = random.Random(1).randbytes(300_000)


class Padding(MemoryStore):
    """Adds to everything that it gives."""

    def get(self, cid: Cid, max_bytes: int, chunk_bytes: int = CHUNK_BYTES) -> bytes:
        padded = MemoryStore()
        padded.objects = {name: data + DATA for name, data in self.objects.items()}
        return padded.get(cid, max_bytes, chunk_bytes)


def test_what_is_there_and_what_is_not() -> None:
    store = MemoryStore()
    digest = store.put(DATA).digest
    assert read_content(store, digest, len(DATA)) == DATA
    assert read_content(MemoryStore(), digest, len(DATA)) is Lack.MISSING


def test_a_document_that_is_larger_than_allowed_is_its_authors_fault_and_padding_the_stores() -> None:
    """The store gives bytes of that digest, so it is not to blame; else who wrote it is not."""
    honest, padding = MemoryStore(), Padding()
    digest = honest.put(DATA).digest
    assert read_content(honest, digest, len(DATA) - 1) is Lack.MALFORMED
    assert padding.put(DATA).digest == digest
    for limit in (len(DATA) - 1, len(DATA)):
        assert read_content(padding, digest, limit) is Lack.CORRUPT


def test_no_document_makes_its_reader_fetch_without_end() -> None:
    store = MemoryStore()
    digest = store.put(bytes(2 * 1000 + BEYOND_BYTES + 1)).digest
    assert read_content(store, digest, 1000) is Lack.CORRUPT
