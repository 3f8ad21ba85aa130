"""JSON-RPC over HTTP with the fewest bytes that a node accepts; every answer is bounded and checked."""

from __future__ import annotations

import ipaddress
import itertools
import json
import urllib.parse
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, Protocol

import httpx2

from protocol.errors import MalformedError
from protocol.strict_json import as_hex, parse_json
from storage.ledger.interface import LedgerError

MAX_ANSWER_BYTES = 16 * 1024 * 1024
# ganache never answers an estimate beside which a block is made, so this question is repeated, with growing patience
ESTIMATE_PATIENCE: Final = (0.125, 0.25, 0.5, 1.0)


class RpcRefusedError(LedgerError):
    """The node answered with a JSON-RPC error object; ``data`` is whatever it gave (revert data, usually)."""

    def __init__(self, method: str, code: int, reason: str, data: object = None) -> None:
        super().__init__(f"{method}: {reason[:300]} ({code})")
        self.rpc_code, self.reason, self.data = code, reason, data


class AnswerTooLargeError(LedgerError):
    """The node's answer exceeds the limit of this client."""


class _HungUpError(LedgerError):
    """The connection ended before any answer."""


class _SilentError(LedgerError):
    """The connection stands and no answer comes."""


class NodeProvider(Protocol):
    """Whoever answers for a node, with a count of bytes and an end."""

    def make_request(self, method: str, params: Any) -> dict[str, Any]:
        """The answer, its ``result`` included. Raises LedgerError, RpcRefusedError among them."""
        ...

    @property
    def bytes_sent(self) -> int:
        return 0

    def close(self) -> None:
        """Frees connections, where there are any."""
        return


class JsonRpcProvider(NodeProvider):
    """One connection pool to one node; may be shared by threads. Raises LedgerError for everything that goes wrong.

    ``bytes_sent`` and ``bytes_received`` count HTTP request lines, headers and bodies (received: bodies and headers);
    ``on_bytes(sent, received)`` is called once per request. ``timeout_seconds`` bounds each silence of the node; an
    estimate is asked for again after ESTIMATE_PATIENCE of it.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout_seconds: float = 10.0,
        max_answer_bytes: int = MAX_ANSWER_BYTES,
        on_bytes: Callable[[int, int], None] | None = None,
    ) -> None:
        self.url = checked_url(url)
        self._bytes_sent = 0
        self.bytes_received = 0
        self._max_answer_bytes = max_answer_bytes
        self._on_bytes = on_bytes
        self._ids = itertools.count(1)
        self._timeout_seconds = timeout_seconds
        self._http = httpx2.Client(follow_redirects=False, trust_env=False)
        self._http.headers.clear()  # a phone pays for every header
        self._http.headers["content-type"] = "application/json"  # nodes refuse a request without it

    @property
    def bytes_sent(self) -> int:
        return self._bytes_sent

    def close(self) -> None:
        self._http.close()

    def make_request(self, method: str, params: Any) -> dict[str, Any]:
        number = next(self._ids)
        question = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
        try:
            body = json.dumps(question, separators=(",", ":"), default=as_hex).encode()
        except (TypeError, ValueError) as error:
            raise LedgerError(f"{method}: cannot be asked: {error}") from error
        answer = _parsed(method, self._asked(method, body))
        if answer.get("id") != number:
            raise LedgerError(f"{method}: the answer is to another request")
        if answer.get("error") is not None:
            raise _refusal(method, answer["error"])
        if "result" not in answer:
            raise LedgerError(f"{method}: neither result nor error")
        return {"jsonrpc": "2.0", "id": number, "result": answer["result"]}

    def _asked(self, method: str, body: bytes) -> bytes:
        """Every request here can be repeated."""
        *hurried, patient = ESTIMATE_PATIENCE if method == "eth_estimateGas" else (1.0,)
        for patience in hurried:
            with suppress(_SilentError, _HungUpError):
                return self._exchange(method, body, patience * self._timeout_seconds)
        try:
            return self._exchange(method, body, patient * self._timeout_seconds)
        except _HungUpError:  # the node may close an idle connection just as we use it
            return self._exchange(method, body, patient * self._timeout_seconds)

    def _exchange(self, method: str, body: bytes, patience_seconds: float) -> bytes:
        timeout = httpx2.Timeout(self._timeout_seconds, read=patience_seconds)
        request = self._http.build_request("POST", self.url, content=body, timeout=timeout)
        sent = len("POST  HTTP/1.1\r\n\r\n") + len(request.url.raw_path) + len(body) + _size(request.headers)
        content = bytearray()
        received = 0
        try:
            response = self._http.send(request, stream=True)
            try:
                received = _size(response.headers)
                for piece in response.iter_bytes():
                    content += piece
                    if len(content) > self._max_answer_bytes:
                        raise AnswerTooLargeError(f"{method}: the answer exceeds {self._max_answer_bytes} bytes")
            finally:
                response.close()
        except (httpx2.RemoteProtocolError, httpx2.ReadError, httpx2.WriteError) as error:
            raise (LedgerError if received else _HungUpError)(f"{method}: {type(error).__name__} {error}") from error
        except httpx2.ReadTimeout as error:
            raise _SilentError(f"{method}: no answer in {patience_seconds:g} s") from error
        except (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError) as error:
            raise LedgerError(f"{method}: {type(error).__name__} {error}") from error
        finally:
            received += len(content)
            self._bytes_sent += sent
            self.bytes_received += received
            if self._on_bytes is not None:
                self._on_bytes(sent, received)
        return bytes(content)


def checked_url(url: str) -> str:
    """The URL if it is http(s) with a host. Raises LedgerError."""
    try:
        parsed = urllib.parse.urlsplit(url)
        usable = parsed.scheme in ("http", "https") and bool(parsed.hostname) and (parsed.port or 1) > 0
    except ValueError:
        usable = False
    if not usable:
        raise LedgerError(f"not an http(s) URL: {url[:100]!r}")
    return url


def is_loopback(url: str) -> bool:
    """Whether the URL's host is this very machine by name or address."""
    host = urllib.parse.urlsplit(checked_url(url)).hostname or ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _size(headers: httpx2.Headers) -> int:
    return sum(len(name) + len(value) + 4 for name, value in headers.raw)


def _parsed(method: str, content: bytes) -> dict[str, Any]:
    try:
        answer = parse_json(content)
    except MalformedError as error:
        raise LedgerError(f"{method}: {error.args[0]}") from error
    if not isinstance(answer, dict):
        raise LedgerError(f"{method}: the answer is not an object")
    return answer


def _refusal(method: str, error: object) -> RpcRefusedError:
    if not isinstance(error, dict):
        return RpcRefusedError(method, 0, str(error))
    code = error.get("code")
    return RpcRefusedError(
        method, code if isinstance(code, int) else 0, str(error.get("message", "")), error.get("data")
    )
