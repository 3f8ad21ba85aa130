"""Podman as an engine for the Compose program, on machines without systemd and without a registry too.

Needs root, for networks between containers. Everything that is started here ends with the block.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from protocol.errors import HearthError
from scripts.guard import Guard

PROGRAMS: Final = ("podman", "runc", "iptables", "netavark", "aardvark-dns")
NEEDS: Final = "root, and on Debian: apt-get install podman buildah runc iptables netavark aardvark-dns"
_FOLDERS: Final = ("/usr/lib/podman", "/usr/libexec/podman", "/usr/sbin", "/usr/local/sbin")
# crun refuses hybrid control groups, and a limit of files above the machine's own is an error
_CONFIGURATION: Final = """\
[containers]
default_ulimits = ["nofile=20000:20000", "nproc=10000:10000"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
"""
_START_SECONDS: Final = 20.0
_HEALTH_PAUSE_SECONDS: Final = 1.0
_START_AGAIN_SECONDS: Final = 240.0


class ContainerError(HearthError):
    """The engine refuses, or a container is not as it should be."""

    code = "E_CONTAINER"


def lacking() -> list[str]:
    """Programs that are not here; and ``root``."""
    path = os.pathsep.join((os.environ.get("PATH", os.defpath), *_FOLDERS))
    return [*([] if os.geteuid() == 0 else ["root"]), *(name for name in PROGRAMS if not shutil.which(name, path=path))]


class Podman:
    """``environment`` is for the Compose program. Made by :func:`running_podman`."""

    def __init__(self, folder: Path, mark: Mapping[str, str]) -> None:
        configuration = folder / "containers.conf"
        configuration.write_text(_CONFIGURATION)
        self.socket = folder / "engine.sock"
        self.environment = {
            "CONTAINERS_CONF": str(configuration),
            **os.environ,
            **mark,
            "DOCKER_HOST": f"unix://{self.socket}",
        }

    def ask(self, *words: str, check: bool = True) -> str:
        """What ``podman WORDS`` prints. Raises ContainerError."""
        ran = subprocess.run(["podman", *words], env=self.environment, capture_output=True, text=True, check=False)
        if check and ran.returncode:
            raise ContainerError(f"podman {' '.join(words)[:200]}: {ran.stderr[-500:]!r}")
        return ran.stdout

    def logged(self, container: str) -> list[str]:
        """All lines, those on standard error too. The engine may put two writes into one line."""
        command = ["podman", "logs", container]
        ran = subprocess.run(
            command, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
        return ran.stdout.replace("}{", "}\n{").splitlines()

    def has_image(self, name: str) -> bool:
        command = ["podman", "image", "exists", name]
        return subprocess.run(command, env=self.environment, check=False).returncode == 0

    def can_get(self, name: str) -> bool:
        """Whether the image is here, or comes from its registry."""
        if self.has_image(name):
            return True
        command = ["timeout", "300", "podman", "pull", "--quiet", name]
        return subprocess.run(command, env=self.environment, capture_output=True, check=False).returncode == 0

    def build(self, file: Path, context: Path, target: str, tag: str, options: Sequence[str]) -> None:
        """Raises ContainerError."""
        command = ["podman", "build", "--format", "docker", "--pull=never", *options, "--file", str(file)]
        ignored = file.with_name(f"{file.name}.dockerignore")
        if ignored.exists():
            command += ["--ignorefile", str(ignored)]
        command += ["--target", target, "--tag", tag, str(context)]
        ran = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)
        if ran.returncode:
            raise ContainerError(f"{' '.join(command)}: {(ran.stdout + ran.stderr)[-2000:]}")

    def megabytes(self, image: str) -> float:
        return round(int(self.ask("image", "inspect", "--format", "{{.Size}}", image)) / 1e6, 1)

    def inspect(self, container: str) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self.ask("container", "inspect", container))[0]
        return answer

    def kill(self, container: str) -> int:
        """SIGKILL to its main process, as a crash; not by the engine, which would not start it again. Returns which
        process that was. Raises ContainerError."""
        pid = int(self.inspect(container)["State"]["Pid"])
        try:
            if pid > 0:
                os.kill(pid, signal.SIGKILL)
                return pid
        except ProcessLookupError:
            pass  # it died before the engine noticed
        raise ContainerError(f"{container} does not run")

    def await_well(self, container: str, killed: int) -> None:
        """Until it runs by another process than ``killed``, and is healthy where it says how it is. Raises
        ContainerError."""
        until = time.monotonic() + _START_AGAIN_SECONDS
        while not self._is_well(container, killed):
            if time.monotonic() > until:
                raise ContainerError(f"{container} did not start again after it was killed")
            time.sleep(0.2)

    def _is_well(self, container: str, killed: int) -> bool:
        state = self.inspect(container)["State"]
        health = state.get("Health", state.get("Healthcheck")) or {}
        return state["Pid"] not in (0, killed) and health.get("Status", "") in ("", "healthy")

    def look_after_health(self, stop: threading.Event) -> None:
        """Without systemd nobody else asks containers how they are."""
        while not stop.wait(_HEALTH_PAUSE_SECONDS):
            for name in self.ask("ps", "--quiet", "--filter", "health=starting", check=False).split():
                if stop.is_set():
                    return
                self.ask("healthcheck", "run", name, check=False)


@contextlib.contextmanager
def running_podman() -> Iterator[Podman]:
    """Its service, for the Compose program, and somebody who asks containers how they are."""
    with Guard() as guard:
        podman = Podman(guard.temporary_folder(), guard.environment)
        command = ["podman", "system", "service", "--time=0", f"unix://{podman.socket}"]
        service = subprocess.Popen(
            command, env=podman.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        until = time.monotonic() + _START_SECONDS
        while not podman.socket.exists():
            if time.monotonic() > until or service.poll() is not None:
                raise ContainerError("podman's service did not start")
            time.sleep(0.05)
        stop = threading.Event()
        asking = threading.Thread(target=podman.look_after_health, args=(stop,), daemon=True)
        asking.start()
        try:
            yield podman
        finally:
            stop.set()
            asking.join()
            service.terminate()
            service.wait()
