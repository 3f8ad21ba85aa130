"""The edge server as a process: opens journal, chain, content and committee, serves HTTP on loopback."""

from __future__ import annotations

from pathlib import Path

from backend.api.app import edge_app
from backend.bonds import BondKeeper
from backend.process import configure_log, serve
from backend.rounds.committee_client import CommitteeClient
from backend.rounds.journal import EdgeJournal
from backend.rounds.tasks import TaskBoard
from backend.settings import EdgeSettings
from storage.content.open_store import open_store
from storage.ledger.ethereum.ledger import EthereumLedger
from storage.ledger.signer import Signer
from storage.records.journal import Journal


def serve_edge(settings: EdgeSettings, signer: Signer, ready_file: Path | None) -> None:
    """Serves until SIGTERM or SIGINT. ``ready_file`` gets the URL once it listens."""
    configure_log()
    journal = EdgeJournal(Journal(settings.folder / "journal"))
    ledger = EthereumLedger(settings.rpc_url, settings.ledger, signer)
    store = open_store(settings.store)
    committee = CommitteeClient(settings.authorities, ledger.domain, settings.folder / "proofs")
    bonds = BondKeeper(ledger, settings.max_bond_wei)
    board = TaskBoard(ledger, store, journal, committee, signer, bonds, settings.censored, settings.tick_seconds)
    try:
        board.start()
        serve(edge_app(ledger, store, board), settings.port, ready_file, signer.address)
    finally:
        board.stop()
        committee.close()
        ledger.close()
        journal.close()
