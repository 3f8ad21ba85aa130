"""One error family: every error says what was wrong and whose fault it was."""

from __future__ import annotations

from enum import StrEnum


class Party(StrEnum):
    """Who caused an error, as seen by the process that reports it."""

    OURS = "ours"
    MANUFACTURER = "manufacturer"
    CLIENT = "client"
    EDGE_SERVER = "edge server"
    KEY_AUTHORITY = "key authority"
    CONTENT_STORE = "content store"
    LEDGER = "ledger"


class HearthError(Exception):
    """Base of all errors raised on purpose.

    ``fault`` names the party whose input or behaviour was wrong. ``code`` is stable and upper-case (``E_RANGE``):
    programs compare it. The message is for people.
    """

    code = "E_HEARTH"

    def __init__(self, message: str, *, fault: Party = Party.OURS, code: str | None = None) -> None:
        super().__init__(message)
        self.fault = fault
        if code is not None:
            self.code = code

    def __str__(self) -> str:
        return f"{self.code} (fault: {self.fault}): {super().__str__()}"


class MalformedError(HearthError):
    """Bytes that are not the one canonical encoding of a valid value."""

    code = "E_MALFORMED"


class VerificationError(HearthError):
    """Well-formed data that fails a check: a signature, a digest, a rule of the protocol."""

    code = "E_VERIFICATION"


class EncryptionError(HearthError):
    """An error of ``encryption.md`` 3.8; ``code`` is its name there."""

    code = "E_ENCRYPTION"


class PolicyError(HearthError):
    """A task goes beyond the policy of the owner or operator of this process; ``line`` is the policy's, table first."""

    code = "E_POLICY"

    def __init__(self, line: str, what: str, asked: object, allowed: object) -> None:
        super().__init__(f"{what} is {asked}; the policy allows {allowed} ({line})", fault=Party.MANUFACTURER)
        self.line = line


class BudgetSpentError(HearthError):
    """The client's privacy budget does not cover the charge of the plan; it refuses to train."""

    code = "E_PRIVACY_BUDGET"
