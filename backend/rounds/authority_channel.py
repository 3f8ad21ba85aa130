"""Questions to the key authorities over HTTP: each asked at the same time, answers bounded. Any may be dead, or answer
as slowly as it likes."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from math import inf
from typing import Any, TypeVar

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
PATIENCE_SECONDS = 30.0  # for an answer of a few bytes, whatever is asked again on the way
MIN_BYTES_PER_SECOND = 16_384  # of longer ones
LATE_SECONDS = 5.0  # a failure that took so long makes an authority late,
GRACE_SECONDS = 1.0  # and until it answers, it is waited for so long once only late ones are left
QUESTIONS = 4  # to one authority at once
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
        self._late = set[Address]()
        self._http = http.client(TIMEOUT_SECONDS)
        # one that does not answer keeps threads of its own busy, and nobody else's
        self._threads = {url: ThreadPoolExecutor(max_workers=QUESTIONS) for url in self._urls}
        self._asked_who: dict[str, Future[Address]] = {}

    def close(self) -> None:
        for threads in self._threads.values():
            threads.shutdown(wait=False, cancel_futures=True)
        self._http.close()

    def _ask_all(
        self, committee: Committee, ask: Callable[[str, Address], T], seconds: float = PATIENCE_SECONDS
    ) -> dict[Address, T]:
        """Answers of the members that gave one; all are asked at the same time. Nobody is waited for longer than
        ``seconds``, nor than TIMEOUT_SECONDS once a quorum has answered."""
        self.identify()
        took = dict[Address, float]()

        def timed(url: str, member: Address) -> T:
            begun = time.perf_counter()
            try:
                answer = ask(url, member)
                self._late.discard(member)  # even if nobody waits for this answer any more
                return answer
            finally:
                took[member] = time.perf_counter() - begun

        asked = {
            member: self._threads[url].submit(copy_context().run, timed, url, member)
            for member in committee.members
            if (url := self._url_of.get(member)) is not None
        }
        begun = time.perf_counter()
        self._await(asked, committee.quorum, seconds)
        answers = {}
        for authority, future in asked.items():
            try:
                answers[authority] = _now(future)
                self._heard(authority, None, took[authority])
            except HearthError as error:
                waited = took.get(authority, time.perf_counter() - begun)
                if waited >= LATE_SECONDS or not future.done():
                    self._late.add(authority)
                self._heard(authority, error, waited)
                log.warning("key authority", authority=to_hex(authority), error=str(error))
        return answers

    def _await(self, asked: Mapping[Address, Future[Any]], quorum: int, seconds: float) -> None:
        """Until all have answered, or those that have not are not worth waiting for."""
        until, graced, waiting = time.monotonic() + seconds, inf, dict(asked)
        while waiting:
            now = time.monotonic()
            if waiting.keys() <= self._late:
                graced = min(graced, now + GRACE_SECONDS)
            if sum(map(_succeeded, asked.values())) >= quorum:
                until = min(until, now + TIMEOUT_SECONDS)
            if not wait(waiting.values(), max(0.0, min(until, graced) - now), FIRST_COMPLETED).done:
                return
            waiting = {member: future for member, future in waiting.items() if not future.done()}

    def identify(self) -> None:
        """Learns the addresses of those that have not answered before; says once who is away."""
        known, asked = set(self._url_of.values()), dict[str, Future[Address]]()
        for url in self._urls:
            if url not in known:
                asked[url] = self._asked_who.get(url) or self._threads[url].submit(self._address, url)
                self._asked_who[url] = asked[url]
        wait([future for url, future in asked.items() if url not in self._away], TIMEOUT_SECONDS)
        wait(asked.values(), GRACE_SECONDS)
        for url, future in asked.items():
            try:
                self._url_of[_now(future)] = url
                self._away.discard(url)
            except HearthError as error:
                if url not in self._away:
                    log.warning("key authority away; it is asked again", url=http.shown_url(url), error=str(error))
                self._away.add(url)
            if future.done():
                self._asked_who.pop(url, None)

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


def _succeeded(future: Future[Any]) -> bool:
    return future.done() and not future.cancelled() and future.exception() is None


def _now(future: Future[T]) -> T:
    """Its answer, if it has one. Raises AuthorityError, and whatever the question raised."""
    future.cancel()  # if it has not begun, it never will
    try:
        return future.result(0)
    except (TimeoutError, CancelledError) as error:
        raise AuthorityError("no answer in time") from error


def _code_of(problem: bytes) -> str | None:
    """The code of a problem document; None for anything else."""
    try:
        return str(parse_json(problem)["code"])
    except (HearthError, KeyError, TypeError):
        return None
