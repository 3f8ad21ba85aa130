"""The edge server as a process: opens records, chain, content and committee, serves HTTP on loopback."""

from __future__ import annotations

from pathlib import Path

from backend.api.app import edge_app
from backend.bonds import BondKeeper
from backend.process import configure_log, serve
from backend.rounds.committee_client import CommitteeClient
from backend.rounds.desk import Desk
from backend.rounds.driver import Driver
from backend.rounds.hosted_task import HostedTask
from backend.rounds.inbox import Inbox
from backend.rounds.journal import EdgeJournal
from backend.rounds.performer import Performer
from backend.settings import EdgeSettings
from protocol.messages.chain import TaskPosted
from protocol.task.documents import Kind
from storage.content.open_store import open_store
from storage.ledger.ethereum.ledger import EthereumLedger
from storage.ledger.signer import Signer
from storage.records.journal import Journal
from storage.task_reader import TaskReader


def serve_edge(settings: EdgeSettings, signer: Signer, ready_file: Path | None) -> None:
    """Serves until SIGTERM or SIGINT. ``ready_file`` gets the URL once it listens."""
    configure_log()
    journal, inbox = EdgeJournal(Journal(settings.folder / "journal")), Inbox(Journal(settings.folder / "inbox"))
    ledger = EthereumLedger(settings.rpc_url, settings.domain, signer, limits=settings.gas)
    store = open_store(settings.store)
    committee = CommitteeClient(settings.authorities, ledger.domain, settings.folder / "proofs")
    bonds = BondKeeper(ledger, settings.max_bond_wei)

    def host(posted: TaskPosted) -> HostedTask:
        reader = TaskReader(store, posted.task, list(Kind))
        performer = Performer(ledger, store, journal, committee, reader, driver.pause, settings.censored)
        seconds, censored = performer.seconds, settings.censored
        desk = Desk(ledger.domain, signer, posted.task, journal, inbox, censored, driver.wake, seconds, driver.head)
        return HostedTask(posted, ledger, performer, desk, bonds)

    driver = Driver(ledger, inbox, host, settings.tick_seconds)
    try:
        driver.start()
        serve(edge_app(ledger, store, driver), settings.port, ready_file, signer.address)
    finally:
        driver.stop()
        committee.close()
        ledger.close()
        journal.close()
        inbox.close()
