"""Content that a signed-in manufacturer brings: the public test set of a task, and a model to start from.

Content is named by its digest alone, so what is uploaded twice is kept once. Everybody can make an account; so beside
each account, all of them together are limited.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

from fastapi import APIRouter, Request
from pydantic import Field
from safetensors import SafetensorError
from safetensors.numpy import load
from starlette.concurrency import run_in_threadpool

from backend.api.answers import Responses, problems
from backend.api.fields import HexDigest, Number, Shown
from backend.api.sign_in import BearerToken, CookieToken, Door
from backend.problem import RequestError, read_body
from protocol.errors import MalformedError, Party
from protocol.identifiers import Address
from protocol.model.dataset import decode_examples
from storage.content.interface import ContentStore

MAX_UPLOAD_BYTES: Final = 16 * 1024 * 1024
UPLOAD_SECONDS: Final = 120.0
HOUR: Final = 3600.0
MOST_OF_ONE: Final = 20  # uploads in an hour
MOST_OF_ALL: Final = 60
AT_ONCE: Final = 2
FILE: Final = "application/octet-stream"


class Upload(Shown):
    """What the store has now."""

    cid: str = Field(examples=["bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"])
    digest: HexDigest
    bytes: int = Field(ge=0, examples=[120_000])
    examples: int | None = Field(description="of a test set", examples=[360])
    input_shape: list[Number] | None = Field(description="of one example", examples=[[3, 1, 60]])


class Uploads:
    """Counts; may be shared by threads. ``clock`` runs on, in seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._lock = clock, threading.Lock()
        self._from, self._of = clock(), Counter[Address]()
        self.turns = threading.BoundedSemaphore(AT_ONCE)

    def count(self, account: Address) -> None:
        """Raises RequestError ``E_RATE``."""
        with self._lock:
            if self._clock() - self._from >= HOUR:
                self._from, self._of = self._clock(), Counter[Address]()
            if self._of[account] >= MOST_OF_ONE or self._of.total() >= MOST_OF_ALL:
                raise RequestError("too many uploads in this hour", fault=Party.CLIENT, code="E_RATE")
            self._of[account] += 1


def upload_routes(store: ContentStore, door: Door, uploads: Uploads) -> APIRouter:
    router = APIRouter(tags=["drafts"])

    async def taken(
        request: Request, account: Address, read: Callable[[bytes], tuple[int | None, list[int] | None]]
    ) -> Upload:
        uploads.count(account)
        if not uploads.turns.acquire(blocking=False):
            raise RequestError("too many uploads at once", fault=Party.CLIENT, code="E_BUSY")
        try:
            data = await read_body(request, MAX_UPLOAD_BYTES, UPLOAD_SECONDS)
            examples, shape = await run_in_threadpool(read, data)
            cid = await run_in_threadpool(store.put, data)
        finally:
            uploads.turns.release()
        digest = "0x" + cid.digest.hex()
        return Upload(cid=cid.text, digest=digest, bytes=len(data), examples=examples, input_shape=shape)

    @router.post(
        "/api/v1/uploads/test-sets",
        operation_id="upload_test_set",
        status_code=201,
        response_model=Upload,
        responses=_REFUSED,
        openapi_extra=_sent_file(),
    )
    async def test_set(request: Request, bearer: BearerToken = None, cookie: CookieToken = None) -> Upload:
        """A safetensors file with tensors `inputs` (N, ...) and `labels` (N). It becomes public."""
        return await taken(request, door.enter(request, bearer, cookie).address, _test_set)

    @router.post(
        "/api/v1/uploads/models",
        operation_id="upload_model",
        status_code=201,
        response_model=Upload,
        responses=_REFUSED,
        openapi_extra=_sent_file(),
    )
    async def model(request: Request, bearer: BearerToken = None, cookie: CookieToken = None) -> Upload:
        """A safetensors file of parameters in single precision. Whether they are a task's, its draft says."""
        return await taken(request, door.enter(request, bearer, cookie).address, _model)

    return router


_REFUSED: Final[Responses] = problems(400, 401, 408, 413, 429)


def _sent_file() -> dict[str, Any]:
    return {"requestBody": {"required": True, "content": {FILE: {"schema": {"type": "string", "format": "binary"}}}}}


def _test_set(data: bytes) -> tuple[int, list[int]]:
    try:
        inputs, labels = decode_examples(data).labelled()
    except MalformedError as error:
        raise MalformedError(str(error.args[0]), fault=Party.CLIENT) from error
    return len(labels), list(inputs.shape[1:])


def _model(data: bytes) -> tuple[None, None]:
    try:
        kinds = {str(tensor.dtype) for tensor in load(data).values()}
    except (SafetensorError, ValueError, KeyError, TypeError, OverflowError) as error:
        raise MalformedError(f"not a safetensors file: {error}", fault=Party.CLIENT) from error
    if kinds != {"float32"}:
        raise MalformedError("parameters are numbers in single precision", fault=Party.CLIENT)
    return None, None
