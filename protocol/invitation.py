"""An invitation to one task: where its ledger is, what its spec must be, and whom to ask for a place. Nothing secret,
but for the code of a voucher, which is for one household.

Its text is a ``hearth:`` URI (RFC 3986), one for each invitation::

    hearth:CHAIN_ID:0xLEDGER@BLOCK/TASK/0xSPEC?edge=URL&edge=URL&voucher=CODE

Whoever has one believes nothing of it before chain and content say the same.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field
from typing import Final

from protocol.domain import MAX_DIGITS, Domain, parse_domain
from protocol.errors import MalformedError
from protocol.identifiers import Digest, from_hex, to_hex
from protocol.messages.vouchers import CODE_BYTES

SCHEME: Final = "hearth"
MAX_CHARACTERS: Final = 2_000  # of the whole text: a QR code of the densest kind holds 2,953
MAX_URLS: Final = 16  # as many as a task has edge servers
MAX_URL_CHARACTERS: Final = 200
MAX_WORD_DIGITS: Final = 78  # of a uint256

_NUMBER: Final = "(?:0|[1-9][0-9]*)"
_TEXT: Final = re.compile(
    f"{SCHEME}:(?P<domain>{_NUMBER}:0x[0-9a-f]{{40}}(?:@[1-9][0-9]{{0,{MAX_DIGITS - 1}}})?)"
    f"/(?P<task>[1-9][0-9]{{0,{MAX_WORD_DIGITS - 1}}})/(?P<spec>0x[0-9a-f]{{64}})[?](?P<edges>[!-~]*)"
)
_LABEL: Final = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
# what no URL has to write in percent: so one server has one text, and nobody can hide a password, query or fragment
_URL: Final = re.compile(
    rf"https?://(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9a-f:.]{{2,45}}\])(?P<port>:[1-9][0-9]{{0,4}})?(?:/[A-Za-z0-9._~-]+)*"
)


class InvitationError(MalformedError):
    """A text that is no invitation."""

    code = "E_INVITATION"


class CodeError(InvitationError):
    """The code at its end is not whole."""


@dataclass(frozen=True, slots=True)
class Invitation:
    """``str`` is its text. ``edge_urls``: of the task's servers, the one to ask first in front.

    Raises InvitationError."""

    domain: Domain
    task: int
    spec: Digest  # of the document, as it stands on chain
    edge_urls: tuple[str, ...]
    voucher_code: bytes = field(default=b"", repr=False)  # where the task needs vouchers, and the household has a code

    def __post_init__(self) -> None:
        if not 0 < self.domain.chain_id < 2**256 or not 0 < self.task < 2**256:
            raise InvitationError("an invitation names a chain and a task by positive numbers of 256 bits")
        if len(self.domain.ledger) != 20 or len(self.spec) != 32:
            raise InvitationError("an invitation names a ledger by 20 bytes and a spec by 32")
        if not 0 <= self.domain.first_block < 10**MAX_DIGITS:
            raise InvitationError(f"the number of a block has at most {MAX_DIGITS} digits")
        if not 0 < len(self.edge_urls) <= MAX_URLS:
            raise InvitationError(f"an invitation has 1 to {MAX_URLS} URLs of edge servers, not {len(self.edge_urls)}")
        for url in self.edge_urls:
            if why := no_edge_url(url):
                raise InvitationError(why)
        if len(self.voucher_code) not in (0, CODE_BYTES):
            raise InvitationError(f"the code of a voucher has {CODE_BYTES} bytes")
        if len(set(self.edge_urls)) < len(self.edge_urls):
            raise InvitationError("an invitation names one edge server twice")
        if len(str(self)) > MAX_CHARACTERS:
            raise InvitationError(f"an invitation has at most {MAX_CHARACTERS} characters: name fewer edge servers")

    def __str__(self) -> str:
        edges = "&".join(f"edge={_quoted(url)}" for url in self.edge_urls)
        code = f"&voucher={code_text(self.voucher_code)}" if self.voucher_code else ""
        return f"{SCHEME}:{self.domain}/{self.task}/{to_hex(self.spec)}?{edges}{code}"


def parse_invitation(text: str) -> Invitation:
    """Raises InvitationError for everything but the one text of an invitation, whatever it is."""
    if len(text) > MAX_CHARACTERS:
        raise InvitationError(f"no invitation: it has more than {MAX_CHARACTERS} characters")
    found = _TEXT.fullmatch(text)
    if found is None:
        raise InvitationError(
            f"{text[:80]!r} is no invitation: {SCHEME}:CHAIN_ID:0xLEDGER@BLOCK/TASK/0xSPEC?edge=URL is"
        )
    urls, code = list[str](), b""
    for part in found["edges"].split("&"):
        name, _, value = part.partition("=")
        if name == "voucher" and not code:
            code = parse_code(value)
            continue
        if name != "edge":
            why = f"it says {name[:40]!r}, and nothing but edge=URL and voucher=CODE belongs there"
            raise InvitationError(f"no invitation: {why}")
        urls.append(value.replace("%5B", "[").replace("%5D", "]"))
    try:
        domain = parse_domain(found["domain"])
    except MalformedError as error:
        raise InvitationError(f"no invitation: {error.args[0]}") from error
    invitation = Invitation(domain, int(found["task"]), from_hex(found["spec"], 32), tuple(urls), code)
    if str(invitation) != text:
        raise InvitationError("no invitation: it is not written as invitations are")
    return invitation


def code_text(code: bytes) -> str:
    """Of a voucher's code, in the small letters and digits of base 32."""
    return base64.b32encode(code).decode("ascii").lower()


def parse_code(text: str) -> bytes:
    """Raises InvitationError for everything but the one text of a code."""
    try:
        code = base64.b32decode(text.upper().encode("ascii"))
    except ValueError:
        code = b""
    if len(code) != CODE_BYTES or code_text(code) != text:
        raise CodeError("no code of a voucher: 32 small letters and digits")
    return code


def no_edge_url(url: str) -> str | None:
    """Why an invitation cannot name an edge server so, without a password that may be in it; None where it can."""
    quoted = repr(url.rpartition("@")[2][:80])
    if len(url) > MAX_URL_CHARACTERS:
        return f"the URL of an edge server has at most {MAX_URL_CHARACTERS} characters"
    if "@" in url:
        return f"the URL of an edge server names a user; an invitation is public: {quoted}"
    found = _URL.fullmatch(url)
    if found is None:
        return (
            f"{quoted} is no URL of an edge server: http:// or https://, a host in small letters, and a path without"
            " query, fragment or last slash"
        )
    if found["port"] and int(found["port"][1:]) > 65_535:
        return f"{quoted} names no port"
    return None


def _quoted(url: str) -> str:
    """Of its letters only the brackets of an IPv6 address may not stand in a query."""
    return url.replace("[", "%5B").replace("]", "%5D")
