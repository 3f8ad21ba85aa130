"""What an edge server says when an authority gives it no usable answer."""

from __future__ import annotations

from protocol.errors import HearthError, Party


class AuthorityError(HearthError):
    """A key authority that is away or refuses; ``code`` is the one it names, if it names one."""

    code = "E_AUTHORITY"

    def __init__(self, message: str, code: str | None = None, fault: Party = Party.KEY_AUTHORITY) -> None:
        super().__init__(message, fault=fault, code=code)
