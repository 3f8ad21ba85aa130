"""One run of docker/compose.yaml by the real Compose program, watched from outside as an operator would."""

from __future__ import annotations

import re
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from protocol.domain import parse_domain
from protocol.messages.chain import RoundPublished
from protocol.strict_json import parse_json
from protocol.task.ending import task_over
from scripts.checks.podman import ContainerError, Podman
from storage.ledger.ethereum.reader import EthereumReader
from storage.ledger.interface import LedgerError

PORTS: Final = (
    "HEARTH_CHAIN_PORT", "HEARTH_STORE_PORT", "HEARTH_EDGE_1_PORT", "HEARTH_EDGE_2_PORT", "HEARTH_HOUSEHOLD_1_PORT",
    "HEARTH_HOUSEHOLD_2_PORT",
)  # fmt: skip
TASK: Final = 1
UP_SECONDS: Final = 600
PATIENCE_SECONDS: Final = 900.0


class Compose:
    """Context manager: whatever happens, containers, networks and volumes of ``project`` are gone afterwards."""

    def __init__(
        self, podman: Podman, folder: Path, files: Sequence[str], project: str, variables: Mapping[str, str]
    ) -> None:
        self._podman, self._folder, self._project = podman, folder, project
        self._ports = dict(zip(PORTS, _free_ports(len(PORTS)), strict=True))
        ports = {name: str(port) for name, port in self._ports.items()}
        self._environment = {**podman.environment, **variables, **ports}
        named = [word for file in files for word in ("--file", str(folder / file))]
        self._command = ["docker-compose", "--project-name", project, *named, "--profile", "task"]
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

    def make_secrets(self) -> None:
        subprocess.run([str(self._folder / "make_secrets")], env=self._environment, check=True)

    def up(self) -> None:
        """Returns when everything is started, so when the task is posted."""
        self._run("up", "--detach", "--pull", "never", "--no-build")

    def await_published(self, count: int) -> None:
        """Until so many rounds have a model. Raises ContainerError."""
        until = time.monotonic() + PATIENCE_SECONDS
        while self._published() < count:
            if time.monotonic() > until:
                raise ContainerError(f"no {count} rounds within {PATIENCE_SECONDS:.0f} s")
            time.sleep(0.3)

    def is_over(self) -> bool:
        reader = self._chain()
        return task_over(reader.task(TASK), reader.now())

    def kill(self, service: str) -> None:
        self._podman.kill(self._container(service))

    def await_exit(self, service: str) -> tuple[int, str]:
        """Its exit code, as ``docker compose wait`` gives it to a shell, and the end of what it said."""
        command = [*self._command, "wait", service]
        ran = subprocess.run(
            command, env=self._environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
            timeout=PATIENCE_SECONDS,
        )  # fmt: skip
        return ran.returncode, self._podman.ask("logs", "--tail", "5", self._container(service)).strip()

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

    def _published(self) -> int:
        try:
            events = self._chain().events(TASK)
        except LedgerError:
            return 0
        return sum(isinstance(event, RoundPublished) for event in events)

    def _chain(self) -> EthereumReader:
        if self._reader is None:
            told = parse_json(self._run("exec", "-T", "edge-1", "cat", "/ledger/deployment.json").encode())
            domain = parse_domain(f"{told['chain_id']}:{told['ledger']}@{told['block']}")
            url = f"http://127.0.0.1:{self._ports['HEARTH_CHAIN_PORT']}"
            self._reader = EthereumReader(url, domain.ledger, chain_id=domain.chain_id, first_block=domain.first_block)
        return self._reader

    def _container(self, service: str) -> str:
        names = self._run("ps", "--all", "--quiet", service).split()
        if len(names) != 1:
            raise ContainerError(f"{service}: {len(names)} containers")
        return names[0]

    def _run(self, *words: str, check: bool = True) -> str:
        ran = subprocess.run(
            [*self._command, *words],
            env=self._environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
            timeout=UP_SECONDS,
        )  # fmt: skip
        if check and ran.returncode:
            raise ContainerError(f"docker-compose {' '.join(words)}: {ran.stderr[-3000:]}")
        return ran.stdout


def _free_ports(count: int) -> list[int]:
    opened = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(one.getsockname()[1]) for one in opened]
    for one in opened:
        one.close()
    return ports
