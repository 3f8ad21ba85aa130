"""``/metrics`` on a port of its own, where no phone and no reverse proxy comes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import structlog
from prometheus_client import CollectorRegistry, start_http_server

from backend.listening import ListenError
from storage.http import is_loopback

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class MetricsAddress:
    port: int  # 0 takes a free one
    host: str = "127.0.0.1"


@contextmanager
def exposed(registry: CollectorRegistry, address: MetricsAddress | None) -> Iterator[int | None]:
    """Answers at the address until it is left; its port. None: nowhere. Raises ListenError."""
    if address is None:
        yield None
        return
    try:
        server, thread = start_http_server(address.port, address.host, registry)
    except (OSError, OverflowError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise ListenError(
            f"no metrics on port {address.port} of {address.host}: {why}; choose another with --metrics-port"
        ) from error
    if not is_loopback(address.host):
        _log.warning("other machines reach the metrics, without a password: let only the collector's network in")
    _log.info("metrics", url=f"http://{address.host}:{server.server_port}/metrics")
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
