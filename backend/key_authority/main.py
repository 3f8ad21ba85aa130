"""One key authority as a process: opens its folder and the chain, serves HTTP on loopback until it is told to stop."""

from __future__ import annotations

from pathlib import Path

from backend.key_authority.app import authority_app
from backend.key_authority.bonds import BondWatch
from backend.key_authority.endpoints import Endpoints
from backend.key_authority.policy import parse_policy
from backend.key_authority.records import AuthorityRecords
from backend.key_authority.rosters import Rosters, RosterWatch
from backend.key_authority.service import KeyAuthority
from backend.key_authority.settings import AuthoritySettings
from backend.key_authority.windows import Windows, WindowWatch, drawn, seeded
from backend.process import configure_log, serve
from storage.ledger.ethereum.ledger import EthereumLedger
from storage.ledger.ethereum.reader import EthereumReader
from storage.ledger.signer import Signer
from storage.policy_file import read_policy_file
from storage.records.journal import Journal


def serve_authority(
    settings: AuthoritySettings, signer: Signer, *, seed: bytes | None, ready_file: Path | None
) -> None:
    """Serves until SIGTERM or SIGINT. ``ready_file`` gets the URL once it listens.

    ``seed`` is for demonstrations: it determines the encryption keys. Raises PublicKeyError for a development account
    off loopback.
    """
    configure_log()
    policy = parse_policy(read_policy_file(settings.folder / "policy.toml"))
    ledger = EthereumLedger(settings.rpc_url, settings.domain, signer, limits=policy.gas)
    reader = Endpoints([ledger, *(EthereumReader(url, ledger.ledger) for url in settings.other_rpc_urls)])
    records = AuthorityRecords(Journal(settings.folder / "journal"))
    windows = Windows(reader, records, signer, drawn if seed is None else seeded(seed, signer.address))
    rosters = RosterWatch(Rosters(ledger, records), records)
    watches = (BondWatch(ledger, records, settings.max_bond_wei), WindowWatch(windows, records), rosters)
    try:
        for watch in watches:
            watch.start()
        app = authority_app(KeyAuthority(reader, records, signer, windows, policy))
        serve(app, settings.port, ready_file, signer.address)
    finally:
        for watch in watches:
            watch.stop()
        ledger.close()
        records.close()
