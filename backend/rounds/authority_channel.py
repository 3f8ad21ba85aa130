"""Questions to the key authorities over HTTP: each asked at the same time, answers bounded; any may be dead."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TypeVar

import httpx2
import structlog

from backend.rounds.authority_error import AuthorityError
from backend.trace_context import trace_headers
from protocol.errors import HearthError, Party
from protocol.identifiers import Address, from_hex, to_hex
from protocol.messages.task import Committee
from protocol.strict_json import parse_json
from storage import http
from storage.http_answers import culprit, pause_of, refusal

MAX_STATEMENT_BYTES = 16 * 1024
TIMEOUT_SECONDS = 10.0
T = TypeVar("T")

log = structlog.get_logger()


class AuthorityChannel:
    """All authorities that this server knows; a task uses those whose addresses it names. May be shared by threads."""

    def __init__(
        self,
        urls: tuple[str, ...],
        pause: Callable[[float], None] = time.sleep,
        heard: Callable[[Address, HearthError | None, float], None] = lambda _, __, ___: None,
    ) -> None:
        """``heard`` is told of every question to a member: None, or why there was no usable answer, and its seconds."""
        self._urls = tuple(map(http.server_url, urls))
        self._pause, self._heard = pause, heard
        self._away = set[str]()  # URLs, as far as it is said
        self._url_of: dict[Address, str] = {}
        self._http = http.client(TIMEOUT_SECONDS)
        self._pool = ThreadPoolExecutor(max_workers=max(1, len(urls)))

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._http.close()

    def _ask_all(self, committee: Committee, ask: Callable[[str, Address], T]) -> dict[Address, T]:
        """Answers of the members that gave one; all are asked at the same time."""
        self.identify()
        seconds = dict[Address, float]()

        def timed(url: str, member: Address) -> T:
            begun = time.perf_counter()
            try:
                return ask(url, member)
            finally:
                seconds[member] = time.perf_counter() - begun

        asked = {
            member: self._pool.submit(copy_context().run, timed, self._url_of[member], member)
            for member in committee.members
            if member in self._url_of
        }
        answers = {}
        for authority, future in asked.items():
            try:
                answers[authority] = future.result()
                self._heard(authority, None, seconds[authority])
            except HearthError as error:
                self._heard(authority, error, seconds.get(authority, 0.0))
                log.warning("key authority", authority=to_hex(authority), error=str(error))
        return answers

    def identify(self) -> None:
        """Learns the addresses of those that have not answered before; says once who is away."""
        known = set(self._url_of.values())
        for url, asked in {
            url: self._pool.submit(self._address, url) for url in self._urls if url not in known
        }.items():
            try:
                self._url_of[asked.result()] = url
                self._away.discard(url)
            except HearthError as error:
                if url not in self._away:
                    log.warning("key authority away; it is asked again", url=http.shown_url(url), error=str(error))
                self._away.add(url)

    def _address(self, url: str) -> Address:
        answer = parse_json(self._send("GET", f"{url}/api/v1/identity", b"", MAX_STATEMENT_BYTES))
        try:
            return from_hex(str(answer["address"]), 20)
        except (KeyError, TypeError) as error:
            raise AuthorityError(f"{http.shown_url(url)}: not a key authority's identity") from error

    def _send(self, method: str, url: str, body: bytes, max_bytes: int) -> bytes:
        """The body of a success. Every request here can be repeated, and is where the answer is: not now."""
        for attempt in itertools.count():
            content = bytearray()
            try:
                with self._http.stream(method, url, content=body, headers=trace_headers()) as response:
                    for piece in response.iter_bytes():
                        content += piece
                        if len(content) > max_bytes:
                            raise AuthorityError(f"{http.shown_url(url)}: answer larger than {max_bytes} bytes")
            except (httpx2.HTTPError, httpx2.InvalidURL) as error:
                fault = culprit(url, error, Party.KEY_AUTHORITY)
                raise AuthorityError(http.failure(url, error), fault=fault) from error
            if response.is_success:
                break
            code = _code_of(bytes(content))
            pause = pause_of(response.status_code, response.headers, code, attempt)
            if pause is None:
                said = refusal(response.status_code, bytes(content))
                raise AuthorityError(f"{http.shown_url(url)}: {said}", code)
            self._pause(pause)
        return bytes(content)


def _code_of(problem: bytes) -> str | None:
    """The code of a problem document; None for anything else."""
    try:
        return str(parse_json(problem)["code"])
    except (HearthError, KeyError, TypeError):
        return None
