"""Clients by the thousand in one process: sockets under one poll, each from an address of its own in 127.0.0.0/8."""

from __future__ import annotations

import resource
import select
import socket
import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

FIRST_ADDRESS: Final = 0x7F01_0001  # 127.1.0.1
QUIET_SECONDS: Final = 60.0  # without any answer: the server is gone
RECEIVED: Final = 65_536


def raise_own_limit() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def address(number: int) -> str:
    """Of the client of this number; none ends with 0 or 255."""
    high, low = divmod(number, 250)
    return socket.inet_ntoa((FIRST_ADDRESS + (high << 8) + low).to_bytes(4, "big"))


def request(method: str, path: str, body: bytes = b"", *headers: str) -> bytes:
    length = [f"Content-Length: {len(body)}"] if body else []
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: edge", *length, *headers, "", ""]).encode() + body


@dataclass(slots=True)
class Sent:
    """``begun`` and ``done``: seconds of the machine's running clock."""

    connection: socket.socket
    begun: float
    received: bytearray = field(default_factory=bytearray)
    done: float = 0.0
    status: int = 0

    @property
    def seconds(self) -> float:
        return self.done - self.begun

    def take(self) -> bool:
        """What has arrived; True once it is a whole answer, or the end."""
        try:
            piece = self.connection.recv(RECEIVED)
        except ConnectionError:
            piece = b""
        self.received += piece
        if not piece:
            return True
        end = self.received.find(b"\r\n\r\n")
        if end < 0:
            return False
        self.status = int(self.received[9:12])
        head = bytes(self.received[:end]).lower()
        length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)
        return len(self.received) >= end + 4 + length


class Crowd:
    """Sends requests to one server; each by a connection of its own, from its own address."""

    def __init__(self, port: int) -> None:
        self._server = ("127.0.0.1", port)
        self._poll, self._open = select.epoll(), dict[int, Sent]()

    def __len__(self) -> int:
        return len(self._open)

    def send(self, source: str, asked: bytes) -> Sent:
        begun = time.monotonic()
        connection = socket.socket()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.bind((source, 0))
        connection.connect(self._server)
        connection.sendall(asked)
        sent = Sent(connection, begun)
        self._open[connection.fileno()] = sent
        self._poll.register(connection, select.EPOLLIN)
        return sent

    def answered(self, seconds: float) -> Iterator[Sent]:
        """Whose whole answer has come meanwhile; their connections are closed."""
        for number, _ in self._poll.poll(seconds):
            sent = self._open[number]
            if sent.take():
                sent.done = time.monotonic()
                del self._open[number]
                sent.connection.close()
                yield sent

    def all_answered(self, seconds: float = QUIET_SECONDS) -> list[Sent]:
        """Until everybody has an answer, or nothing comes any more."""
        found = list[Sent]()
        until = time.monotonic() + seconds
        while self._open and time.monotonic() < until:
            found += self.answered(1.0)
        return found

    def drop(self) -> None:
        for sent in self._open.values():
            sent.connection.close()
        self._open.clear()


def through(crowd: Crowd, asked: Iterable[tuple[str, bytes]], together: int) -> list[Sent]:
    """All of them, so many at a time."""
    waiting, found = deque(asked), list[Sent]()
    until = time.monotonic() + QUIET_SECONDS
    while (waiting or len(crowd)) and time.monotonic() < until:
        while waiting and len(crowd) < together:
            crowd.send(*waiting.popleft())
        came = list(crowd.answered(1.0))
        found += came
        until = time.monotonic() + QUIET_SECONDS if came else until
    return found
