"""What key authorities say they issued for a task: each is asked by its URL, with limits on size and time."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable
from typing import Final

import httpx2

from protocol.audit.issued_checks import Answer
from protocol.canonical import decode
from protocol.errors import HearthError
from protocol.messages.issued import MAX_ISSUED_BYTES, IssuedRecord
from storage.http import client, reason
from storage.http_answers import pause_of, refusal

SILENCE_SECONDS: Final = 10.0
MOST_SECONDS: Final = 60.0  # for a whole answer


def ask_authorities(urls: Iterable[str], task: int, pause: Callable[[float], None] = time.sleep) -> dict[str, Answer]:
    """By URL: its record, or why there is none. Whose it is, and whether it is signed, is for the audit to check."""
    with client(SILENCE_SECONDS) as http:
        return {url: _ask(http, url.rstrip("/"), task, pause) for url in urls}


def _ask(http: httpx2.Client, url: str, task: int, pause: Callable[[float], None]) -> Answer:
    """An answer that says "not now" is asked for again."""
    until = time.monotonic() + MOST_SECONDS
    try:
        for attempt in itertools.count():
            content = bytearray()
            with http.stream("GET", f"{url}/api/v1/tasks/{task}/issued") as response:
                for piece in response.iter_bytes():
                    content += piece
                    if len(content) > MAX_ISSUED_BYTES or time.monotonic() > until:
                        return f"more than {MAX_ISSUED_BYTES} bytes, or than {MOST_SECONDS:g} s of them"
            seconds = pause_of(response.status_code, response.headers, attempt=attempt)
            if seconds is None:
                break
            pause(seconds)
        if not response.is_success:
            return refusal(response.status_code, bytes(content))
        return decode(IssuedRecord, bytes(content), MAX_ISSUED_BYTES)
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        return f"does not answer: {reason(url, error)}"
    except HearthError as error:
        return f"no record: {error.args[0]}"
