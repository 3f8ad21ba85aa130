"""JSON-RPC over HTTP with the fewest bytes that a node accepts; every answer is bounded and checked."""

from __future__ import annotations

import itertools
import json
import re
import urllib.parse
from collections.abc import Callable
from typing import Any, Final, Protocol

import httpx2

from protocol.errors import MalformedError
from protocol.strict_json import as_hex, parse_json
from protocol.text import shown
from storage import http
from storage.ledger.ethereum.wordings import is_doubtful, is_later
from storage.ledger.interface import LedgerError, UnansweredError
from storage.patience import DEFAULT_PATIENCE, Patience
from storage.web_url import no_url

MAX_ANSWER_BYTES = 16 * 1024 * 1024
# A node that is silent is asked again, with growing patience: shares of the time that it may be silent for.
PATIENCE: Final = (0.5, 1.0)
# ganache never answers an estimate beside which a block is made
ESTIMATE_PATIENCE: Final = (0.125, 0.25, 0.5, 1.0)
WHOLE_ANSWERS: Final = 3  # times that silence, for all of one answer, however slowly it trickles in
SHOWN_CHARACTERS: Final = 120  # of what came instead of an answer
_TRANSIENT: Final = (408, 425, 429)  # and all from 500 on
_MARKUP: Final = re.compile(r"<(style|script).*?</\1>|<[^>]*>", re.DOTALL | re.IGNORECASE)
_EXECUTED: Final = 3  # code of a call that the contract refused


class RpcRefusedError(LedgerError):
    """The node answered with a JSON-RPC error object; ``data`` is whatever it gave (revert data, usually).

    ``repeated``: the question was asked before this answer, and nobody knows with what effect.
    """

    def __init__(self, method: str, code: int, reason: str, data: object = None, endpoint: str = "") -> None:
        super().__init__(f"{endpoint}{': ' if endpoint else ''}{method}: {reason[:300]} ({code})")
        self.rpc_code, self.reason, self.data, self.repeated = code, reason, data, False


class AnswerTooLargeError(LedgerError):
    """The node's answer exceeds the limit of this client."""


class _LaterError(UnansweredError):
    """The node, or what stands before it, asks for patience."""

    def __init__(self, message: str, after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.after_seconds = after_seconds


class _BrokenError(UnansweredError):
    """Nothing came that is an answer to the question."""


class _SilentError(UnansweredError):
    """The connection stands and no answer comes."""


class _DoubtfulError(LedgerError):
    """An answer that another node behind the same endpoint may not give: that there is no such block, or a refusal."""

    def __init__(self, refusal: RpcRefusedError | None) -> None:
        super().__init__("an answer in doubt")
        self.refusal = refusal


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
    """One connection pool to one node; may be shared by threads. Raises LedgerError for everything that goes wrong:
    RpcRefusedError for what the node answers, UnansweredError where it gives no answer for as long as it is asked.

    ``bytes_sent`` and ``bytes_received`` count HTTP request lines, headers and bodies (received: bodies and headers);
    ``on_bytes(sent, received)`` is called once per request. ``timeout_seconds`` bounds each silence of the node.
    ``patience``: how long a question is repeated, which every one here can be. What a contract refuses is an answer.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout_seconds: float = 10.0,
        max_answer_bytes: int = MAX_ANSWER_BYTES,
        on_bytes: Callable[[int, int], None] | None = None,
        patience: Patience = DEFAULT_PATIENCE,
    ) -> None:
        self.url = checked_url(url)
        self._bytes_sent = 0
        self.bytes_received = 0
        self._max_answer_bytes = max_answer_bytes
        self._on_bytes = on_bytes
        self._ids = itertools.count(1)
        self._timeout_seconds, self._patience = timeout_seconds, patience
        self._http = http.client(timeout_seconds)
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
        patience, silences = self._patience, ESTIMATE_PATIENCE if method == "eth_estimateGas" else PATIENCE
        begun, silent = patience.monotonic(), 0
        for attempt in itertools.count():
            last_try = attempt + 1 >= patience.attempts
            pause = patience.pause(attempt, None)
            try:
                answer = self._exchange(method, number, body, silences[silent] * self._timeout_seconds)
                if answer["result"] is None and method == "eth_getBlockByNumber" and params[:1] != ["pending"]:
                    raise _DoubtfulError(None)
                return answer
            except RpcRefusedError as error:
                error.repeated = attempt > 0
                raise
            except _SilentError:
                silent += 1
                if silent == len(silences):
                    raise
                continue
            except _DoubtfulError as error:
                if last_try and error.refusal is not None:
                    error.refusal.repeated = True
                    raise error.refusal from None
                if last_try:
                    return _result(number, None)
            except _BrokenError:
                if last_try:
                    raise
            except _LaterError as error:
                pause = patience.pause(attempt, error.after_seconds)
                if patience.monotonic() + pause > begun + patience.seconds:
                    raise
            patience.sleep(pause)
        raise AssertionError("unreachable")

    def _exchange(self, method: str, number: int, body: bytes, silence_seconds: float) -> dict[str, Any]:
        """One attempt."""
        timeout = httpx2.Timeout(self._timeout_seconds, read=silence_seconds)
        request = self._http.build_request("POST", self.url, content=body, timeout=timeout)
        sent = len("POST  HTTP/1.1\r\n\r\n") + len(request.url.raw_path) + len(body) + _size(request.headers)
        until = self._patience.monotonic() + WHOLE_ANSWERS * silence_seconds
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
                    if self._patience.monotonic() > until:
                        raise _SilentError(f"{self._shown}: {method}: an answer that does not end")
            finally:
                response.close()
        except httpx2.ReadTimeout as error:
            raise _SilentError(f"{self._shown}: {method}: no answer in {silence_seconds:g} s") from error
        except (httpx2.TransportError, httpx2.StreamError, httpx2.DecodingError) as error:
            raise _BrokenError(f"{method}: {http.failure(self.url, error)}") from error
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise LedgerError(f"{method}: {http.failure(self.url, error)}") from error
        finally:
            received += len(content)
            self._bytes_sent += sent
            self.bytes_received += received
            if self._on_bytes is not None:
                self._on_bytes(sent, received)
        return self._answer(method, number, response, bytes(content))

    @property
    def _shown(self) -> str:
        return http.shown_url(self.url)

    def _answer(self, method: str, number: int, response: httpx2.Response, content: bytes) -> dict[str, Any]:
        """What the node means, by its status and its words."""
        status, answer = response.status_code, _parsed(content)
        came = f"{self._shown}: {method}: HTTP {status}: {_first_words(content)}"
        error = answer.get("error")
        if error is not None and answer.get("id") in (number, None):
            refusal = _refusal(method, error, self._shown)
            if _is_of_the_contract(refusal):
                raise refusal
            if status in _TRANSIENT or is_later(refusal.rpc_code, refusal.reason):
                raise _LaterError(came, self._patience.retry_after(response.headers))
            raise _DoubtfulError(refusal) if status >= 500 or is_doubtful(refusal.reason) else refusal
        if status in _TRANSIENT or status >= 500 or (status >= 400 and is_later(0, came)):
            raise _LaterError(came, self._patience.retry_after(response.headers))
        if not response.is_success:
            raise LedgerError(came)
        if answer.get("id") != number or error is not None or "result" not in answer:
            raise _BrokenError(f"{came}, which is no answer to this question")
        return _result(number, answer["result"])


def checked_url(url: str) -> str:
    """The URL if it is http(s) with a host. Raises LedgerError."""
    if no_url(url):
        raise LedgerError(f"not an http(s) URL: {url.rpartition('@')[2][:100]!r}")
    return url


def is_loopback(url: str) -> bool:
    """Whether the URL's host is this very machine by name or address."""
    return http.is_loopback(urllib.parse.urlsplit(checked_url(url)).hostname or "")


def _size(headers: httpx2.Headers) -> int:
    return sum(len(name) + len(value) + 4 for name, value in headers.raw)


def _result(number: int, value: object) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "result": value}


def _parsed(content: bytes) -> dict[str, Any]:
    """Empty for whatever is no JSON object."""
    try:
        answer = parse_json(content)
    except MalformedError:
        return {}
    return answer if isinstance(answer, dict) else {}


def _first_words(content: bytes) -> str:
    """Of a page, its text; printable, on one line."""
    words = " ".join(_MARKUP.sub(" ", content[:4096].decode(errors="replace")).split())
    return shown(words[:SHOWN_CHARACTERS]) or "nothing"


def _refusal(method: str, error: object, endpoint: str) -> RpcRefusedError:
    if not isinstance(error, dict):
        return RpcRefusedError(method, 0, str(error), endpoint=endpoint)
    code, reason = error.get("code"), str(error.get("message", ""))
    return RpcRefusedError(method, code if isinstance(code, int) else 0, reason, error.get("data"), endpoint)


def _is_of_the_contract(refusal: RpcRefusedError) -> bool:
    """Then it stands, whatever else its words sound like."""
    data = isinstance(refusal.data, str) and refusal.data.startswith("0x")
    return data or refusal.rpc_code == _EXECUTED or "revert" in refusal.reason.lower()
