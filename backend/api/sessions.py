"""Who is signed in: challenges that are used once, and short sessions, whose tokens are kept as hashes in memory alone.

A restart signs everybody out, and loses nothing else.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from backend.api.eip4361 import SignInMessage, parse_message, seconds_of, signer_of
from backend.api.fields import instant
from backend.problem import RequestError
from protocol.errors import HearthError, Party
from protocol.identifiers import Address, Digest, sha256, to_hex

CHALLENGE_SECONDS: Final = 300
SESSION_SECONDS: Final = 900
OFF_SECONDS: Final = 300  # that the clock of whoever writes a message itself may be off block time
MINUTE: Final = 60.0
MOST_OF_ONE: Final = 20  # attempts in a minute of one address; a sign-in takes two
MOST_OF_ALL: Final = 400
STATEMENT: Final = "Sign in to this Hearth edge server. This sends no transaction and costs nothing."


class SignInError(HearthError):
    """Nobody is signed in: no session, or a sign-in that is not what was asked for."""

    code = "E_SIGN_IN"

    def __init__(self, message: str) -> None:
        super().__init__(message, fault=Party.CLIENT)


@dataclass(frozen=True, slots=True)
class Site:
    """Where a person meets this server: what a wallet shows as ``domain``, and the scheme before it."""

    scheme: str
    domain: str


@dataclass(frozen=True, slots=True)
class Session:
    """``until``: of this process's own clock; ``expires_at``: about the same in seconds of block time."""

    address: Address
    until: float
    expires_at: int


@dataclass(frozen=True, slots=True)
class _Challenge:
    text: str
    site: Site
    until: float


class SignIns:
    """May be shared by threads. ``now``: seconds of block time; ``clock`` runs on; ``draw``: so many random bytes."""

    def __init__(
        self,
        chain_id: int,
        now: Callable[[], int],
        clock: Callable[[], float] = time.monotonic,
        draw: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self._chain_id, self._now, self._clock, self._draw = chain_id, now, clock, draw
        self._lock = threading.Lock()
        self._challenges: dict[str, _Challenge] = {}
        self._sessions: dict[Digest, Session] = {}
        self._attempts, self._counted_from = Counter[str](), clock()

    def challenge(self, address: Address, site: Site, origin: str) -> tuple[SignInMessage, int]:
        """To be signed until that second of block time. ``origin``: who asks. Raises RequestError ``E_RATE``."""
        self._count(origin)
        now = self._now()
        message = SignInMessage(
            site.domain,
            address,
            f"{site.scheme}://{site.domain}/",
            self._chain_id,
            self._draw(16).hex(),
            _written(now),
            STATEMENT,
            _written(now + CHALLENGE_SECONDS),
        )
        with self._lock:
            until = self._clock() + CHALLENGE_SECONDS
            self._challenges[message.nonce] = _Challenge(str(message), site, until)
        return message, now + CHALLENGE_SECONDS

    def sign_in(self, text: str, signature: bytes, site: Site, origin: str) -> tuple[str, Session]:
        """A fresh token, and its session. Whatever comes of it, the challenge is used up.

        Raises RequestError ``E_RATE``, SignInError, MalformedError, VerificationError.
        """
        self._count(origin)
        message = parse_message(text)
        with self._lock:
            challenge = self._challenges.pop(message.nonce, None)
        if challenge is None or challenge.until <= self._clock():
            raise SignInError("the challenge is unknown, used or too old; ask for a new one")
        if message.domain != site.domain or site != challenge.site:
            raise SignInError(f"signed for {message.domain}, and this is {site.domain}")
        if urlsplit(message.uri)[:2] != (site.scheme, site.domain) or message.scheme not in (None, site.scheme):
            raise SignInError(f"the message's address {message.uri} is not one of {site.scheme}://{site.domain}")
        if message.chain_id != self._chain_id:
            raise SignInError(f"signed for chain {message.chain_id}, and this is chain {self._chain_id}")
        if text != challenge.text:
            self._check_times(message)
        if signer_of(text, signature) != message.address:
            raise SignInError(f"not signed by {to_hex(message.address)}")
        token = self._draw(32).hex()
        session = Session(message.address, self._clock() + SESSION_SECONDS, self._now() + SESSION_SECONDS)
        with self._lock:
            self._sessions[sha256(token.encode())] = session
        return token, session

    def session(self, token: str) -> Session:
        """Raises SignInError."""
        with self._lock:
            found = self._sessions.get(sha256(token.encode(errors="replace")))
        if found is None or found.until <= self._clock():
            raise SignInError("the session is unknown or over; sign in again")
        return found

    def sign_out(self, token: str) -> None:
        with self._lock:
            self._sessions.pop(sha256(token.encode(errors="replace")), None)

    def _check_times(self, message: SignInMessage) -> None:
        """Of a message that its signer wrote itself."""
        now = self._now()
        if abs(seconds_of(message.issued_at) - now) > OFF_SECONDS:
            raise SignInError(f"issued at {message.issued_at}, and it is {_written(now)}")
        if message.expires_at is not None and seconds_of(message.expires_at) <= now:
            raise SignInError(f"the message was good until {message.expires_at}")
        if message.not_before is not None and seconds_of(message.not_before) > now:
            raise SignInError(f"the message is not good before {message.not_before}")

    def _count(self, origin: str) -> None:
        """Also forgets what is over, so that what is kept is bounded by what may come in a minute."""
        with self._lock:
            now = self._clock()
            if now - self._counted_from >= MINUTE:
                self._attempts.clear()
                self._counted_from = now
                self._challenges = {name: one for name, one in self._challenges.items() if one.until > now}
                self._sessions = {name: one for name, one in self._sessions.items() if one.until > now}
            if self._attempts[origin] >= MOST_OF_ONE or self._attempts.total() >= MOST_OF_ALL:
                raise RequestError("too many sign-ins; wait a minute", fault=Party.CLIENT, code="E_RATE")
            self._attempts[origin] += 1


def _written(seconds: int) -> str:
    return instant(seconds).isoformat().replace("+00:00", "Z")
