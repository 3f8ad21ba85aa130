"""What a Kubo daemon, or whatever answers in its place, says with an HTTP status instead of content."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any, Final

import requests
import urllib3

from protocol.errors import MalformedError
from protocol.strict_json import parse_json
from storage.content.interface import StoreUnavailableError
from storage.patience import DEFAULT_PATIENCE

READ_BYTES: Final = 65_536
MAX_ERROR_PIECES: Final = 8  # of the page that goes with a status
_MOMENTARY: Final = frozenset({408, 425, 429})  # these, and what a server says of itself,
_LASTING: Final = frozenset({501, 505, 511})  # these excepted


class KuboRefusedError(Exception):
    """The daemon's own words for why it does not do what it was asked for."""


def admit(where: str, response: requests.Response, **_: object) -> None:
    """For a hook of ``requests``, called before a body is read: only what a daemon may have said goes on.

    ``where``: the daemon's address, as messages show it. Raises KuboRefusedError, or StoreUnavailableError for the
    answer of a proxy or of another server.
    """
    status, kind = response.status_code, response.headers.get("content-type", "").partition(";")[0].strip()
    if status == 200 and not kind.endswith("/html"):
        return
    words = None if status == 200 else _words(response)
    response.close()
    if words is not None and status == 500:
        raise KuboRefusedError(words)
    if status == 200 or 300 <= status < 400:
        what = "a web page" if status == 200 else f"a redirection, status {status}"
        raise StoreUnavailableError(f"{where}: {what} where a Kubo daemon's RPC should answer")
    lasting = status in _LASTING or (status < 500 and status not in _MOMENTARY)
    said = f": {words}" if words else ""
    raise StoreUnavailableError(
        f"{where}: status {status}{said}{_ADVICE.get(status, '')}",
        lasting=lasting,
        pause_seconds=DEFAULT_PATIENCE.retry_after(response.headers),
    )


_ADVICE: Final = {
    401: "; name its credentials in the file of HEARTH_CREDENTIALS",
    403: "; name its credentials in the file of HEARTH_CREDENTIALS, or ask its operator to admit you",
    404: "; this is no Kubo RPC, or it stands below another path",
    405: "; this is no Kubo RPC (a gateway cannot be used)",
    501: "; this is no Kubo RPC",
}


def pieces(response: requests.Response) -> Iterator[bytes]:
    """The body as it arrives: whoever waits for pieces of one size waits for ever on a server that drips."""
    while piece := response.raw.read1(READ_BYTES, decode_content=False):
        yield piece


def _words(response: requests.Response) -> str | None:
    """Kubo's errors are JSON objects with a message."""
    try:
        answer: Any = parse_json(b"".join(islice(pieces(response), MAX_ERROR_PIECES)))
    except (MalformedError, urllib3.exceptions.HTTPError, OSError):
        return None
    message = answer.get("Message") if isinstance(answer, dict) else None
    return message[:300] if isinstance(message, str) else None
