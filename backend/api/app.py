"""The edge server's HTTP interface: what phones ask (``docs/protocol.md`` section 4), and what other programs ask
(``docs/api.md``)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from backend.api import drafts, prepared, sign_in
from backend.api.audit_runs import AuditRuns
from backend.api.audits import audit_routes
from backend.api.authorities import Health, authority_routes
from backend.api.clients import client_routes
from backend.api.directory import DriverDirectory
from backend.api.drafts import draft_routes
from backend.api.events import STREAMED, event_routes
from backend.api.fast_paths import FastPaths
from backend.api.gas import GasBook, Read
from backend.api.invitations import inviting
from backend.api.model_files import model_routes
from backend.api.money import money_routes
from backend.api.openapi import describe
from backend.api.phone_answers import PhoneAnswers
from backend.api.phones import MESSAGES, phone_routes
from backend.api.prepared import prepared_routes
from backend.api.rounds import round_routes
from backend.api.sessions import SignIns
from backend.api.sign_in import Door, sign_in_routes
from backend.api.sites import LOOPBACK_ONLY, Sites
from backend.api.swagger import swagger_routes
from backend.api.tasks import task_routes
from backend.api.uploads import Uploads, upload_routes
from backend.problem import install
from backend.rounds.authority_health import Heard
from backend.rounds.driver import Driver
from backend.vouchers.issuer import Issuer
from protocol.identifiers import Address
from storage.content.interface import ContentStore
from storage.ledger.interface import Ledger


class Stopping(threading.Event):
    """Set when the process stops; whoever waits is told."""

    def __init__(self, tell: Callable[[], None]) -> None:
        super().__init__()
        self._tell = tell

    def set(self) -> None:
        super().set()
        self._tell()


def _nothing_heard() -> Mapping[Address, Heard]:
    return {}


@dataclass(frozen=True, slots=True)
class ApiOptions:
    """``audits``: None where this server runs none; ``health``: when authorities last answered; ``sites``: where people
    meet it, and whose pages elsewhere may use it; ``gas``: of a mined transaction; None where it reads no receipts;
    ``first_block``: that an invitation names, at which the ledger was deployed; 0: not known; ``issuer``: of vouchers;
    None where this server redeems no codes."""

    audits: AuditRuns | None = None
    health: Health = _nothing_heard
    sites: Sites = LOOPBACK_ONLY
    gas: Read | None = None
    first_block: int = 0
    issuer: Issuer | None = None


METHODS = ("GET", "POST", "DELETE")  # of pages elsewhere, which are allowed one by one and get no cookie
SENT_BY_PAGES = ("Authorization", "Content-Type", "If-None-Match", "Last-Event-ID")
SHOWN_TO_PAGES = ("ETag", "Location", "Retry-After")
DEFAULT_OPTIONS = ApiOptions()


def edge_app(ledger: Ledger, store: ContentStore, driver: Driver, options: ApiOptions = DEFAULT_OPTIONS) -> FastAPI:
    app = FastAPI(openapi_url="/openapi.json", docs_url=None, redoc_url=None)
    app.state.stopping = Stopping(lambda: driver.ring())  # the process sets it
    install(app)
    directory = DriverDirectory(driver)
    gas = GasBook(options.gas) if options.gas is not None else None
    door = Door(SignIns(ledger.domain.chain_id, directory.now), options.sites)
    phones = PhoneAnswers(driver, app.state.stopping)
    app.add_middleware(FastPaths, phones=phones)
    if options.sites.origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=options.sites.origins,
            allow_methods=METHODS,
            allow_headers=SENT_BY_PAGES,
            expose_headers=SHOWN_TO_PAGES,
        )
    for routes in (
        phone_routes(ledger, store, driver, phones, options.issuer),
        task_routes(directory, inviting(ledger.domain, options.first_block, options.sites)),
        round_routes(directory, gas),
        client_routes(directory),
        money_routes(directory),
        authority_routes(directory, options.health),
        audit_routes(directory, options.audits),
        model_routes(directory, store),
        sign_in_routes(door),
        prepared_routes(ledger, store, directory, door),
        draft_routes(ledger, store, door, options.issuer),
        upload_routes(store, door, Uploads()),
        event_routes(directory, app.state.stopping, gas),
        swagger_routes(),
    ):
        app.include_router(routes)
    describe(app, MESSAGES, (*STREAMED, *sign_in.BODIES, *prepared.BODIES, *drafts.BODIES))
    return app
