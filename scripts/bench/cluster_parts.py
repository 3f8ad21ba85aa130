"""A scheduler and workers as processes of this machine, with TLS, for measurements and tests."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Self

from backend.aggregation.cluster import Cluster, TlsFiles
from protocol.errors import HearthError
from scripts.commands.cluster_certificates import AUTHORITY, write_certificates
from scripts.launcher import hearth_command

START_SECONDS: Final = 300.0
_TICK_SECONDS: Final = 0.02
PARTS: Final = ("scheduler", "edge", *(f"worker-{number}" for number in range(1, 9)))


class ClusterStartError(HearthError):
    """A part of a cluster that did not come up."""

    code = "E_EXECUTOR"


class ClusterParts:
    """Context manager; ``address`` is the scheduler's. ``folder`` must not be there yet."""

    def __init__(self, folder: Path, host: str = "127.0.0.1", environment: Mapping[str, str] | None = None) -> None:
        self.folder, self._host, self._environment = folder, host, {**os.environ, **(environment or {})}
        self.workers: dict[str, subprocess.Popen[bytes]] = {}
        self.scheduler: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        write_certificates(self.folder, PARTS)
        try:
            self._start_scheduler("0")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for process in [*self.workers.values(), *([self.scheduler] if self.scheduler else [])]:
            process.kill()
            process.wait()

    def start_workers(self, *names: str, before: Sequence[str] = (), host: str | None = None) -> None:
        """At once; it waits until all of them have found the scheduler. ``before``: a command that runs them elsewhere,
        such as in a network namespace; ``host``: their address there."""
        for name in names:
            options = ["--scheduler-address", self.address, *(["--worker-host", host] if host else [])]
            self.workers[name] = self._start("worker", name, options, before)
        for name in names:
            self._ready(name, self.workers[name])

    def kill_scheduler(self) -> None:
        """Another one takes its place at once; it waits until all workers have found that one."""
        assert self.scheduler is not None
        self.scheduler.kill()
        self.scheduler.wait()
        for name in self.workers:
            (self.folder / f"{name}.ready").unlink()
        self._start_scheduler(self.address.rpartition(":")[2])
        for name, process in self.workers.items():
            self._ready(name, process)

    def kill(self, name: str) -> None:
        process = self.workers.pop(name)
        process.kill()
        process.wait()

    def cluster(self, store: str) -> Cluster:
        """For the edge server."""
        return Cluster(self.address, self.tls("edge"), store)

    def tls(self, part: str) -> TlsFiles:
        return TlsFiles(self.folder / AUTHORITY, self.folder / f"{part}.pem", self.folder / f"{part}.key")

    def resident_megabytes(self, name: str) -> float:
        """Memory of a part now. Linux only."""
        process = self.scheduler if name == "scheduler" else self.workers[name]
        assert process is not None
        status = Path(f"/proc/{process.pid}/status").read_text()
        return round(int(status.partition("VmRSS:")[2].split()[0]) * 1024 / 1e6, 1)

    def said(self, name: str) -> str:
        """What a part has logged."""
        return (self.folder / f"{name}.log").read_text()

    def _start_scheduler(self, port: str) -> None:
        self.scheduler = self._start("scheduler", "scheduler", ["--host", self._host, "--port", port])
        self.address = self._ready("scheduler", self.scheduler)

    def _start(
        self, what: str, name: str, options: Sequence[str], before: Sequence[str] = ()
    ) -> subprocess.Popen[bytes]:
        tls, ready = self.tls(name), self.folder / f"{name}.ready"
        ready.unlink(missing_ok=True)
        files = {"ca": tls.authority, "certificate": tls.certificate, "key": tls.key}
        named = [word for kind, path in files.items() for word in (f"--scheduler-{kind}", str(path))]
        command = [*before, *hearth_command(), "cluster", what, *options, *named, "--ready-file", str(ready)]
        with (self.folder / f"{name}.log").open("wb") as log:
            return subprocess.Popen(command, stdout=log, stderr=log, env=self._environment)

    def _ready(self, name: str, process: subprocess.Popen[bytes]) -> str:
        ready, deadline = self.folder / f"{name}.ready", time.monotonic() + START_SECONDS
        while not ready.exists():
            if process.poll() is not None or time.monotonic() > deadline:
                raise ClusterStartError(f"{name} did not start: {self.said(name)[-500:]}")
            time.sleep(_TICK_SECONDS)
        return ready.read_text()
