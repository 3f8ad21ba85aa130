"""What both servers do as processes: one log format, loopback only, a ready file, a clean stop."""

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

from protocol.identifiers import Address, to_hex
from storage.durable_file import write_file_atomically

STOP_SECONDS = 3
PARALLEL_REQUESTS = 1024

_log = structlog.get_logger()


def configure_log() -> None:
    """JSON lines on standard error."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(sort_keys=True),
        ],
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),  # the one of the moment: it may be replaced
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
    )


def serve(app: FastAPI, port: int, ready_file: Path | None, address: Address) -> None:
    """Serves until SIGTERM or SIGINT; ``ready_file`` gets the URL once it listens, ``port`` 0 takes a free one."""
    _Server(app, port, ready_file, address).run()


class _Server(uvicorn.Server):
    def __init__(self, app: FastAPI, port: int, ready_file: Path | None, address: Address) -> None:
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
        self._ready_file, self._address_text = ready_file, to_hex(address)

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
