"""One ciphertext from the content store, or why it cannot be added."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from protocol.identifiers import Digest
from protocol.round.scheme import RoundScheme
from protocol.screening.verdict import Unfit, judged_by_size
from storage.content.interface import (
    ContentCorruptError,
    ContentMissingError,
    ContentStore,
    ContentTooLargeError,
    StoreUnavailableError,
    get_document,
)

ATTEMPTS: Final = 4  # a ciphertext may take a moment to become visible
_PAUSE_SECONDS: Final = 0.25

Sleep = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class BodySize:
    """In bytes: of a round's ciphertexts, of what is read of one at most, of the chunks in which they are stored."""

    exact: int
    max_fetched: int
    block: int

    @classmethod
    def of(cls, scheme: RoundScheme) -> BodySize:
        return cls(scheme.body_bytes, scheme.max_fetched_bytes, scheme.block_bytes)


def fetch_body(
    store: ContentStore, ciphertext: Digest, size: BodySize, sleep: Sleep, attempts: int = ATTEMPTS
) -> bytes | Unfit:
    """Bytes of the right size with that digest. What a store says is believed after ``attempts``: a client pays for a
    wrong word of it with its share.

    Raises StoreUnavailableError when the store as a whole cannot be asked, since that is no client's doing.
    """
    unfit = Unfit.UNAVAILABLE
    for attempt in range(1, attempts + 1):
        try:
            body = get_document(store, ciphertext, size.max_fetched, size.block)
        except (ContentCorruptError, ContentTooLargeError):
            unfit = Unfit.CORRUPT
        except ContentMissingError:
            unfit = Unfit.UNAVAILABLE
        except StoreUnavailableError:
            if attempt == attempts:
                raise
        else:
            return judged_by_size(len(body), size.exact) or body
        if attempt < attempts:
            sleep(_PAUSE_SECONDS)
    return unfit
