"""A scheduler or a worker as a process of its own, until SIGTERM or SIGINT."""

from __future__ import annotations

import asyncio
import signal
import tempfile
from collections.abc import Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import structlog

from backend.aggregation.cluster import TlsFiles, check_address, require_dask, security
from backend.listening import ListenError
from protocol.encryption.suite import prepare
from storage.durable_file import write_ready_file

RETURN_SECONDS: Final = 1.0  # before a worker looks for its scheduler again
_HIDDEN: Final = "127.0.0.1:0"  # Dask cannot do without an HTTP server; it has no pages here

log = structlog.get_logger()


def serve_scheduler(host: str, port: int, tls: TlsFiles | None, ready_file: Path | None) -> None:
    """``ready_file`` gets its address. Raises ExecutorError, ListenError."""
    scheme = _scheme(tls)
    check_address(f"{scheme}://{_bracketed(host)}:{port or 1}", tls)
    _run(_scheduler(host, port, scheme, tls, ready_file))


def serve_worker(address: str, host: str | None, threads: int, tls: TlsFiles | None, ready_file: Path | None) -> None:
    """``host``: by which other workers reach this one; None: the one of its way to the scheduler. Raises
    ExecutorError."""
    check_address(address, tls)
    require_dask()
    prepare()  # a task that compiled or loaded the loops would keep the worker from saying that it is there
    _run(_worker(address, host, threads, tls, ready_file))


async def _scheduler(host: str, port: int, scheme: str, tls: TlsFiles | None, ready_file: Path | None) -> None:
    make = require_dask().Scheduler
    settings = {"protocol": scheme, "security": security(tls), "dashboard": False, "dashboard_address": _HIDDEN}
    try:
        scheduler = await make(host=host, port=port, **settings)
    except (OSError, ValueError) as error:
        raise ListenError(f"no scheduler listens on {host}, port {port}: {error}") from error
    async with scheduler:
        _say(ready_file, scheduler.address)
        await scheduler.finished()


async def _worker(address: str, host: str | None, threads: int, tls: TlsFiles | None, ready_file: Path | None) -> None:
    """Comes back whenever its scheduler does."""
    make = require_dask().Worker
    while True:
        with tempfile.TemporaryDirectory(prefix="hearth-worker-") as folder:
            worker = make(
                address,
                host=host,
                protocol=_scheme(tls),
                security=security(tls),
                nthreads=threads,
                memory_limit=0,  # a task needs one ciphertext and one sum
                local_directory=folder,
                dashboard=False,
                dashboard_address=_HIDDEN,
            )
            with suppress(OSError, TimeoutError):
                async with worker:
                    _say(ready_file, worker.address)
                    await worker.finished()
        log.warning("no scheduler; looking for it again", address=address)
        await asyncio.sleep(RETURN_SECONDS)


def _run(serving: Coroutine[Any, Any, None]) -> None:
    async def until_stopped() -> None:
        task, loop = asyncio.ensure_future(serving), asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, task.cancel)
        with suppress(asyncio.CancelledError):
            await task

    asyncio.run(until_stopped())


def _say(ready_file: Path | None, address: str) -> None:
    log.info("listening", url=address)
    if ready_file is not None:
        try:
            write_ready_file(ready_file, address.encode(), 0o644)
        except OSError as error:
            raise ListenError(f"the ready file {ready_file} cannot be written: {error.strerror}") from error


def _scheme(tls: TlsFiles | None) -> str:
    return "tcp" if tls is None else "tls"


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
