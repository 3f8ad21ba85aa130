"""What a long command is at: one line on the terminal's standard error, gone before the first line of the result."""

from __future__ import annotations

from types import TracebackType
from typing import Any

from rich.console import Console
from rich.markup import escape

from protocol.content.cid import CHUNK_BYTES, Cid
from protocol.text import shown
from storage.content.interface import ContentStore
from storage.ledger.ethereum.rpc import NodeProvider


class Progress:
    """Context manager. Says nothing where standard error is no terminal that can take a line back."""

    def __init__(self, console: Console | None = None) -> None:
        console = console or Console(stderr=True)
        self._status = console.status("", spinner="line") if console.is_interactive else None

    def __enter__(self) -> Progress:
        if self._status is not None:
            self._status.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._status is not None:
            self._status.stop()

    def tell(self, what: str) -> None:
        if self._status is not None:
            self._status.update(escape(shown(what)))

    def _refresh(self) -> None:
        """At once; by itself the line is drawn some times a second."""
        if self._status is not None:
            self._status._live.refresh()

    def of_node(self, node: NodeProvider) -> NodeProvider:
        return _CountedNode(node, self)

    def of_store(self, store: ContentStore) -> ContentStore:
        return _CountedStore(store, self)


class _CountedNode(NodeProvider):
    def __init__(self, inner: NodeProvider, progress: Progress) -> None:
        self._inner, self._progress, self._count = inner, progress, 0

    @property
    def bytes_sent(self) -> int:
        return self._inner.bytes_sent

    def close(self) -> None:
        self._inner.close()

    def make_request(self, method: str, params: Any) -> dict[str, Any]:
        self._count += 1
        self._progress.tell(f"reads the chain: question {self._count:,}")
        return self._inner.make_request(method, params)


class _CountedStore:
    def __init__(self, inner: ContentStore, progress: Progress) -> None:
        self._inner, self._progress, self._count = inner, progress, 0

    def put(self, data: bytes, chunk_bytes: int = CHUNK_BYTES) -> Cid:
        return self._inner.put(data, chunk_bytes)

    def get(self, cid: Cid, max_bytes: int, chunk_bytes: int = CHUNK_BYTES) -> bytes:
        self._count += 1
        self._progress.tell(f"reads the content store: object {self._count:,}")
        return self._inner.get(cid, max_bytes, chunk_bytes)
