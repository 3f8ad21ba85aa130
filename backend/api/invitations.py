"""The invitation to a task that households can still join, as this server gives it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

from starlette.requests import Request

from backend.api.directory import REFUSED, Entry
from backend.api.sessions import SignInError
from backend.api.sites import Sites
from protocol.domain import Domain
from protocol.invitation import MAX_URLS, Invitation, InvitationError

OPEN: Final = ("enrolling", "running")  # who joins late takes part from the next window on

Inviting = Callable[[Entry, Request], str | None]


def inviting(domain: Domain, first_block: int, sites: Sites) -> Inviting:
    """Names this server by its public URLs; without any by that of the request, on loopback alone.

    None where there is no such URL, or no room."""
    ledger = Domain(domain.chain_id, domain.ledger, first_block)

    def invitation(entry: Entry, request: Request) -> str | None:
        full = len(entry.state.enrolled) >= entry.posted.terms.max_clients
        if entry.status.state not in OPEN or entry.service == REFUSED or full:
            return None
        urls = sites.urls[:MAX_URLS] or _own_url(sites, request)
        try:
            return str(Invitation(ledger, entry.task, entry.posted.terms.spec, urls))
        except InvitationError:  # no URL, or one that no invitation may have
            return None

    return invitation


def _own_url(sites: Sites, request: Request) -> tuple[str, ...]:
    try:
        site = sites.site_of(request)
    except SignInError:
        return ()
    return (f"{site.scheme}://{site.domain}",) if urlsplit(f"//{site.domain}").port else ()
