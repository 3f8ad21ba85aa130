"""The content port: bytes in, address out; address in, verified bytes out. No store is trusted."""

from __future__ import annotations

from typing import Protocol

from protocol.content.cid import CHUNK_BYTES, MAX_CHUNK_BYTES, MAX_NODE_BYTES, Cid, cid_of, is_tree_node
from protocol.errors import HearthError, MalformedError, Party
from protocol.identifiers import Digest


class ContentError(HearthError):
    """What a content store did wrong."""

    code = "E_CONTENT"

    def __init__(self, message: str) -> None:
        super().__init__(message, fault=Party.CONTENT_STORE)


class ContentMissingError(ContentError):
    """The store does not have the content, or did not deliver all of it in time: nothing is proven."""

    code = "E_CONTENT_MISSING"


class ContentCorruptError(ContentError):
    """The store delivered bytes that are not the content of the address."""

    code = "E_CONTENT_CORRUPT"


class ContentTooLargeError(ContentError):
    """The content is larger than the reader allows; at most the limit was read."""

    code = "E_CONTENT_TOO_LARGE"


class StoreUnavailableError(ContentError):
    """The store cannot be reached or used at all; its content may well exist.

    ``lasting``: asking again changes nothing, as after a refusal. ``pause_seconds``: for which the store asked.
    """

    code = "E_STORE_UNAVAILABLE"

    def __init__(self, message: str, *, lasting: bool = False, pause_seconds: float | None = None) -> None:
        super().__init__(message)
        self.lasting, self.pause_seconds = lasting, pause_seconds


class ContentStore(Protocol):
    """Keeps documents and ciphertexts. Implementations may be shared by threads."""

    def put(self, data: bytes, chunk_bytes: int = CHUNK_BYTES) -> Cid:
        """Stores and returns the address computed here; raises if the store does not hold exactly this content."""
        ...

    def get(self, cid: Cid, max_bytes: int, chunk_bytes: int = CHUNK_BYTES) -> bytes:
        """Reads at most ``max_bytes`` and returns them only if they hash to ``cid``. Raises a ContentError."""
        ...


def get_document(store: ContentStore, digest: Digest, max_bytes: int, chunk_bytes: int = CHUNK_BYTES) -> bytes:
    """Reads content by the bare 32-byte digest of the ledger: the block of that digest, or the tree it is root of.

    Which of the two depends on the block alone, so every reader of every store gets the same bytes.
    """
    raw, tree = Cid("raw", digest), Cid("dag-pb", digest)
    probe_bytes = max(min(max_bytes, chunk_bytes), MAX_NODE_BYTES)
    try:
        block = store.get(raw, probe_bytes, MAX_CHUNK_BYTES)
    except ContentMissingError:
        return store.get(tree, max_bytes, chunk_bytes)  # a store of whole files knows a tree only by its root CID
    if is_tree_node(block):
        return store.get(tree, max_bytes, chunk_bytes)
    return verified(block, raw, max_bytes, chunk_bytes)


def address_for_put(data: bytes, chunk_bytes: int) -> Cid:
    """The address under which ``put`` stores; refuses a one-leaf file that would be read back as a tree."""
    cid = cid_of(data, chunk_bytes)
    if cid.codec == "raw" and is_tree_node(data):
        raise MalformedError(f"{cid.text}: the content begins like an inner node of a tree and would be ambiguous")
    return cid


def verified(data: bytes, cid: Cid, max_bytes: int, chunk_bytes: int) -> bytes:
    """Returns ``data`` if it is the content of ``cid``; for the implementations of ``get``."""
    if len(data) > max_bytes:
        raise ContentTooLargeError(f"{cid.text}: larger than {max_bytes} bytes")
    found = cid_of(data, chunk_bytes)
    if found != cid:
        raise ContentCorruptError(f"{cid.text}: the {len(data)} bytes delivered are the content of {found.text}")
    return data
