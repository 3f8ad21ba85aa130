"""A content store that lives as long as its process: for simulations and tests."""

from __future__ import annotations

from protocol.content.cid import CHUNK_BYTES, Cid
from storage.content.interface import ContentMissingError, address_for_put, verified


class MemoryStore:
    """Keeps whole objects in a dictionary by the text of their root CID."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}

    def put(self, data: bytes, chunk_bytes: int = CHUNK_BYTES) -> Cid:
        cid = address_for_put(data, chunk_bytes)
        self.objects[cid.text] = bytes(data)
        return cid

    def pinned(self, cid: Cid) -> bool:
        return cid.text in self.objects

    def unpin(self, cid: Cid) -> None:
        self.objects.pop(cid.text, None)

    def get(self, cid: Cid, max_bytes: int, chunk_bytes: int = CHUNK_BYTES) -> bytes:
        try:
            data = self.objects[cid.text]
        except KeyError:
            raise ContentMissingError(f"{cid.text}: not in this store") from None
        return verified(data, cid, max_bytes, chunk_bytes)
