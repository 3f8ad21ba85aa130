"""Edge servers and key authorities: whether they are there, who they are, and what time they have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any, Final

import httpx2

from protocol.domain import Domain
from protocol.errors import MalformedError
from protocol.identifiers import to_hex
from protocol.strict_json import parse_json
from protocol.version import PROTOCOL_VERSION
from scripts.doctor.subject import Subject
from scripts.doctor.verdict import Finding, Verdict, examined, fail, ok, skipped, warn
from storage.http import client, failure, shown_url

TIMEOUT_SECONDS: Final = 5.0
OFF_SECONDS: Final = 60  # of a clock; block time decides everything, so more of it is confusing but harmless
MAX_IDENTITY_BYTES: Final = 16 * 1024
_RUNNING: Final = "is it running there, and is its proxy?"


@dataclass(frozen=True)
class Answer:
    """To the question who somebody is. ``date``: what its clock says, in seconds."""

    url: str
    status: int
    identity: Mapping[str, Any]
    date: float | None


def server_findings(subject: Subject, answers: list[Answer]) -> Iterator[Finding]:
    """``answers`` gets those of all who answer."""
    for role, urls in (("edge server", subject.edges), ("authority", subject.authorities)):
        if not urls:
            yield Finding(role, skipped(f"no --{role.split()[0]}"))
        for url in urls:
            yield examined(role, partial(server, url, subject.ledger, answers), _RUNNING)


def server(url: str, ledger: Domain | None, answers: list[Answer]) -> Verdict:
    try:
        answer = ask(url)
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        return fail(failure(url, error), _RUNNING)
    answers.append(answer)
    who, identity = shown_url(url), answer.identity
    if "address" not in identity:
        remedy = "is this its URL, without /api, and does its proxy pass it on?"
        return fail(f"{who} answers with status {answer.status}, and not as a server of Hearth does", remedy)
    said = f"{who}: {identity['address']}"
    if (version := identity.get("version", PROTOCOL_VERSION)) != PROTOCOL_VERSION:
        return fail(f"{said} speaks protocol version {version}, this is {PROTOCOL_VERSION}", "one of the two is old")
    if ledger is None:
        return ok(said)
    if "ledger" not in identity:
        return ok(f"{said}; it does not say of which ledger")
    named = f"{identity.get('chain_id')}:{identity['ledger']}"
    if named != f"{ledger.chain_id}:{to_hex(ledger.ledger)}":
        return fail(f"{said} serves the ledger {named}", f"another server, or --ledger {named}")
    return ok(f"{said}, of this ledger")


def ask(url: str) -> Answer:
    """Raises httpx2.HTTPError or httpx2.InvalidURL."""
    content = bytearray()
    with client(TIMEOUT_SECONDS) as http, http.stream("GET", f"{url.rstrip('/')}/api/v1/identity") as response:
        for piece in response.iter_bytes():
            content += piece
            if len(content) > MAX_IDENTITY_BYTES:
                break
    try:
        identity = parse_json(bytes(content))
    except MalformedError:
        identity = None
    date = _instant(response.headers.get("date", ""))
    return Answer(url, response.status_code, identity if isinstance(identity, dict) else {}, date)


def clock(now: float, blocks: list[int], answers: list[Answer]) -> Verdict:
    """This machine's, beside those that were seen. A last block is in the past, so an older one shows nothing."""
    told = [(now - answer.date, shown_url(answer.url)) for answer in answers if answer.date is not None]
    told += [(now - block, "the chain's last block") for block in blocks if now - block <= OFF_SECONDS]
    for off, whose in told:
        if abs(off) > OFF_SECONDS:
            said = f"{abs(off):,.0f} s {'ahead of' if off > 0 else 'behind'} {whose}"
            return warn(said, "set it (NTP): block time decides, so no money is at stake, but logs are wrong")
    if not told:
        return skipped("nobody to compare it with: name a server, or an endpoint whose last block is new")
    return ok(f"no more than {OFF_SECONDS} s off {', '.join(whose for _, whose in told)}")


def _instant(text: str) -> float | None:
    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
