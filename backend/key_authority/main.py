"""One key authority as a process: opens its folder and the chain, serves HTTP until it is told to stop."""

from __future__ import annotations

from backend.key_authority.app import authority_app
from backend.key_authority.bonds import BondWatch
from backend.key_authority.endpoints import Endpoints
from backend.key_authority.followed import FollowedTasks
from backend.key_authority.policy import parse_policy
from backend.key_authority.records import AuthorityRecords
from backend.key_authority.rosters import Rosters, RosterWatch
from backend.key_authority.service import KeyAuthority
from backend.key_authority.settings import AuthoritySettings
from backend.key_authority.windows import Windows, WindowWatch, drawn, seeded
from backend.process import configure_log, serve, warn
from backend.start_checks import check_chain, check_gas
from storage.credentials import check_credentials
from storage.ledger.ethereum.block_clock import BlockClock
from storage.ledger.ethereum.ledger import EthereumLedger
from storage.ledger.ethereum.reader import EthereumReader
from storage.ledger.event_file import EventFile
from storage.ledger.polling import Polling
from storage.ledger.signer import Signer
from storage.policy_file import read_policy_file
from storage.records.open_records import open_records


def serve_authority(settings: AuthoritySettings, signer: Signer, *, seed: bytes | None) -> None:
    """Serves until SIGTERM or SIGINT, once everything that it was told is found right.

    ``seed`` is for demonstrations: it determines the encryption keys. Raises PublicKeyError for a development account
    off loopback.
    """
    configure_log()
    check_credentials()
    with open_records(settings.folder, settings.database, signer.address) as records:
        _serve(settings, signer, AuthorityRecords(records("journal")), seed)


def _serve(settings: AuthoritySettings, signer: Signer, records: AuthorityRecords, seed: bytes | None) -> None:
    policy = parse_policy(read_policy_file(settings.folder / "policy.toml"))
    clock = BlockClock(tell=warn)
    ledger = EthereumLedger(settings.rpc_url, settings.domain, signer, limits=policy.gas, clock=clock)
    chain_id = settings.domain.chain_id
    others = [EthereumReader(url, ledger.ledger, chain_id=chain_id) for url in settings.other_rpc_urls]
    reader = Endpoints([ledger, *others])
    windows = Windows(reader, records, signer, drawn if seed is None else seeded(seed, signer.address))
    polling, read = Polling(ledger, settings.poll_seconds), EventFile(settings.folder / "events", settings.domain)
    followed = FollowedTasks(ledger, polling, read)
    rosters = RosterWatch(Rosters(ledger, records, followed), records)
    bonds = BondWatch(ledger, records, settings.max_bond_wei, followed)
    watches = (bonds, WindowWatch(windows, records, followed), rosters)
    try:
        for url, of_chain in zip((settings.rpc_url, *settings.other_rpc_urls), (ledger, *others), strict=True):
            check_chain(of_chain, url)
        check_gas(ledger, signer.address)
        for watch in watches:
            watch.start()
        try:
            app = authority_app(KeyAuthority(reader, records, signer, windows, policy))
            serve(app, settings.listening, signer.address)
        finally:
            for watch in watches:
                watch.stop()
    finally:
        ledger.close()
