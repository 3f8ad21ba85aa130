"""Whether a phone and a server that do not understand each other are of two versions of the protocol.

Asked only once something went wrong, and once of each server: a phone pays for every request.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import structlog

from client_agent.edge_errors import EdgeRefusedError, EdgeUnavailableError
from protocol.errors import HearthError, Party
from protocol.strict_json import parse_json
from protocol.text import shown
from protocol.version import PROTOCOL_VERSION
from storage import http

MOST_SHOWN: Final = 20
# what a server says of a request of another version; any other refusal is of one that it understood
_NOT_UNDERSTOOD: Final = frozenset(
    {"E_BAD_SIG", "E_KIND", "E_MALFORMED", "E_METHOD", "E_NOT_FOUND", "E_REQUEST", "E_VERIFICATION"}
)

log = structlog.get_logger()


class UpgradeError(EdgeUnavailableError):
    """Phone and server are of different versions of the protocol: one of the two has to be upgraded."""

    code = "E_UPGRADE"


class ServerVersions:
    """``ask`` fetches the body of a server's identity. Not for threads."""

    def __init__(self, ask: Callable[[str], bytes | None]) -> None:
        self._ask = ask
        self._known: dict[str, UpgradeError | None] = {}

    def of(self, url: str, error: HearthError) -> HearthError:
        """Why the server at ``url`` did not serve: ``error``, unless its version says more."""
        if isinstance(error, EdgeRefusedError) and error.code not in _NOT_UNDERSTOOD:
            return error
        if url not in self._known:
            try:
                answer = parse_json(self._ask(url) or b"")
                version = answer.get("version", PROTOCOL_VERSION) if isinstance(answer, dict) else PROTOCOL_VERSION
            except HearthError:
                return error  # it may answer the next time
            self._known[url] = None if version == PROTOCOL_VERSION else _upgrade(url, str(version))
            if self._known[url] is not None:
                log.warning("another version", error=str(self._known[url]))
        return self._known[url] or error


def _upgrade(url: str, version: str) -> UpgradeError:
    theirs = shown(version[:MOST_SHOWN])
    newer = version.isascii() and version.isdecimal() and int(version[:MOST_SHOWN]) > int(PROTOCOL_VERSION)
    what = (
        "upgrade this program; its folder is kept, and nothing of it is lost"
        if newer
        else "its operator has to upgrade it; ask another server of the task meanwhile"
    )
    return UpgradeError(
        f"{http.shown_url(url)} speaks protocol version {theirs}, this program {PROTOCOL_VERSION}: {what}",
        fault=Party.OURS if newer else Party.EDGE_SERVER,
    )
