"""Content stores as they are behind proxies and balancers: now and then a call goes wrong, drawn from a seed."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import AsyncIterator, Hashable

from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response, StreamingResponse

from protocol.content.cid import CHUNK_BYTES, Cid, cid_of
from storage.content.interface import (
    ContentCorruptError,
    ContentMissingError,
    ContentStore,
    StoreUnavailableError,
)
from storage.patience import Patience
from tests.ports.kubo_fake import NOT_FOUND, KuboFake, failed_command


class Mischief:
    """Which call goes wrong, and how; ``done`` counts. A question goes wrong twice at most, and never once it was
    answered, so that whoever asks again comes to the truth."""

    def __init__(self, seed: int, share: float) -> None:
        self._drawn, self._share, self._lock = random.Random(seed), share, threading.Lock()
        self._asked: Counter[Hashable] = Counter()
        self.done: Counter[str] = Counter()

    def draw(self, question: Hashable, kinds: tuple[str, ...]) -> str:
        """One of ``kinds``, or nothing."""
        with self._lock:
            if self._asked[question] >= 2 or self._drawn.uniform(0, 1) >= self._share:
                self._asked[question] = 2
                return ""
            self._asked[question] += 1
            kind = self._drawn.choice(kinds)
            self.done[kind] += 1
            return kind


class Time:
    """Passes while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def patience(self) -> Patience:
        return Patience(10.0, monotonic=lambda: self.now, sleep=self.sleep)

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class UnsteadyStore:
    """A store of which ``share`` of the calls fail."""

    def __init__(self, inner: ContentStore, seed: int, share: float = 0.05) -> None:
        self.inner, self.mischief = inner, Mischief(seed, share)

    def put(self, data: bytes, chunk_bytes: int = CHUNK_BYTES) -> Cid:
        match self.mischief.draw(("put", data), ("away", "answer lost", "not stored")):
            case "away":
                raise StoreUnavailableError("connection refused")
            case "answer lost":
                self.inner.put(data, chunk_bytes)
                raise StoreUnavailableError("the connection broke")
            case "not stored":
                raise ContentMissingError("acknowledged, and not there")
        return self.inner.put(data, chunk_bytes)

    def get(self, cid: Cid, max_bytes: int, chunk_bytes: int = CHUNK_BYTES) -> bytes:
        match self.mischief.draw(("get", cid), ("away", "busy", "not found", "rotten")):
            case "away":
                raise StoreUnavailableError("connection refused")
            case "busy":
                raise StoreUnavailableError("status 429", pause_seconds=1)
            case "not found":
                raise ContentMissingError("not here yet")
            case "rotten":
                raise ContentCorruptError("other bytes")
        return self.inner.get(cid, max_bytes, chunk_bytes)


class UnfriendlyKubo(KuboFake):
    """The same of a daemon: what proxies answer in its place, and what is wrong with its own answers."""

    ANY = ("too many", "maintenance", "broken", "page", "redirection", "cut connection")
    KINDS = (*ANY, "not stored", "not found", "half", "rotten")

    def __init__(self, seed: int = 7, share: float = 0.5) -> None:
        super().__init__()
        self._seed, self._share = seed, share
        self.mischief = Mischief(seed, share)

    def empty(self) -> None:
        super().empty()
        self.mischief = Mischief(self._seed, self._share)

    def _add(self, data: bytes, parameters: dict[str, str]) -> Response:
        kind = self.mischief.draw(("add", data), (*self.ANY, "not stored"))
        if kind == "not stored":
            chunk_bytes = int(parameters["chunker"].removeprefix("size-"))
            return JSONResponse({"Name": "bytes", "Hash": cid_of(data, chunk_bytes).text, "Size": "1"})
        return _in_its_place(kind) if kind else super()._add(data, parameters)

    async def _cat(self, cid: Cid, length: int) -> Response:
        kind = self.mischief.draw(("cat", cid), (*self.ANY, "not found", "half", "rotten"))
        if kind == "not found":
            return failed_command(NOT_FOUND + cid.text)
        if kind in self.ANY:
            return _in_its_place(kind)
        answer = await super()._cat(cid, length)
        if not kind or not isinstance(answer, StreamingResponse):
            return answer
        body = bytearray(b"".join([bytes(piece) async for piece in answer.body_iterator]))  # type: ignore[arg-type]
        if kind == "half":
            del body[len(body) // 2 :]
        elif body:
            body[len(body) // 3] ^= 1
        return Response(bytes(body))


def _in_its_place(kind: str) -> Response:
    match kind:
        case "too many":
            return JSONResponse({"error": "slow down"}, 429, {"Retry-After": "1"})
        case "maintenance":
            return HTMLResponse("<html>503 Service Unavailable</html>", 503)
        case "broken":
            return PlainTextResponse("Bad Gateway", 502)
        case "page":
            return HTMLResponse("<html>Please log in</html>")
        case "redirection":
            return Response(status_code=302, headers={"Location": "/login"})
    return StreamingResponse(_cut())


async def _cut() -> AsyncIterator[bytes]:
    yield b"{"
    raise ConnectionAbortedError("as told")
