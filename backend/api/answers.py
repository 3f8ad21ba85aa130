"""How the public part answers: JSON with an ETag that its reader can hold, and which problems a route is documented
with."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO, Final

from fastapi import Request
from pydantic import BaseModel
from starlette.responses import Response, StreamingResponse

from protocol.identifiers import sha256

Responses = dict[int | str, dict[str, Any]]  # as FastAPI documents a route's answers

PIECE_BYTES: Final = 256 * 1024
JSON: Final = "application/json"
PROBLEM: Final = "application/problem+json"
ETAG_HEADER: Final = {"ETag": {"description": "changes with the answer", "schema": {"type": "string"}}}
NOT_MODIFIED: Final[Responses] = {
    200: {"headers": ETAG_HEADER},
    304: {"description": "If-None-Match names the present ETag", "headers": ETAG_HEADER},
}
_WHY: Final[Mapping[int, str]] = {
    400: "malformed",
    401: "nobody is signed in",
    403: "somebody else's",
    404: "no such thing here",
    408: "the body takes too long",
    409: "not in the present state",
    413: "the body is too large",
    422: "a part of the request is not valid",
    429: "too often; Retry-After says when again",
    500: "a fault of this server; its log says which",
    503: "busy, still starting, or without its chain, content store or authorities",
}


def problems(*statuses: int) -> Responses:
    """For ``responses=``: these, and what any route may answer."""
    return {
        status: {
            "description": _WHY[status],
            "content": {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status in sorted({*statuses, 422, 500, 503})
    }


def as_json(shown: BaseModel) -> bytes:
    """In ASCII: a title, or a reason, may be anything that somebody wrote, and ends in a terminal."""
    return json.dumps(shown.model_dump(mode="json"), separators=(",", ":")).encode()


def tagged(request: Request, shown: BaseModel) -> Response:
    """The model, or 304 where the reader has it already."""
    content = as_json(shown)
    return tagged_bytes(request, content, JSON, sha256(content)[:16].hex())


def tagged_bytes(request: Request, content: bytes, media_type: str, tag: str, name: str | None = None) -> Response:
    """``name``: of the file that a browser saves."""
    headers = {"ETag": f'"{tag}"', "Cache-Control": "no-cache"}
    if _names(request.headers.get("if-none-match", ""), headers["ETag"]):
        return Response(status_code=304, headers=headers)
    if name is not None:
        headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return Response(content, media_type=media_type, headers=headers)


def tagged_file(request: Request, file: BinaryIO, media_type: str, name: str) -> Response:
    """All of an open file that nobody changes, piece by piece; closed in the end. ``name``: of what a browser saves."""
    found = os.fstat(file.fileno())
    headers = {"ETag": f'"{found.st_mtime_ns:x}-{found.st_size:x}"', "Cache-Control": "no-cache"}
    if _names(request.headers.get("if-none-match", ""), headers["ETag"]):
        file.close()
        return Response(status_code=304, headers=headers)
    headers |= {"Content-Disposition": f'attachment; filename="{name}"', "Content-Length": str(found.st_size)}
    return StreamingResponse(_pieces(file), media_type=media_type, headers=headers)


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    with file:
        while piece := file.read(PIECE_BYTES):
            yield piece


def _names(header: str, tag: str) -> bool:
    """RFC 9110: compared weakly, since a reader that has the same bytes needs them no more."""
    return any(one.strip().removeprefix("W/") in (tag, "*") for one in header.split(","))
