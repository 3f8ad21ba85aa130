"""Where a cluster of workers is, and how its parts know each other: TLS, each with a certificate.

Dask's parts unpickle what they receive from each other. So whoever is let in could run anything on all of them.
"""

from __future__ import annotations

import importlib
import re
import ssl
import stat
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from backend.aggregation.executor import ExecutorError

EXTRA: Final = "hearth-fl[dask]"
MAX_PEM_BYTES: Final = 64 * 1024
_ADDRESS: Final = re.compile(r"(tls|tcp)://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):([0-9]{1,5})")
_CONFIG: Final = {
    # a machine that is gone is noticed in seconds: workers say twice a second that they are there
    "distributed.scheduler.worker-ttl": "8s",
    "distributed.comm.timeouts.connect": "5s",
    "distributed.comm.timeouts.tcp": "11s",  # the least that there is
    "distributed.scheduler.no-workers-timeout": "4s",
    # a task that stops so many workers is not given to one more
    "distributed.scheduler.allowed-failures": 3,
    # no pages, no files, no profiles: a sum is all that is asked for
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
    "distributed.worker.profile.enabled": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.pause": False,
    "distributed.worker.memory.terminate": False,
    # what is logged goes where this process logs
    "logging": {"version": 1, "incremental": True},
}


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """In PEM: the authority that all parts of a cluster believe, this part's certificate and its key."""

    authority: Path
    certificate: Path
    key: Path

    def check(self) -> None:
        """Raises ExecutorError for files that nothing can be done with."""
        for path in (self.authority, self.certificate, self.key):
            try:
                found = path.stat()
            except (OSError, ValueError) as error:
                raise ExecutorError(f"{path}: {getattr(error, 'strerror', error)}") from error
            if not stat.S_ISREG(found.st_mode) or found.st_size > MAX_PEM_BYTES:
                raise ExecutorError(f"{path}: not a file of at most {MAX_PEM_BYTES} bytes")
        try:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.load_verify_locations(self.authority)
            context.load_cert_chain(self.certificate, self.key, password="")  # or it would ask on the terminal
        except (OSError, ssl.SSLError) as error:
            raise ExecutorError(f"{self.certificate}: not a certificate with its key and authority in PEM") from error


@dataclass(frozen=True, slots=True)
class Cluster:
    """``address``: of the scheduler. ``tls``: None for one in plain TCP, which its operator has allowed."""

    address: str
    tls: TlsFiles | None
    store: str  # content store as workers reach it

    def check(self) -> None:
        """Raises ExecutorError for a cluster that cannot be used; whether it answers is not asked."""
        check_address(self.address, self.tls)
        require_dask()


def check_address(address: str, tls: TlsFiles | None) -> None:
    """Raises ExecutorError unless it is ``tls://HOST:PORT`` with all files, or ``tcp://HOST:PORT`` with none."""
    found = _ADDRESS.fullmatch(address)
    if found is None or not 0 < int(found[3]) < 65536:
        raise ExecutorError(f"{address!r} is not tls://HOST:PORT")
    if (found[1] == "tls") != (tls is not None):
        raise ExecutorError(f"{address} {'needs' if tls is None else 'has no use for'} certificates")
    if tls is not None:
        tls.check()


@cache
def require_dask() -> Any:
    """``distributed``, with this house's settings. Raises ExecutorError where it is not installed."""
    try:
        importlib.import_module("dask.config").set(_CONFIG)
        return importlib.import_module("distributed")
    except ImportError as error:
        raise ExecutorError(f"Dask is not installed: pip install '{EXTRA}'") from error


def security(tls: TlsFiles | None) -> Any:
    """For any part of the cluster: each shows its certificate and asks for the other's."""
    make = require_dask().Security
    if tls is None:
        return make(require_encryption=False)
    own = {
        f"tls_{part}_{kind}": str(path)
        for part in ("client", "scheduler", "worker")
        for kind, path in (("cert", tls.certificate), ("key", tls.key))
    }
    least = ssl.TLSVersion.TLSv1_3
    return make(require_encryption=True, tls_ca_file=str(tls.authority), tls_min_version=least, **own)
