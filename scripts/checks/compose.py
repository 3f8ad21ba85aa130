"""One run of docker/compose.yaml by the real Compose program, watched from outside as an operator would."""

from __future__ import annotations

import contextlib
import re
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from protocol.domain import parse_domain
from protocol.errors import MalformedError
from protocol.messages.chain import BatchCommitted, Event, KeyRequested, RoundOpened, RoundPublished
from protocol.strict_json import parse_json
from scripts.checks.podman import ContainerError, Podman
from storage.ledger.ethereum.reader import EthereumReader
from storage.ledger.interface import LedgerError

PORTS: Final = (
    "HEARTH_CHAIN_PORT", "HEARTH_STORE_PORT", "HEARTH_EDGE_1_PORT", "HEARTH_EDGE_2_PORT", "HEARTH_HOUSEHOLD_1_PORT",
    "HEARTH_HOUSEHOLD_2_PORT",
)  # fmt: skip
EDGES: Final = ("edge-1", "edge-2")
MOVES: Final = (RoundOpened, BatchCommitted, KeyRequested, RoundPublished)
TASK: Final = 1
UP_SECONDS: Final = 600
PATIENCE_SECONDS: Final = 900.0


@dataclass(frozen=True, slots=True)
class Killed:
    service: str
    container: str
    process: int


class Compose:
    """Context manager: whatever happens, containers, networks and volumes of ``project`` are gone afterwards."""

    def __init__(
        self, podman: Podman, folder: Path, files: Sequence[str], project: str, variables: Mapping[str, str]
    ) -> None:
        self._podman, self._folder, self._project = podman, folder, project
        self._ports = dict(zip(PORTS, _free_ports(len(PORTS)), strict=True))
        ports = {name: str(port) for name, port in self._ports.items()}
        self._environment = {**podman.environment, **variables, **ports}
        self._command = self._with_files(files)
        self._reader: EthereumReader | None = None

    @staticmethod
    def public_image(file: Path, variable: str) -> str:
        """The one that the file takes where ``variable`` names none."""
        found = re.search(rf"\$\{{{variable}:-([^}}]+)\}}", file.read_text())
        if found is None:
            raise ContainerError(f"{file} has no {variable}")
        return found[1]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._reader is not None:
            self._reader.close()
        if error is not None:
            print(self._run("logs", "--tail", "15", "--no-color", check=False)[-12_000:], flush=True)
        self._run("down", "--volumes", "--timeout", "3", check=False)

    def make_secrets(self, *of: str) -> None:
        subprocess.run([str(self._folder / "make_secrets"), *of], env=self._environment, check=True)

    def up(self) -> None:
        """Returns when everything is started, so when the task is posted."""
        self._run("up", "--detach", "--pull", "never", "--no-build")

    def lay_over(self, files: Sequence[str], services: Sequence[str]) -> None:
        """From now on ``files`` say what everything is; ``services`` are started, or made anew, and awaited."""
        self._command = self._with_files(files)
        self._run("up", "--detach", "--wait", "--pull", "never", "--no-build", "--no-deps", *services)

    def await_published(self, round_number: int) -> None:
        """Until this round, or a later one, has a model. Raises ContainerError."""
        self.await_true(lambda: self.published() >= round_number, f"round {round_number}")

    def await_moves(self, count: int) -> None:
        """Until servers have done so much for the task on chain. Raises ContainerError."""
        self.await_true(lambda: self.moves() >= count, f"move {count}")

    def await_true(self, is_so: Callable[[], bool], what: str) -> None:
        """Raises ContainerError."""
        until = time.monotonic() + PATIENCE_SECONDS
        while not is_so():
            if time.monotonic() > until:
                raise ContainerError(f"no {what} within {PATIENCE_SECONDS:.0f} s")
            time.sleep(0.3)

    def published(self) -> int:
        """The number of the last round that has a model."""
        return max((event.round for event in self._events() if isinstance(event, RoundPublished)), default=0)

    def moves(self) -> int:
        """What servers have done on chain for the task's rounds."""
        return sum(isinstance(event, MOVES) for event in self._events())

    def rounds_left(self) -> int:
        view = self._chain().task(TASK)
        return view.rounds - view.last_round

    def kill(self, service: str) -> Killed:
        container = self._containers(service)[0]
        return Killed(service, container, self._podman.kill(container))

    def await_well(self, killed: Killed) -> None:
        self._podman.await_well(killed.container, killed.process)

    def drives_since(self) -> dict[str, float]:
        """When each process of the edge server last began to drive the task, in seconds since 1970; 0 for never."""
        return {service: max(map(_second, self._lines(service, "drives the task")), default=0.0) for service in EDGES}

    def summed_by_workers(self) -> list[int]:
        """Numbers of the rounds whose ciphertexts the cluster's workers have verified and added, all of them."""
        return sorted(
            line["round"] for service in EDGES for line in self._lines(service, "added by workers") if not line["left"]
        )

    def await_exit(self, service: str) -> tuple[int, str]:
        """Its exit code, and the end of what it said. Raises ContainerError."""
        container = self._containers(service)[0]
        self.await_true(lambda: not self._podman.inspect(container)["State"]["Running"], f"end of {service}")
        code = int(self._podman.inspect(container)["State"]["ExitCode"])
        return code, "\n".join(self._podman.logged(container)[-5:])

    def doors(self) -> list[str]:
        """What a container may that none should."""
        found = []
        for name in self._run("ps", "--quiet").split():
            about = self._podman.inspect(name)
            status = self._podman.ask("exec", name, "cat", "/proc/1/status", check=False)
            if not status:
                continue  # it has ended meanwhile
            facts = dict(re.findall(r"^(Uid|CapEff|CapBnd|NoNewPrivs):\s+(\w+)", status, re.MULTILINE))
            wrong = {
                "is root": facts["Uid"] == "0",
                "has capabilities": int(facts["CapEff"], 16) != 0 or int(facts["CapBnd"], 16) != 0,
                "may gain rights": facts["NoNewPrivs"] != "1",
                "writes to its root": not about["HostConfig"]["ReadonlyRootfs"],
            }
            found += [f"{about['Name']} {what}" for what, is_so in wrong.items() if is_so]
        return found

    def _events(self) -> list[Event]:
        """None while the chain does not answer."""
        try:
            return self._chain().events(TASK)
        except LedgerError:
            return []

    def _lines(self, service: str, event: str) -> Iterator[dict[str, Any]]:
        """Of its log."""
        for container in self._containers(service):
            for line in self._podman.logged(container):
                if event not in line:
                    continue
                with contextlib.suppress(MalformedError):
                    told = parse_json(line.encode())
                    if isinstance(told, dict) and told.get("event") == event and told.get("task") == TASK:
                        yield told

    def _chain(self) -> EthereumReader:
        if self._reader is None:
            told = parse_json(self._run("exec", "-T", "edge-1", "cat", "/ledger/deployment.json").encode())
            domain = parse_domain(f"{told['chain_id']}:{told['ledger']}@{told['block']}")
            url = f"http://127.0.0.1:{self._ports['HEARTH_CHAIN_PORT']}"
            self._reader = EthereumReader(url, domain.ledger, chain_id=domain.chain_id, first_block=domain.first_block)
        return self._reader

    def _containers(self, service: str) -> list[str]:
        if not (names := self._run("ps", "--all", "--quiet", service).split()):
            raise ContainerError(f"{service} has no container")
        return names

    def _with_files(self, files: Sequence[str]) -> list[str]:
        named = [word for file in files for word in ("--file", str(self._folder / file))]
        return ["docker-compose", "--project-name", self._project, *named, "--profile", "task"]

    def _run(self, *words: str, check: bool = True) -> str:
        ran = subprocess.run(
            [*self._command, *words],
            env=self._environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
            timeout=UP_SECONDS,
        )  # fmt: skip
        if check and ran.returncode:
            raise ContainerError(f"docker-compose {' '.join(words)}: {ran.stderr[-3000:]}")
        return ran.stdout


def _second(line: dict[str, Any]) -> float:
    return datetime.fromisoformat(line["timestamp"]).timestamp()


def _free_ports(count: int) -> list[int]:
    opened = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(one.getsockname()[1]) for one in opened]
    for one in opened:
        one.close()
    return ports
