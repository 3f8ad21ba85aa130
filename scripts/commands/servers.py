"""What a manufacturer asks servers that others run: a key authority who it is, an edge server for the call to sign."""

from __future__ import annotations

from typing import Any, Final

import httpx2

from protocol.canonical import encode
from protocol.errors import HearthError, MalformedError, Party, VerificationError
from protocol.identifiers import Address, from_hex, sha256
from protocol.messages.task import TaskSpec
from protocol.strict_json import parse_json
from storage.http import client, failure, shown_url
from storage.ledger.interface import PreparedTransaction

MAX_ANSWER_BYTES: Final = 1024 * 1024
TIMEOUT_SECONDS: Final = 30.0
MAX_DETAIL: Final = 400  # characters of what a server says


class ApiError(HearthError):
    """An HTTP server that is away, or whose answer is not what was asked for."""

    code = "E_API"


def identify_authority(url: str) -> Address:
    """Asks a key authority for its address; check it with its operator out of band. Raises ApiError."""
    return _identity(url, Party.KEY_AUTHORITY, "key authority")


def identify_edge_server(url: str) -> Address:
    """Likewise of an edge server."""
    return _identity(url, Party.EDGE_SERVER, "edge server")


def _identity(url: str, asked: Party, what: str) -> Address:
    answer = _json("GET", f"{url.rstrip('/')}/api/v1/identity", None, asked)
    try:
        return from_hex(answer["address"], 20)
    except (LookupError, TypeError, AttributeError, MalformedError) as error:
        raise ApiError(f"{shown_url(url)}: no {what} answers there", fault=asked) from error


def prepare_call(edge_url: str, spec: TaskSpec) -> PreparedTransaction:
    """Of an edge server that takes the task. Raises ApiError; VerificationError where it prepared another spec."""
    url = f"{edge_url.rstrip('/')}/api/v1/tasks/prepare"
    answer = _json("POST", url, encode(spec), Party.EDGE_SERVER)
    try:
        if from_hex(answer["spec"], 32) != sha256(encode(spec)):
            raise VerificationError("the edge server prepared another spec", fault=Party.EDGE_SERVER)
        to, data, value = from_hex(answer["to"], 20), from_hex(answer["data"]), int(answer["value_wei"])
        return PreparedTransaction(to, data, value)
    except (LookupError, TypeError, AttributeError, ValueError, MalformedError) as error:
        raise ApiError(f"{shown_url(edge_url)}: no prepared transaction", fault=Party.EDGE_SERVER) from error


def _json(method: str, url: str, body: bytes | None, asked: Party) -> dict[str, Any]:
    try:
        with client(TIMEOUT_SECONDS) as http, http.stream(method, url, content=body) as response:
            content = bytearray()
            for piece in response.iter_bytes():
                content += piece
                if len(content) > MAX_ANSWER_BYTES:
                    raise ApiError(f"{shown_url(url)}: answers more than {MAX_ANSWER_BYTES} bytes", fault=asked)
    except (httpx2.HTTPError, httpx2.InvalidURL, UnicodeError, OSError) as error:
        raise ApiError(failure(url, error), fault=asked) from error
    if not response.is_success:
        raise ApiError(f"{shown_url(url)}: {_detail(response.status_code, bytes(content))}", fault=asked)
    return _object(url, bytes(content), asked)


def _object(url: str, content: bytes, asked: Party) -> dict[str, Any]:
    try:
        answer = parse_json(content)
    except MalformedError as error:
        raise ApiError(f"{shown_url(url)}: answers something that is not JSON", fault=asked) from error
    if not isinstance(answer, dict):
        raise ApiError(f"{shown_url(url)}: answers something else than was asked for", fault=asked)
    return answer


def _detail(status: int, content: bytes) -> str:
    """What a problem document (RFC 9457) says, else the status alone: a page of a proxy is for no terminal."""
    try:
        detail = parse_json(content)["detail"]
    except (MalformedError, LookupError, TypeError):
        return f"answers with status {status}"
    return f"refuses with status {status}: {detail!s:.{MAX_DETAIL}}"
