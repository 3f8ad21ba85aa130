"""Roles as separate processes: started with their own folder, awaited by a ready file, never left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from protocol.errors import HearthError
from scripts.guard import Guard
from scripts.launcher import hearth_command

_ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",  # many roles share few cores; one thread also makes sums repeatable
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "PYTHONUNBUFFERED": "1",
}


class RoleFailedError(HearthError):
    """A role's process ended with an error, or never became ready."""

    code = "E_ROLE_FAILED"


class RoleProcess:
    """One role: ``hearth ARGUMENTS`` in ``folder``, output in ``folder/log``; ``mark``: its guard's."""

    def __init__(
        self, name: str, arguments: Sequence[str], folder: Path, mark: Mapping[str, str], launcher: Sequence[str] = ()
    ) -> None:
        self.name, self.folder = name, folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        command = [*(launcher or hearth_command()), *arguments]
        with (folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                command,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **_ENVIRONMENT, **mark},
                start_new_session=True,
            )

    def ready(self, file: Path, patience_seconds: float = 60.0) -> str:
        """Waits until the role has written ``file`` and returns its text."""
        deadline = time.monotonic() + patience_seconds
        while time.monotonic() < deadline:
            if file.is_file() and (text := file.read_text().strip()):
                return text
            if self.process.poll() is not None:
                raise RoleFailedError(f"{self.name} ended with {self.process.returncode}: {self.last_words()}")
            time.sleep(0.05)
        raise RoleFailedError(f"{self.name} did not become ready: {self.last_words()}")

    def finished(self) -> bool:
        """True once it ended well; raises RoleFailedError when it ended badly."""
        code = self.process.poll()
        if code not in (None, 0):
            raise RoleFailedError(f"{self.name} ended with {code}: {self.last_words()}")
        return code == 0

    def kill(self) -> None:
        """SIGKILL, as a crash would."""
        self._signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        """SIGTERM, then SIGKILL."""
        if self.process.poll() is None:
            self._signal(signal.SIGTERM)
            try:
                self.process.wait(timeout=8)
            except subprocess.TimeoutExpired:
                self.kill()

    def last_words(self) -> str:
        """For an error, which is one line."""
        return f"{self.tail(1)} (in {self.folder / 'log'})"

    def tail(self, lines: int = 25) -> str:
        return "\n".join((self.folder / "log").read_text(errors="replace").splitlines()[-lines:])

    def _signal(self, number: signal.Signals) -> None:
        try:
            os.killpg(self.process.pid, number)
        except ProcessLookupError:
            pass


class Stage:
    """All processes of one run. Leaving the context stops them, newest first, and an error kills them: whoever
    interrupts a run does not want to wait for servers. What ends this process itself ends them too (:class:`Guard`)."""

    def __init__(self) -> None:
        self.roles: list[RoleProcess] = []
        self._guard = Guard()

    def __enter__(self) -> Self:
        self._guard.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            for role in reversed(self.roles):
                role.stop() if kind is None else role.kill()
        finally:
            self._guard.__exit__(kind, error, trace)

    def temporary_folder(self) -> Path:
        """It goes with the processes; to be asked for once."""
        return self._guard.temporary_folder()

    def start(self, name: str, arguments: Sequence[str], folder: Path, launcher: Sequence[str] = ()) -> RoleProcess:
        role = RoleProcess(name, arguments, folder, self._guard.environment, launcher)
        self.roles.append(role)
        return role

    def run(self, name: str, arguments: Sequence[str], folder: Path, launcher: Sequence[str] = ()) -> None:
        """Runs a role to its end."""
        self.await_end([self.start(name, arguments, folder, launcher)], lambda: None)

    def await_until(
        self, condition: Callable[[], bool], patience_seconds: float = 120.0, tick_seconds: float = 0.1
    ) -> None:
        """Raises RoleFailedError when ``condition`` does not become true in time."""
        deadline = time.monotonic() + patience_seconds
        while not condition():
            if time.monotonic() > deadline:
                raise RoleFailedError(f"nothing happened in {patience_seconds:.0f} s")
            time.sleep(tick_seconds)

    def await_end(self, roles: Sequence[RoleProcess], meanwhile: Callable[[], None], tick_seconds: float = 0.2) -> None:
        while True:
            finished = [role.finished() for role in roles]  # every one is looked at: any may have failed
            if all(finished):
                return
            meanwhile()
            time.sleep(tick_seconds)
