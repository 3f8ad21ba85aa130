"""An application behind our own server in this process, for what a test client cannot show: streams, and stopping."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from fastapi import FastAPI

from backend.listening import Listening, listening_socket
from backend.process import Server

PATIENCE = 30.0
MOST_PIECES = 200  # a stream that says nothing new goes on with signs of life


@dataclass
class Reading:
    """The bytes of an answer that goes on."""

    opened: socket.socket
    left: bytes = b""

    def until(self, piece: bytes) -> bytes:
        """What comes next, up to and with ``piece``."""
        for _ in range(MOST_PIECES):
            if piece in self.left:
                break
            more = self.opened.recv(65536)
            assert more, self.left
            self.left += more
        found, there, self.left = self.left.partition(piece)
        assert there, found
        return found + there


@dataclass
class Serving:
    server: Server
    thread: threading.Thread
    address: tuple[str, int]

    @property
    def url(self) -> str:
        return f"http://{self.address[0]}:{self.address[1]}"

    def stop(self) -> bool:
        """As SIGTERM does; whether the server has ended."""
        self.server.should_exit = True
        self.thread.join(PATIENCE)
        return not self.thread.is_alive()

    def stream(self, path: str, *headers: str) -> Reading:
        opened = socket.create_connection(self.address, PATIENCE)
        opened.sendall("\r\n".join([f"GET {path} HTTP/1.1", "Host: x", *headers, "", ""]).encode())
        return Reading(opened)


@contextmanager
def serving(app: FastAPI) -> Iterator[Serving]:
    with listening_socket(Listening(0)) as opened:
        server = Server(app, Listening(0), 4096, opened, bytes(20))
        thread = threading.Thread(target=server.run, args=([opened],), daemon=True)
        thread.start()
        running = Serving(server, thread, opened.getsockname()[:2])
        try:
            yield running
        finally:
            running.stop()
