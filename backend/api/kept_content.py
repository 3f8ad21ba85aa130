"""What the content store holds for drafts: test sets and models, read once and remembered by their digest."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

from protocol.canonical import encode
from protocol.identifiers import Digest
from protocol.messages.learning import ModelSpec
from protocol.model.dataset import MAX_DATASET_BYTES, decode_examples, labelled_for
from protocol.model.layout import Layout
from storage.content.interface import ContentStore, get_document

REMEMBERED: Final = 64


class KeptContent:
    """May be shared by threads. Every method raises HearthError where the content is not there or does not fit."""

    def __init__(self, store: ContentStore) -> None:
        self._store, self._lock = store, threading.Lock()
        self._known: dict[tuple[Digest, bytes, str], int] = {}

    def examples(self, digest: Digest, model: ModelSpec) -> int:
        """Of a test set, each of which fits the model."""

        def count() -> int:
            data = get_document(self._store, digest, MAX_DATASET_BYTES)
            return len(labelled_for(model, decode_examples(data))[1])

        return self._remembered((digest, encode(model), "test set"), count)

    def check_model(self, digest: Digest, model: ModelSpec) -> None:
        """That these are parameters of the model."""

        def size() -> int:
            layout = Layout.of(model)
            return len(layout.from_safetensors(get_document(self._store, digest, layout.max_bytes)))

        self._remembered((digest, encode(model), "model"), size)

    def _remembered(self, key: tuple[Digest, bytes, str], find: Callable[[], int]) -> int:
        with self._lock:
            if key in self._known:
                return self._known[key]
        found = find()
        with self._lock:
            if len(self._known) >= REMEMBERED:
                self._known.pop(next(iter(self._known)))
            self._known[key] = found
        return found
