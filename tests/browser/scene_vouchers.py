"""A household whose task needs a voucher, in one process; codes are redeemed at a server behind a real socket."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import cast

from fastapi import FastAPI
from playwright.sync_api import Browser, Page

from backend.api.phone_answers import PhoneAnswers
from backend.api.phones import phone_routes
from backend.problem import install
from backend.rounds.driver import Driver
from backend.vouchers.codes import new_codes
from backend.vouchers.issuer import Issuer, key_path
from backend.vouchers.key_file import write_key
from client_agent.edge_client import EdgeClient
from protocol.messages.chain import Event
from protocol.messages.vouchers import BlindSignature, VoucherRequest, VoucherTerms
from protocol.randomness import SeededRandomness
from storage.ledger.interface import Ledger
from storage.records.memory import MemoryRecords
from tests.browser.page_checks import LOOKS, Watched, check_other_width, check_page, tab
from tests.browser.served import served
from tests.samples import DOMAIN
from tests.unit.client_agent.scene_server import EDGE, PlayedServer
from tests.unit.client_agent.web.scene_home import TITLE, PlayedHome
from tests.voucher_keys import KEYS

KEY, OTHER_KEY = KEYS
CODES, OTHER_CODES = (
    tuple(new_codes(key, 2, SeededRandomness(b"product line %d" % number))) for number, key in enumerate(KEYS)
)
_PASSWORD = "a password of tests"


class WatchedIssuer(Issuer):
    """``asked``: all that it was shown, each with the block time."""

    def __init__(self, folder: Path, server: VoucherServer) -> None:
        write_key(key_path(folder, KEY.terms()), KEY, _PASSWORD)
        super().__init__(folder, _PASSWORD, MemoryRecords(), SeededRandomness(b"masks"))
        self.asked, self._server = list[tuple[VoucherRequest, int]](), server

    def redeem(self, terms: VoucherTerms, request: VoucherRequest) -> BlindSignature:
        self.asked.append((request, self._server.chain.time))
        return super().redeem(terms, request)


class VoucherServer(PlayedServer):
    """``redeems_at``: URL of the server that has the key."""

    redeems_at = ""

    def __init__(self) -> None:
        super().__init__(title=TITLE, vouchers=KEY.terms())

    def redeem(self, task: int, request: VoucherRequest) -> bytes:
        edge = EdgeClient([self.redeems_at])
        try:
            return edge.redeem(task, request)
        finally:
            edge.close()

    def app(self, issuer: Issuer) -> FastAPI:
        """What of the edge server's interface redeems codes."""
        app = FastAPI()
        install(app)
        ledger = cast(Ledger, SimpleNamespace(sender=EDGE.address, domain=DOMAIN))
        driver = cast(Driver, SimpleNamespace(state=lambda _: SimpleNamespace(spec=self.spec)))
        app.include_router(phone_routes(ledger, self.store, driver, cast(PhoneAnswers, None), issuer))
        return app


@dataclass
class Household:
    """``server`` and ``issuer``: of its only task."""

    played: PlayedHome
    server: VoucherServer
    issuer: WatchedIssuer
    browser: Browser
    origin: str

    def enter(self, watched: Watched, language: str = "en") -> Page:
        return watched.open(f"/open?token={self.played.devices.token}&lang={language}")

    def check(self, *paths: str) -> None:
        """Each thoroughly, at one width and in one scheme in each language, and that it fits the other width."""
        for width, language, scheme, thorough in LOOKS:
            if thorough:
                with tab(self.browser, self.origin, width, language, scheme) as watched:
                    self.enter(watched, language)
                    for path in paths:
                        check_page(watched, path, language)
                        check_other_width(watched, path)

    def mined(self, kind: type[Event]) -> list[Event]:
        """Of its own account."""
        own = self.played.home.client
        return [e for e in self.server.chain.events() if isinstance(e, kind) and getattr(e, "client", b"") == own]

    def planned(self) -> tuple[int, int]:
        """When its phone redeems the code and when it shows the voucher, once it has drawn that."""
        self.played.until(lambda: self._plan() is not None, 0)
        plan = self._plan()
        assert plan is not None
        return plan

    def _plan(self) -> tuple[int, int] | None:
        phone = self.played.home.worker(1).phone
        plan = None if phone is None else phone.agent.journal.voucher_plan
        return None if plan is None else (plan.redeem_at, plan.show_at)


@contextmanager
def household(folder: Path, browser: Browser) -> Iterator[Household]:
    """It has heard of no task yet."""
    keys = folder / "keys"
    keys.mkdir()
    server = VoucherServer()
    issuer, played = WatchedIssuer(keys, server), PlayedHome(folder, server=server)
    played.home.start()
    try:
        with served(server.app(issuer)) as redeems_at, served(played.app) as origin:
            server.redeems_at = redeems_at
            yield Household(played, server, issuer, browser, origin)
    finally:
        played.close()
