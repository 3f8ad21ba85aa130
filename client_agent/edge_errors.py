"""Why an edge server did not serve a phone."""

from __future__ import annotations

from protocol.errors import HearthError


class EdgeUnavailableError(HearthError):
    """No answer, or none that an edge server would give; ``pause_seconds`` after which there may be one."""

    code = "E_EDGE_UNAVAILABLE"
    pause_seconds: float | None = None


class EdgeRefusedError(HearthError):
    """The edge server answered with a problem document; ``code`` is the one it names."""

    code = "E_EDGE_REFUSED"
