"""A move that cannot be carried out yet."""

from __future__ import annotations

from protocol.errors import HearthError


class NotReadyError(HearthError):
    """The move is decided upon again."""

    code = "E_NOT_READY"
