"""What both servers do as processes: one log format, a guarded listener, a ready file, a clean stop."""

from __future__ import annotations

import gc
import logging
import signal
import socket
import sys
import threading
from types import FrameType
from typing import Final

import structlog
import uvicorn
from fastapi import FastAPI

from backend.connections import guarded_protocol
from backend.listening import (
    BACKLOG,
    ListenError,
    Listening,
    limits_within,
    listening_socket,
    raise_file_limit,
    url_of,
)
from backend.metrics.process_metrics import ProcessMetrics
from backend.metrics.requests import WatchedRequests
from backend.request_limit import RequestLimit
from backend.tracing import span_id
from protocol.identifiers import Address, to_hex
from storage.durable_file import write_ready_file

STOP_SECONDS: Final = 3
KEEP_ALIVE_SECONDS: Final = 10  # longer than clients keep a connection, so that none is closed as they use it
ACCEPTED_AT_ONCE: Final = 32  # connections, before those that came are read: else a rush of them looks like idle ones
MAX_LOGGED: Final = 500  # letters of a text from outside

_log = structlog.get_logger()


def configure_log(traced: bool = False) -> None:
    """JSON lines on standard error; nothing else, whoever logs. ``traced``: they name the spans they belong to."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            *([span_id] if traced else []),
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(sort_keys=True),
        ],
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),  # the one of the moment: it may be replaced
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
    )
    logging.basicConfig(level=logging.WARNING, handlers=[_AsLines()], force=True)


class _AsLines(logging.Handler):
    """What libraries log: a trace, or an escape code of somebody's request, must not reach a terminal raw."""

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        told = {} if error is None else {"error": repr(error)[:MAX_LOGGED]}
        _log.warning(record.name, detail=record.getMessage()[:MAX_LOGGED], **told)


def warn(text: str) -> None:
    """One line for the operator."""
    _log.warning(text)


def serve(app: FastAPI, listening: Listening, address: Address, metrics: ProcessMetrics | None = None) -> None:
    """Serves until SIGTERM or SIGINT; ``metrics`` counts its requests. Raises ListenError."""
    files = raise_file_limit()
    with listening_socket(listening) as opened:
        if not listening.is_local:
            warn("other machines reach this server, and it speaks plain HTTP: put a reverse proxy with TLS before it")
        Server(app, listening, files, opened, address, metrics).run([opened])


class Server(uvicorn.Server):
    def __init__(
        self,
        app: FastAPI,
        listening: Listening,
        files: int,
        opened: socket.socket,
        address: Address,
        metrics: ProcessMetrics | None = None,
    ) -> None:
        limits = limits_within(listening.limits, files)
        protocol = guarded_protocol(limits)
        if metrics is not None:
            metrics.watch_connections(lambda: len(protocol.waiting))
        proxies = "*" if listening.uds else list(listening.trusted_proxies)  # who reaches the socket's file is trusted
        config = uvicorn.Config(
            WatchedRequests(RequestLimit(app, limits), metrics),
            http=protocol,
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="warning",
            access_log=False,
            backlog=ACCEPTED_AT_ONCE,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=STOP_SECONDS,
            forwarded_allow_ips=proxies,
        )
        super().__init__(config)
        self._listening, self._url, self._address_text = listening, url_of(opened), to_hex(address)
        self._stopping: threading.Event | None = getattr(app.state, "stopping", None)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if not self.started:
            return
        for opened in sockets or ():
            opened.listen(BACKLOG)
        gc.freeze()  # what is there now stays: to look through all of it while thousands are answered takes long
        if (ready := self._listening.ready_file) is not None:
            try:
                write_ready_file(ready, self._url.encode(), 0o644)
            except OSError as error:
                raise ListenError(f"the ready file {ready} cannot be written: {error.strerror}") from error
        _log.info("listening", url=self._url, address=self._address_text)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Streams of the application that look at ``stopping`` end by themselves."""
        if self._stopping is not None:
            self._stopping.set()
        await super().shutdown(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stopping is the normal end: the signal is not raised again afterwards, so the process exits with 0."""
        if self.should_exit and sig == signal.SIGINT:
            self.force_exit = True
        self.should_exit = True
