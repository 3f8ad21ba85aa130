"""A household as one process: its page on loopback, and the phones of all tasks that its owner said yes to."""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Final

import uvicorn
from babel.dates import get_timezone

from client_agent.data.intake.readings import READINGS, Readings
from client_agent.data.loader import DataMissingError
from client_agent.household_folder import HouseholdFolder
from client_agent.invited import Invited, verify_invitation
from client_agent.main import OpenPhone, Owner, configure_phone_log, leave_by, opened_phone
from client_agent.offer_book import OfferBook
from client_agent.offers import Offer, Seeker
from client_agent.policy import parse_policy
from client_agent.privacy.ledger import PrivacyLedger
from client_agent.randomness import SystemRandomness
from client_agent.settings import POLICY, AgentSettings
from client_agent.web.app import household_app
from client_agent.web.book import HomeBook, KeptTask
from client_agent.web.frame import LOOPBACK_NAMES, NamesOfTheHome, pages_of
from client_agent.web.household import Home, Ways
from protocol.domain import Domain
from protocol.errors import HearthError
from protocol.invitation import Invitation
from storage.content.interface import ContentStore
from storage.content.open_store import open_store
from storage.credentials import check_credentials
from storage.durable_file import write_file_atomically
from storage.http import is_loopback
from storage.ledger.ethereum.reader import EthereumReader
from storage.ledger.signer import Signer
from storage.pages.formats import COIN, Token
from storage.policy_file import read_policy_file
from storage.records.journal import Journal

BOOK: Final = "page"  # journal in the folder of a household
STOP_SECONDS: Final = 3  # that open pages get: an event stream would keep the process for ever
BACKLOG: Final = 64


class PageError(HearthError):
    """The household's page cannot be served at that address or port."""

    code = "E_LISTEN"


@dataclass(frozen=True, slots=True)
class HomeSettings:
    """``names``: by which the home network calls this machine. ``data``: example files beside those of readings."""

    household: Path
    rpc_url: str
    domain: Domain
    store: str
    port: int = 8300  # 0 takes a free one
    host: str = "127.0.0.1"
    names: tuple[str, ...] = ()
    data: tuple[Path, ...] = ()
    edges: tuple[str, ...] = ()
    coin: Token = COIN
    chain_seconds: float | None = None
    ready_file: Path | None = None  # gets the link that opens the page


# reads from a broker into these readings until the event is set
Collector = Callable[[Readings, threading.Event], None]


def serve_household(
    settings: HomeSettings, signer: Signer, tell: Callable[[str], None], collect: Collector | None = None
) -> None:
    """Until SIGTERM or SIGINT. Raises PageError, and what is wrong with the household's folder."""
    configure_phone_log()
    check_credentials()
    local = is_loopback(settings.host)
    pages = pages_of(
        LOOPBACK_NAMES if local else NamesOfTheHome((settings.host, *settings.names)),
        get_timezone(),
        randomness := SystemRandomness(),
    )
    with opened_home(settings, signer) as home, _listening(settings.host, settings.port) as opened:
        app, devices = household_app(home, pages, randomness, coin=settings.coin)
        link = f"http://{name_of(settings.host)}:{opened.getsockname()[1]}/open?token={devices.token}"
        home.start()
        stopped = threading.Event()
        if collect is not None and home.readings is not None:
            threading.Thread(target=collect, args=(home.readings, stopped), daemon=True).start()
        if settings.ready_file is not None:
            write_file_atomically(settings.ready_file, link.encode(), 0o600)
        tell(f"open this page, and show the link to nobody: {link}")
        if not local:
            tell("the home network reaches this page too; other devices need a code that it shows under Settings")
        config = uvicorn.Config(
            app,
            lifespan="off",
            log_config=None,
            log_level="warning",
            access_log=False,
            ws="none",
            proxy_headers=False,  # nobody stands before this page
            timeout_graceful_shutdown=STOP_SECONDS,
        )
        try:
            _Server(config).run([opened])
        finally:
            stopped.set()


def name_of(host: str) -> str:
    """By which this machine's own browser reaches what listens on ``host``."""
    host = host.strip("[]")
    everywhere = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 compared, not bound
    host = everywhere.get(host, host)
    return f"[{host}]" if ":" in host else host


@contextmanager
def opened_home(settings: HomeSettings, signer: Signer) -> Iterator[Home]:
    """Not started. One process at a time has a household's page. Raises RecordsBusyError, MalformedError."""
    folder = HouseholdFolder(settings.household)
    reader = EthereumReader(settings.rpc_url, settings.domain.ledger, chain_id=settings.domain.chain_id,
                            first_block=settings.domain.first_block)  # fmt: skip
    store = open_store(settings.store)
    directory = _Directory(reader, store)
    book = HomeBook(Journal(folder.path / BOOK))
    readings = Readings(folder.path / READINGS)
    home = Home(
        folder=folder,
        domain=settings.domain,
        client=signer.address,
        book=book,
        privacy=PrivacyLedger(lambda: Journal(folder.privacy, wait=True)),
        store=store,
        ways=Ways(
            open_phone=partial(_open_phone, settings, signer),
            leave=partial(_leave, settings, signer),
            verify=directory.verify,
            look=directory.look,
        ),
        readings=readings,
        files=settings.data,
        edges=settings.edges,
    )
    try:
        yield home
    finally:
        home.stop()
        readings.close()


class _Directory:
    """The ledger as a list of tasks, asked by one thread at a time."""

    def __init__(self, reader: EthereumReader, store: ContentStore) -> None:
        self._reader, self._store, self._mutex = reader, store, threading.Lock()
        self._book = OfferBook(reader, store)

    def look(self, seeker: Seeker) -> tuple[Offer, ...]:
        with self._mutex:
            return self._book.look(seeker)

    def verify(self, invitation: Invitation) -> Invited:
        with self._mutex:
            return verify_invitation(invitation, self._reader, self._store)


def _agent_settings(settings: HomeSettings, kept: KeptTask) -> AgentSettings:
    folder = HouseholdFolder(settings.household)
    return AgentSettings(
        folder=folder.task_folder(kept.invitation.domain, kept.invitation.task),
        household=settings.household,
        data=Path(kept.data),
        edge_urls=kept.invitation.edge_urls,
        rpc_url=settings.rpc_url,
        domain=settings.domain,
        store=settings.store,
        task=kept.invitation.task,
        chain_seconds=settings.chain_seconds,
    )


@contextmanager
def _open_phone(settings: HomeSettings, signer: Signer, kept: KeptTask, owner: Owner) -> Iterator[OpenPhone]:
    if not Path(kept.data).exists():
        raise DataMissingError("the examples that this task learns from are gone: is the appliance still switched on?")
    with opened_phone(_agent_settings(settings, kept), signer, owner) as phone:
        yield phone


def _leave(settings: HomeSettings, signer: Signer, kept: KeptTask, tell: Callable[[str], None]) -> None:
    policy = parse_policy(read_policy_file(settings.household / POLICY))
    leave_by(_agent_settings(settings, kept), signer, policy, tell)


@contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    try:
        found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, _, _, _, address = found[0]
        opened = socket.create_server(address, family=family, backlog=BACKLOG)
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise PageError(f"cannot listen on port {port} of {host}: {why}; choose another with --port") from error
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with opened:
        yield opened


class _Server(uvicorn.Server):
    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stopping is the normal end: the signal is not raised again afterwards, so the process exits with 0."""
        if self.should_exit and sig == signal.SIGINT:
            self.force_exit = True
        self.should_exit = True
