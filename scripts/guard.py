"""No process and no temporary file outlives the one that started it, whatever ends that one, SIGKILL included.

The guard is a small process that reads a pipe whose other end only its owner holds. When the owner ends, the pipe does.
The guard then kills every process that carries its mark in the environment, however deep below the owner and in
whatever session, and removes the temporary folder. Nothing is lost between a start and a note of it: a mark needs no
list, and the folder's name is known before the folder is made.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

MARK: Final = "HEARTH_GUARD"
_LET_GO: Final = b"let go"
_BLOCKED: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # which whoever ends its owner may send it too
_TICK_SECONDS: Final = 0.02
_PATIENCE_SECONDS: Final = 10.0  # with processes that the kernel does not let end
_QUIET_LOOKS: Final = 2  # a process that is just being started carries its mark at the second look


class Guard:
    """Context manager. What is started with :attr:`environment` ends with the block or with this process."""

    def __init__(self) -> None:
        import tempfile  # not in the guard's own process

        self._token = os.urandom(16).hex()
        self._folder = Path(tempfile.gettempdir()) / f"hearth-{self._token}"

    def __enter__(self) -> Self:
        allowed = signal.pthread_sigmask(signal.SIG_BLOCK, _BLOCKED)  # in the guard for good, from its first instant
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", __file__, self._token, str(self._folder)],
                cwd="/",
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={name: value for name, value in os.environ.items() if name != MARK},  # not its owner's guard's prey
                start_new_session=True,
            )
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, allowed)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def environment(self) -> Mapping[str, str]:
        """For whatever is started."""
        return {MARK: self._token}

    def temporary_folder(self) -> Path:
        """A fresh one, for this user alone; to be asked for once."""
        self._folder.mkdir(mode=0o700)
        return self._folder

    def let_go(self) -> None:
        """What was started is meant to go on."""
        self._process.communicate(_LET_GO)


def run_guarded(
    command: Sequence[str | Path], environment: Mapping[str, str] | None = None, **options: Any
) -> subprocess.CompletedProcess[str]:
    """``subprocess.run`` in text, of a process that ends with this one and takes its temporary files along."""
    with Guard() as guard:
        surroundings = {**(os.environ if environment is None else environment), **guard.environment}
        surroundings["TMPDIR"] = str(guard.temporary_folder())
        return subprocess.run(command, env=surroundings, text=True, check=False, **options)


def marked(token: str) -> Iterator[int]:
    """Living processes of this user with this mark."""
    mark = f"{MARK}={token}".encode()
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                environment = Path("/proc", name, "environ").read_bytes()
            except OSError:
                continue  # it ended, or is another user's
            if mark in environment.split(b"\0"):
                yield int(name)


def _end_all(token: str) -> None:
    deadline, quiet = time.monotonic() + _PATIENCE_SECONDS, 0
    while quiet < _QUIET_LOOKS and time.monotonic() < deadline:
        found = list(marked(token))
        for pid in found:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        quiet = 0 if found else quiet + 1
        time.sleep(_TICK_SECONDS)


def main() -> None:
    token, folder = sys.argv[1:]
    if sys.stdin.buffer.read() == _LET_GO:  # returns when nobody can write any more
        return
    _end_all(token)
    import shutil

    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
