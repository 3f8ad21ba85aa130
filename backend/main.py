"""The edge server as a process: opens records, chain, content and committee, serves HTTP."""

from __future__ import annotations

from collections.abc import Mapping

from backend.aggregation.dask_executor import DaskExecutor
from backend.aggregation.executor import IN_PROCESS, Executor
from backend.api.app import ApiOptions, edge_app
from backend.api.audit_runs import AuditRuns
from backend.api.sites import Sites
from backend.bonds import BondKeeper
from backend.dashboard.app import add_dashboard
from backend.dashboard.frame import SystemRandomness, names_of, pages_of
from backend.keeping import DAY_SECONDS, Node, TaskKeeper
from backend.metrics.content_metrics import ContentMetrics
from backend.metrics.edge_metrics import AuthorityMetrics, watch_edge
from backend.metrics.exposition import exposed
from backend.metrics.process_metrics import ProcessMetrics
from backend.metrics.watched_records import WatchedRecords
from backend.process import configure_log, serve, warn
from backend.rounds.authority_health import AuthorityHealth
from backend.rounds.committee_client import CommitteeClient
from backend.rounds.desk import Desk
from backend.rounds.driver import Driver
from backend.rounds.hosted_task import HostedTask
from backend.rounds.inbox import Inbox
from backend.rounds.journal import EdgeJournal
from backend.rounds.performer import Performer
from backend.rounds.task_leases import TaskLeases
from backend.settings import EdgeSettings
from backend.start_checks import check_chain, check_gas, check_tag
from backend.store_check import check_store
from backend.tracing import check_tracing, traced
from backend.vouchers.issuer import Issuer
from protocol.errors import HearthError
from protocol.identifiers import Address
from protocol.messages.chain import TaskPosted
from protocol.task.documents import Kind
from protocol.task.state import TaskState
from storage.content.interface import ContentStore
from storage.content.open_store import open_store
from storage.content.pinning import open_pins
from storage.credentials import check_credentials
from storage.http import shown_url
from storage.ledger.ethereum.block_clock import BlockClock
from storage.ledger.ethereum.ledger import EthereumLedger
from storage.ledger.event_file import EventFile
from storage.ledger.polling import Polling
from storage.ledger.signer import Signer
from storage.records.open_records import OpenRecords, open_records
from storage.task_reader import TaskReader


def serve_edge(settings: EdgeSettings, signer: Signer) -> None:
    """Serves until SIGTERM or SIGINT, once everything that it was told is found right."""
    configure_log(traced=settings.otlp is not None)
    check_credentials()
    check_tracing(settings.otlp)
    with open_records(settings.folder, settings.database, signer.address, settings.put_back) as records:
        _serve(settings, signer, records)


def _executor(settings: EdgeSettings) -> Executor:
    if settings.cluster is None:
        return IN_PROCESS
    settings.cluster.check()
    return DaskExecutor(settings.cluster)


def _serve(settings: EdgeSettings, signer: Signer, records: OpenRecords) -> None:
    metrics = ProcessMetrics("edge", signer.address)
    kept, asked = (WatchedRecords(records(name), metrics.appended) for name in ("journal", "inbox"))
    journal, inbox = EdgeJournal(kept), Inbox(asked)
    leases = None if settings.database is None else TaskLeases(kept, SystemRandomness().draw("process", 16).hex())
    clock = BlockClock(tell=warn)
    ledger = EthereumLedger(
        settings.rpc_url, settings.domain, signer, limits=settings.gas, clock=clock,
        confirm_by=settings.confirm_by,
        on_bytes=metrics.attempt, heard=metrics.question,
    )  # fmt: skip
    store = open_store(settings.store)
    health = AuthorityHealth(lambda: driver.now)
    asking = AuthorityMetrics(metrics)

    def heard(authority: Address, error: HearthError | None, seconds: float) -> None:
        health.heard(authority, error)
        asking.heard(authority, error, seconds)

    committee = CommitteeClient(settings.authorities, settings.domain, settings.folder / "proofs", heard=heard)
    bonds, executor = BondKeeper(ledger, settings.max_bond_wei), _executor(settings)

    def host(posted: TaskPosted) -> HostedTask:
        reader = TaskReader(store, posted.task, list(Kind))
        performer = Performer(
            ledger, store, journal, committee, reader, driver.pause, settings.censored, executor=executor
        )
        told = driver.wake, performer.seconds, driver.deep, performer.endorsing.endorsements
        desk = Desk(ledger.domain, signer, posted.task, journal, inbox, settings.censored, *told)
        return HostedTask(posted, ledger, performer, desk, bonds)

    def forget(opened: Mapping[int, int]) -> None:
        warn("an older copy of the records was put back: nothing new is signed of the rounds that were opened")
        for task, rounds in opened.items():
            journal.forget(task, rounds)
        records.trust()

    polling, read = Polling(ledger, settings.poll_seconds), EventFile(settings.folder / "events", settings.domain)
    driver = Driver(ledger, inbox, host, polling, read, leases, forget if records.are_older else None)
    watch_edge(metrics, driver, polling, inbox.counts, lambda: ledger.balance(signer.address))
    keeper = _keeper(settings, store, driver)
    metrics.registry.register(ContentMetrics(keeper.counts))
    audits = AuditRuns(settings.folder / "audits", settings.audit, lambda: driver.now) if settings.audit else None
    sites, first_block = Sites(settings.public_urls, settings.allowed_origins), settings.domain.first_block
    issuer = None
    if settings.vouchers is not None:
        issuer = Issuer(settings.vouchers.folder, settings.vouchers.password, records("vouchers"), SystemRandomness())
    options = ApiOptions(audits, health.all, sites, ledger.gas_used, first_block, issuer)
    try:
        check_chain(ledger, settings.rpc_url)
        check_tag(ledger, settings.confirm_by)
        check_gas(ledger, signer.address)
        check_store(store)
        committee.identify()
        driver.start()
        keeper.start()
        try:
            app = edge_app(ledger, store, driver, options)
            add_dashboard(app, pages_of(names_of(settings.public_urls), SystemRandomness()))
            with exposed(metrics.registry, settings.metrics), traced(app, settings.otlp, "edge"):
                serve(app, settings.listening, signer.address, metrics)
        finally:
            keeper.stop()
            driver.stop()
    finally:
        committee.close()
        ledger.close()


def _keeper(settings: EdgeSettings, store: ContentStore, driver: Driver) -> TaskKeeper:
    """Of the server's own store too, where other nodes are named: what phones put there was pinned for them alone."""
    places = (settings.store, *settings.pins) if settings.pins else ()
    nodes = [Node(_shown(place), open_pins(place), own=place != settings.store) for place in places]

    def states() -> dict[int, TaskState]:
        return {task: hosted.state for task, hosted in (driver.tasks() or {}).items()}

    return TaskKeeper(store, nodes, states, lambda: driver.now, settings.kept_days * DAY_SECONDS)


def _shown(place: str) -> str:
    return shown_url(place) if "://" in place else place
