"""What comes back in place of an answer: when to ask again, whom to blame, and one line that says it."""

from __future__ import annotations

import re
from datetime import datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Final

import httpx2

from protocol.errors import Party
from storage.http import proxy_of

PAUSES: Final = (0.5, 1.0, 2.0)  # seconds before a request is sent again, where the server names none
MOST_PAUSE_SECONDS: Final = 5.0  # a server that asks for more is unavailable
MAX_QUOTED: Final = 200
_NOT_NOW: Final = frozenset({429, 502, 503, 504})
_ADVICE: Final = {
    401: "; credentials for it go into the file of HEARTH_CREDENTIALS",
    403: "; if it wants credentials, they go into the file of HEARTH_CREDENTIALS",
    407: "; the proxy wants the name and password that its URL in the environment can hold",
    413: "; what stands before the server takes no body of this size",
}


def pause_of(status: int, headers: httpx2.Headers, code: str | None = None, attempt: int = 0) -> float | None:
    """Seconds after which the same request may find an answer; None when there is no point in it.

    ``code`` of a problem document: the server has understood, and only E_BUSY passes within seconds.
    """
    if status not in _NOT_NOW or code not in (None, "E_BUSY") or attempt >= len(PAUSES):
        return None
    asked = retry_after(headers)
    if asked is None:
        return PAUSES[attempt]
    return asked if asked <= MOST_PAUSE_SECONDS else None


def retry_after(headers: httpx2.Headers) -> float | None:
    """Seconds of Retry-After; a date in it is compared with the server's own clock."""
    value = headers.get("retry-after", "").strip()
    if re.fullmatch("[0-9]{1,9}", value):
        return float(value)
    until, now = _date(value), _date(headers.get("date", ""))
    try:
        return None if until is None or now is None else max(0.0, (until - now).total_seconds())
    except TypeError:  # one of them names no zone
        return None


def refusal(status: int, content: bytes) -> str:
    """What an answer without success says, for one line behind its URL."""
    try:
        phrase = f" {HTTPStatus(status).phrase}"
    except ValueError:
        phrase = ""
    text = content[: 4 * MAX_QUOTED].decode("utf-8", "replace").strip()
    if text.startswith("<"):
        text = "a web page"
    elif 300 <= status < 400:
        text = "it sends elsewhere, and no redirection is followed"
    quoted = f": {' '.join(text.split())[:MAX_QUOTED]}" if text else ""
    return f"status {status}{phrase}{quoted}{_ADVICE.get(status, '')}"


def culprit(url: str, error: BaseException, peer: Party) -> Party:
    """The peer, unless the request did not get past the proxy of this machine's own environment."""
    stopped = isinstance(error, httpx2.ProxyError | httpx2.ConnectError | httpx2.ConnectTimeout)
    try:
        return Party.OURS if stopped and proxy_of(url) else peer
    except ValueError:
        return Party.OURS


def _date(value: str) -> datetime | None:
    try:
        return parsedate_to_datetime(value) if value else None
    except ValueError:
        return None
