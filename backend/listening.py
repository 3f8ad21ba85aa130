"""Where a server listens: an address and port, or a unix socket."""

from __future__ import annotations

import os
import resource
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from backend.connections import DEFAULT_LIMITS, ConnectionLimits
from protocol.errors import HearthError
from storage.http import is_loopback

LOOPBACK: Final = ("127.0.0.1", "::1")
BACKLOG: Final = 2048
MOST_FILES: Final = 12_288  # that the process may have open, where the system lets it
OTHER_FILES: Final = 128  # journals, the chain's connections, whatever is no connection of a peer


class ListenError(HearthError):
    """There is no listening at the address, port or path that was asked for."""

    code = "E_LISTEN"


@dataclass(frozen=True, slots=True)
class Listening:
    port: int  # 0 takes a free one
    host: str = "127.0.0.1"
    uds: Path | None = None  # a unix socket in place of host and port
    trusted_proxies: tuple[str, ...] = LOOPBACK  # believed when they say for whom they ask
    limits: ConnectionLimits = DEFAULT_LIMITS
    ready_file: Path | None = None  # gets the URL once the server listens

    @property
    def is_local(self) -> bool:
        """Whether only this machine reaches it."""
        return self.uds is not None or is_loopback(self.host)


@contextmanager
def listening_socket(listening: Listening) -> Iterator[socket.socket]:
    """Bound and listening; a unix socket's file goes with it. Raises ListenError."""
    with _unix(listening.uds) if listening.uds else _inet(listening.host, listening.port) as opened:
        try:
            yield opened
        finally:
            if listening.uds:
                listening.uds.unlink(missing_ok=True)


def url_of(opened: socket.socket) -> str:
    """As a client writes it; ``unix:PATH`` for a unix socket."""
    name = opened.getsockname()
    if opened.family == socket.AF_UNIX:
        return f"unix:{name}"
    return f"http://{f'[{name[0]}]' if ':' in name[0] else name[0]}:{name[1]}"


def raise_file_limit() -> int:
    """Lets the process hold as many connections as it may; how many files it can have open now."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_FILES if hard == resource.RLIM_INFINITY else min(MOST_FILES, hard)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return MOST_FILES
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return wanted


def limits_within(limits: ConnectionLimits, files: int) -> ConnectionLimits:
    """The same, unless the process may not open so many files: then as many as it may."""
    room = max(48, files - OTHER_FILES)
    third = room // 3
    waiting, requests = min(limits.waiting, third), min(limits.requests, third)
    polls = min(limits.polls, room - waiting - requests)
    return replace(
        limits,
        waiting=waiting,
        waiting_of_one=min(limits.waiting_of_one, waiting),
        polls=polls,
        polls_of_one=min(limits.polls_of_one, polls),
        requests=requests,
        requests_of_one=min(limits.requests_of_one, requests),
    )


def _inet(host: str, port: int) -> socket.socket:
    try:
        found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, _, _, _, address = found[0]
        both = family == socket.AF_INET6 and address[0] == "::" and socket.has_dualstack_ipv6()
        opened = socket.create_server(address, family=family, backlog=BACKLOG, dualstack_ipv6=both)
        # asyncio sets this only where a socket was named as TCP; without it every answer takes 40 ms
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return opened
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise ListenError(
            f"cannot listen on port {port} of {host}: {why}; choose another with --port or --host"
        ) from error


def _unix(path: Path) -> socket.socket:
    """Whoever may write to the file may connect: the owner and the group, which is the reverse proxy's."""
    opened = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _remove_stale(path)
        opened.bind(str(path))
        path.chmod(0o660)
        opened.listen(BACKLOG)
    except OSError as error:
        opened.close()
        raise ListenError(f"cannot listen on {path}: {error.strerror or error}; choose another with --uds") from error
    return opened


def _remove_stale(path: Path) -> None:
    """The file of a server that was killed; never one that somebody listens on, nor anything else."""
    try:
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            return  # bind refuses it
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
