"""One error family: every error says what was wrong and whose fault it was."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final

from protocol.text import shown

MAX_MESSAGE: Final = 1000  # characters; who sends more wants to fill a screen or a disk
_CODE: Final = re.compile("E_[A-Z0-9_]{1,40}")


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
    programs compare it, and one from outside that is none counts as not given. The message is for people: one line,
    whatever it quotes.
    """

    code = "E_HEARTH"

    def __init__(self, message: str, *, fault: Party = Party.OURS, code: str | None = None) -> None:
        super().__init__(shown(message if len(message) <= MAX_MESSAGE else f"{message[:MAX_MESSAGE]} .."))
        self.fault = fault
        if code is not None and _CODE.fullmatch(code):
            self.code = code

    def __str__(self) -> str:
        return f"{self.code} (fault: {self.fault}): {super().__str__()}"


class MalformedError(HearthError):
    """Bytes that are not the one canonical encoding of a valid value."""

    code = "E_MALFORMED"


class SpecError(MalformedError):
    """A task that cannot run, whoever takes part; ``line`` is the task file's, table first, ``reason`` the rest."""

    def __init__(self, line: str, reason: str) -> None:
        super().__init__(f"{line}: {reason}", fault=Party.MANUFACTURER)
        self.line, self.reason = line, reason


class VerificationError(HearthError):
    """Well-formed data that fails a check: a signature, a digest, a rule of the protocol."""

    code = "E_VERIFICATION"


class EncryptionError(HearthError):
    """An error of ``encryption.md`` 3.8; ``code`` is its name there."""

    code = "E_ENCRYPTION"


class PolicyError(HearthError):
    """A task goes beyond the policy of the owner or operator of this process; ``line`` is the policy's, table first,
    ``asked`` and ``allowed`` as the message has them."""

    code = "E_POLICY"

    def __init__(self, line: str, what: str, asked: object, allowed: object) -> None:
        super().__init__(f"{what} is {asked}; the policy allows {allowed} ({line})", fault=Party.MANUFACTURER)
        self.line, self.asked, self.allowed = line, shown(str(asked)), shown(str(allowed))


class BudgetSpentError(HearthError):
    """The client's privacy budget does not cover the charge of the plan; no example is used for it."""

    code = "E_PRIVACY_BUDGET"
