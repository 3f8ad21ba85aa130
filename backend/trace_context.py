"""Which request, or which move, a line of the log belongs to: a trace id that goes on from server to server.

It goes in the header ``traceparent`` of W3C Trace Context, which OpenTelemetry reads and writes too.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable
from typing import Final

import structlog

TRACE_BYTES: Final = 16
PARENT_BYTES: Final = 8
_HEADER: Final = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}", re.ASCII)


def new_trace() -> str:
    """Means nothing, so it need not be repeatable."""
    return secrets.token_hex(TRACE_BYTES)


def trace_of(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """The one that a request names, else a new one."""
    for name, value in headers:
        found = _HEADER.fullmatch(value.decode("latin-1")) if name == b"traceparent" else None
        if found is not None and set(found[1]) != {"0"} and set(found[2]) != {"0"}:
            return found[1]
    return new_trace()


def trace_headers() -> dict[str, str]:
    """For a request to another server: what its log says belongs to the same trace. Empty outside of one."""
    trace = structlog.contextvars.get_contextvars().get("trace_id")
    return {} if trace is None else {"traceparent": f"00-{trace}-{secrets.token_hex(PARENT_BYTES)}-01"}
