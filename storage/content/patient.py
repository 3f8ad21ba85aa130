"""A content store that is asked again: what stands between it and its user fails now and then, and nobody is to lose
a round or a verdict by that."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

from protocol.content.cid import CHUNK_BYTES, Cid
from storage.content.interface import (
    ContentCorruptError,
    ContentMissingError,
    ContentStore,
    StoreUnavailableError,
)
from storage.patience import DEFAULT_PATIENCE, Patience

T = TypeVar("T")
MOST_DOUBTS: Final = 3  # of an answer: content that is not there costs every reader that many questions more


class PatientStore:
    """Passes everything on to ``inner``, and again when that fails; may be shared by threads.

    A store that was not to be had for as long as the patience lasts is asked once a call until it answers. Bytes that
    are not the content, or a store that does not have it, are doubted MOST_DOUBTS times: a proxy may answer for the
    store, and one of several nodes behind it may not have heard of the content yet.
    """

    def __init__(self, inner: ContentStore, patience: Patience = DEFAULT_PATIENCE) -> None:
        self.inner, self._patience = inner, patience
        self._gone = False

    def put(self, data: bytes, chunk_bytes: int = CHUNK_BYTES) -> Cid:
        return self._again(lambda: self.inner.put(data, chunk_bytes))

    def get(self, cid: Cid, max_bytes: int, chunk_bytes: int = CHUNK_BYTES) -> bytes:
        return self._again(lambda: self.inner.get(cid, max_bytes, chunk_bytes))

    def _again(self, act: Callable[[], T]) -> T:
        patience, attempt, doubts = self._patience, 0, 0
        until = patience.monotonic() + patience.seconds
        while True:
            try:
                result = act()
            except (ContentMissingError, ContentCorruptError):
                self._gone, doubts = False, doubts + 1
                pause = patience.pause(attempt, None)
                if doubts > MOST_DOUBTS or patience.monotonic() + pause > until:
                    raise
            except StoreUnavailableError as error:
                pause = patience.pause(attempt, error.pause_seconds)
                if self._gone or error.lasting or patience.monotonic() + pause > until:
                    self._gone = True
                    raise
            else:
                self._gone = False
                return result
            attempt += 1
            patience.sleep(pause)
