"""One key authority as a process: opens its folder and the chain, serves HTTP until it is told to stop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from backend.key_authority.app import authority_app
from backend.key_authority.bonds import BondWatch
from backend.key_authority.endpoints import Endpoints
from backend.key_authority.followed import FollowedTasks
from backend.key_authority.forgotten import Recollection
from backend.key_authority.history_watch import HistoryWatch
from backend.key_authority.policy import parse_policy
from backend.key_authority.records import AuthorityRecords
from backend.key_authority.repeating import Repeating
from backend.key_authority.rosters import Rosters, RosterWatch
from backend.key_authority.service import KeyAuthority
from backend.key_authority.settings import AuthoritySettings
from backend.key_authority.windows import Windows, WindowWatch, drawn, seeded
from backend.metrics.authority_metrics import watch_authority
from backend.metrics.exposition import exposed
from backend.metrics.process_metrics import ProcessMetrics
from backend.metrics.watched_records import WatchedRecords
from backend.process import configure_log, serve, warn
from backend.start_checks import check_chain, check_gas, check_tag
from backend.tracing import check_tracing, traced
from protocol.identifiers import to_hex
from protocol.version import PROTOCOL_VERSION
from storage.content.open_store import open_store
from storage.credentials import check_credentials
from storage.ledger.ethereum.block_clock import BlockClock
from storage.ledger.ethereum.ledger import EthereumLedger
from storage.ledger.ethereum.reader import EthereumReader
from storage.ledger.event_file import EventFile
from storage.ledger.polling import Polling
from storage.ledger.signer import Signer
from storage.policy_file import read_policy_file
from storage.records.open_records import open_records

SENDING_SECONDS: Final = 1.0  # between two looks; the chain is asked less often where its blocks take longer
ERASING_SECONDS: Final = 5.0


def serve_authority(settings: AuthoritySettings, signer: Signer, *, seed: bytes | None) -> None:
    """Serves until SIGTERM or SIGINT, once everything that it was told is found right.

    ``seed`` is for demonstrations: it determines the encryption keys. Raises PublicKeyError for a development account
    off loopback.
    """
    configure_log(traced=settings.otlp is not None)
    check_credentials()
    check_tracing(settings.otlp)
    with open_records(settings.folder, settings.database, signer.address, settings.put_back) as opened:
        metrics = ProcessMetrics("authority", signer.address)
        records = AuthorityRecords(WatchedRecords(opened("journal"), metrics.appended))
        _serve(settings, signer, records, metrics, seed, opened.trust if opened.are_older else None)


def _serve(
    settings: AuthoritySettings,
    signer: Signer,
    records: AuthorityRecords,
    metrics: ProcessMetrics,
    seed: bytes | None,
    trust: Callable[[], None] | None,
) -> None:
    policy = parse_policy(read_policy_file(settings.folder / "policy.toml"))
    store = None if settings.store is None else open_store(settings.store)
    clock = BlockClock(tell=warn)
    ledger = EthereumLedger(
        settings.rpc_url, settings.domain, signer, limits=policy.gas, clock=clock,
        confirm_by=settings.confirm_by,
        on_bytes=metrics.attempt, heard=metrics.question,
    )  # fmt: skip
    chain_id = settings.domain.chain_id
    tag = settings.confirm_by
    others = [EthereumReader(url, ledger.ledger, chain_id=chain_id, confirm_by=tag) for url in settings.other_rpc_urls]
    reader = Endpoints([ledger, *others])
    windows = Windows(reader, records, signer, drawn if seed is None else seeded(seed, signer.address))
    polling, read = Polling(ledger, settings.poll_seconds), EventFile(settings.folder / "events", settings.domain)
    followed = FollowedTasks(ledger, polling, read)
    recollection = Recollection(followed, records, signer.address, trust)
    rosters = RosterWatch(Rosters(ledger, records, followed), records, recollection.check)
    bonds = BondWatch(ledger, records, settings.max_bond_wei, followed)
    watch_authority(metrics, followed, records, polling, lambda: ledger.balance(signer.address))
    beside = (
        Repeating("bonds", bonds.place_and_take_back, SENDING_SECONDS),
        Repeating("windows", WindowWatch(windows, records, followed).erase, ERASING_SECONDS),
        Repeating("histories", HistoryWatch(records, followed).erase, ERASING_SECONDS),
        Repeating("rosters", rosters.post, SENDING_SECONDS),
    )
    try:
        for url, of_chain in zip((settings.rpc_url, *settings.other_rpc_urls), (ledger, *others), strict=True):
            check_chain(of_chain, url)
            check_tag(of_chain, settings.confirm_by)
        check_gas(ledger, signer.address)
        for repeating in beside:
            repeating.start()
        try:
            own: dict[str, str | int] = {
                "chain_id": chain_id, "ledger": to_hex(settings.domain.ledger), "version": PROTOCOL_VERSION,
            }  # fmt: skip
            answering = KeyAuthority(reader, records, signer, windows, policy, recollection.compared, store)
            app = authority_app(answering, lambda: {**own, "block": max(0, followed.head)})
            with exposed(metrics.registry, settings.metrics), traced(app, settings.otlp, "authority"):
                serve(app, settings.listening, signer.address, metrics)
        finally:
            for repeating in beside:
                repeating.stop()
    finally:
        ledger.close()
