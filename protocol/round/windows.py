"""Windows of rounds: to which keys an enrolment is sealed, and when those keys are over (ADR 47).

Window w = 0, 1, .. is ``roster_rounds`` rounds. An enrolment belongs to the window of the next round.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from protocol.domain import Domain
from protocol.errors import Party, VerificationError
from protocol.identifiers import Address, sha256
from protocol.messages.keys import SignedWindowKey, WindowKeys, WindowKeyStatement
from protocol.signing import verify

AHEAD: Final = 4  # windows for which keys are made beforehand: an authority that is away keeps nobody out meanwhile


def window_of(round_number: int, roster_rounds: int) -> int:
    """Of a round, which is 1 or more."""
    return (round_number - 1) // roster_rounds


def enrolment_window(opened: int, roster_rounds: int) -> int:
    """Whose keys clients seal to while ``opened`` rounds were opened."""
    return window_of(opened + 1, roster_rounds)


def first_round(window: int, roster_rounds: int) -> int:
    return window * roster_rounds + 1


def check_window_key(signed: SignedWindowKey, domain: Domain, task: int, window: int, authority: Address) -> None:
    """Raises VerificationError unless ``authority`` signed this key for this window of the task."""
    if signed.statement != WindowKeyStatement(task, window, authority, sha256(signed.encryption_key)):
        raise VerificationError("a key of another task, window or authority", fault=Party.KEY_AUTHORITY)
    verify(domain, signed.statement, signed.signature, authority, Party.KEY_AUTHORITY)


def check_window_keys(
    keys: WindowKeys, domain: Domain, task: int, window: int, members: Sequence[Address]
) -> list[tuple[Address, bytes]]:
    """Address and encryption key of every member, as they are sealed to. Raises VerificationError."""
    if [signed.statement.authority for signed in keys.keys] != list(members):
        raise VerificationError("not the keys of the whole committee", fault=Party.EDGE_SERVER)
    for signed, member in zip(keys.keys, members, strict=True):
        check_window_key(signed, domain, task, window, member)
    return [(signed.statement.authority, signed.encryption_key) for signed in keys.keys]
