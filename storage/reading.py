"""One object of a content store as a value: its bytes, or why there are none."""

from __future__ import annotations

from typing import Final

from protocol.content.cid import CHUNK_BYTES
from protocol.identifiers import Digest
from protocol.task.documents import Lack
from storage.content.interface import (
    ContentCorruptError,
    ContentMissingError,
    ContentStore,
    ContentTooLargeError,
    get_document,
)

BEYOND_BYTES: Final = 1024 * 1024  # so much more than twice the limit is read of a document that is too large


def read_content(store: ContentStore, digest: Digest, max_bytes: int, chunk_bytes: int = CHUNK_BYTES) -> bytes | Lack:
    """Verified bytes, or why there are none. Raises StoreUnavailableError."""
    try:
        return get_document(store, digest, max_bytes, chunk_bytes)
    except ContentMissingError:
        return Lack.MISSING
    except ContentCorruptError:
        return Lack.CORRUPT
    except ContentTooLargeError:
        return Lack.MALFORMED if _is_larger(store, digest, max_bytes, chunk_bytes) else Lack.CORRUPT


def _is_larger(store: ContentStore, digest: Digest, max_bytes: int, chunk_bytes: int) -> bool:
    """Whether the digest itself names more than is allowed: else the store may have added to it."""
    try:
        get_document(store, digest, 2 * max_bytes + BEYOND_BYTES, chunk_bytes)
    except (ContentMissingError, ContentCorruptError, ContentTooLargeError):
        return False
    return True
