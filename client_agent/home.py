"""A household as one process: its page on loopback, and the phones of all tasks that its owner said yes to."""

from __future__ import annotations

import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Final

import uvicorn
from babel.dates import get_timezone

from client_agent.attacks.own_phone import Attack, Attacked, attack_phone
from client_agent.data.intake.plugs import USUAL_LIMITS, Limits
from client_agent.data.intake.readings import READINGS, Readings
from client_agent.data.loader import DataMissingError, FileLoader
from client_agent.followed_task import DocumentAbsentError
from client_agent.household_folder import HouseholdFolder
from client_agent.invited import Invited, verify_invitation
from client_agent.main import OpenPhone, Owner, configure_phone_log, leave_by, opened_phone, requests_of
from client_agent.offer_book import OfferBook
from client_agent.offers import Offer, Seeker
from client_agent.policy import parse_policy
from client_agent.privacy.held_out import Coins, HouseholdSecret
from client_agent.privacy.ledger import PrivacyLedger
from client_agent.randomness import SystemRandomness
from client_agent.sent_requests import Requests
from client_agent.settings import AgentSettings
from client_agent.web.app import household_app
from client_agent.web.book import HomeBook, KeptTask
from client_agent.web.example_files import MAX_DATA_BYTES
from client_agent.web.frame import LOOPBACK_NAMES, NamesOfTheHome, pages_of
from client_agent.web.household import Home, Ways
from client_agent.web.standing import Standing
from protocol.domain import Domain
from protocol.errors import HearthError
from protocol.invitation import Invitation
from protocol.randomness import Randomness
from protocol.task.documents import Absent, Kind
from storage.content.interface import ContentStore
from storage.content.open_store import open_store
from storage.credentials import check_credentials
from storage.durable_file import write_ready_file
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
    confirm_by: str | None = None  # tag of the chain's blocks without which none counts as confirmed
    limits: Limits = USUAL_LIMITS  # of what is stored of readings
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
            try:
                write_ready_file(settings.ready_file, link.encode(), 0o600)
            except OSError as error:
                raise PageError(f"the ready file {settings.ready_file} cannot be written: {error.strerror}") from error
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
    directory, phones = _Directory(reader, store), _Phones(settings, signer, store, SystemRandomness())
    book = HomeBook(Journal(folder.path / BOOK))
    readings = Readings(folder.path / READINGS, settings.limits)
    home = Home(
        folder=folder,
        domain=settings.domain,
        client=signer.address,
        book=book,
        privacy=PrivacyLedger(lambda: Journal(folder.privacy, wait=True)),
        store=store,
        ways=Ways(
            open_phone=phones.open,
            leave=phones.leave,
            verify=directory.verify,
            look=directory.look,
            attack=phones.attack,
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


class _Phones:
    """Of all tasks of this household; the requests of each are counted in one place, whoever makes them."""

    def __init__(self, settings: HomeSettings, signer: Signer, store: ContentStore, randomness: Randomness) -> None:
        self._settings, self._signer, self._store, self._randomness = settings, signer, store, randomness
        self._folder, self._mutex = HouseholdFolder(settings.household), threading.Lock()
        self._requests = dict[Path, Requests]()

    @contextmanager
    def open(self, kept: KeptTask, owner: Owner) -> Iterator[OpenPhone]:
        if not Path(kept.data).exists():
            raise DataMissingError(
                "the examples that this task learns from are gone: is the appliance still switched on?"
            )
        settings = self._of(kept)
        with opened_phone(settings, self._signer, owner, requests=self._counted(settings)) as phone:
            yield phone

    def leave(self, kept: KeptTask, tell: Callable[[str], None]) -> None:
        settings, policy = self._of(kept), parse_policy(read_policy_file(self._folder.policy))
        leave_by(settings, self._signer, policy, tell, self._counted(settings).add)

    def attack(self, kept: KeptTask, phone: OpenPhone, standing: Standing) -> tuple[Attack, ...]:
        """Raises DocumentAbsentError, DataMissingError, MalformedError."""
        state, spec = standing.state, standing.state.spec
        if isinstance(spec, Absent):
            raise DocumentAbsentError(Kind.SPEC, spec)
        coins = Coins(HouseholdSecret(lambda: Journal(self._folder.coins, wait=True), self._randomness))
        attacked = Attacked(
            state=state,
            spec=spec,
            store=self._store,
            sealed=frozenset(standing.sealed),
            rung=phone.agent.journal.rung,
            examples=FileLoader(Path(kept.data), MAX_DATA_BYTES).load(),
            held_out=coins.held_out,
        )
        return attack_phone(attacked, self._randomness, time.monotonic)

    def _counted(self, settings: AgentSettings) -> Requests:
        with self._mutex:
            if settings.folder not in self._requests:
                self._requests[settings.folder] = requests_of(settings)
            return self._requests[settings.folder]

    def _of(self, kept: KeptTask) -> AgentSettings:
        settings = self._settings
        return AgentSettings(
            folder=self._folder.task_folder(kept.invitation.domain, kept.invitation.task),
            household=settings.household,
            data=Path(kept.data),
            edge_urls=kept.invitation.edge_urls,
            rpc_url=settings.rpc_url,
            domain=settings.domain,
            store=settings.store,
            task=kept.invitation.task,
            voucher_code=kept.invitation.voucher_code,
            chain_seconds=settings.chain_seconds,
            confirm_by=settings.confirm_by,
        )


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
