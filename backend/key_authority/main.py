"""One key authority as a process: opens its folder and the chain, serves HTTP on loopback until it is told to stop."""

from __future__ import annotations

import logging
import signal
import socket
import sys
from pathlib import Path
from types import FrameType

import structlog
import uvicorn
from fastapi import FastAPI

from backend.key_authority.app import authority_app
from backend.key_authority.identity import derived_key_pair, kept_key_pair
from backend.key_authority.records import AuthorityRecords
from backend.key_authority.service import KeyAuthority
from backend.key_authority.settings import AuthoritySettings
from protocol.identifiers import to_hex
from storage.durable_file import write_file_atomically
from storage.ledger.reader import EthereumReader
from storage.ledger.signer import Signer

STOP_SECONDS = 5
PARALLEL_REQUESTS = 64

_log = structlog.get_logger()


def serve_authority(
    settings: AuthoritySettings, signer: Signer, *, seed: bytes | None, ready_file: Path | None
) -> None:
    """Serves until SIGTERM or SIGINT. ``ready_file`` gets the URL once it listens.

    ``seed`` is for demonstrations: it determines the encryption key, which is then not kept. Raises PublicKeyError for
    a development account off loopback.
    """
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(sort_keys=True),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
    )
    signer.require_private(settings.rpc_url)
    records = AuthorityRecords(settings.folder)
    reader = EthereumReader(settings.rpc_url, settings.ledger)
    try:
        key_pair = kept_key_pair(settings.folder) if seed is None else derived_key_pair(seed, signer.address)
        app = authority_app(KeyAuthority(reader, records, signer, key_pair))
        _Server(app, settings.port, ready_file, to_hex(signer.address)).run()
    finally:
        reader.close()
        records.close()


class _Server(uvicorn.Server):
    def __init__(self, app: FastAPI, port: int, ready_file: Path | None, address: str) -> None:
        config = uvicorn.Config(
            app,
            host="127.0.0.1",
            port=port,
            log_level="warning",
            access_log=False,
            limit_concurrency=PARALLEL_REQUESTS,
            timeout_graceful_shutdown=STOP_SECONDS,
        )
        super().__init__(config)
        self._ready_file, self._address_text = ready_file, address

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            host, port = self.servers[0].sockets[0].getsockname()[:2]
            url = f"http://{host}:{port}"
            if self._ready_file is not None:
                write_file_atomically(self._ready_file, url.encode(), 0o644)
            _log.info("listening", url=url, address=self._address_text)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stopping is the normal end: the signal is not raised again afterwards, so the process exits with 0."""
        if self.should_exit and sig == signal.SIGINT:
            self.force_exit = True
        self.should_exit = True
