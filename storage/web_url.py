"""Whether a text that somebody typed is the URL of a server, without asking it."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

_MOST_QUOTED: Final = 80


def no_url(text: str) -> str | None:
    """Why nothing can be asked there, without the password that may be in it; None for an http(s) URL with a host."""
    quoted = repr(text.rpartition("@")[2][:_MOST_QUOTED])
    try:
        parsed = urlsplit(text)
        usable = parsed.scheme in ("http", "https") and parsed.hostname and parsed.port != 0
        if usable and parsed.hostname and text.isprintable() and " " not in text:
            parsed.hostname.encode("idna")  # what a client library does, and fails at
            return None
    except ValueError as error:
        return f"{quoted} is no URL: {error}"
    return f"{quoted} is no URL: it begins with http:// or https:// and names a host"
