"""A server of ours around a small application, in this process, and sockets that do what they want with it."""

from __future__ import annotations

import asyncio
import re
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from backend.connections import ConnectionLimits
from backend.listening import Listening, listening_socket
from backend.problem import install, read_body
from backend.process import Server

PATIENCE = 20.0
HUGE = 64 * 1024 * 1024


@dataclass
class Served:
    address: tuple[str, int]
    begun: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))  # once for each long poll
    news: threading.Event = field(default_factory=threading.Event)  # what long polls wait for

    def connect(self, source: str = "127.0.0.1") -> socket.socket:
        return socket.create_connection(self.address, PATIENCE, (source, 0))

    def ask(self, path: str = "/now", *headers: str, source: str = "127.0.0.1") -> socket.socket:
        """Sends a whole request."""
        opened = self.connect(source)
        opened.sendall(head(path, *headers))
        return opened

    def poll(self, *headers: str, source: str = "127.0.0.1") -> socket.socket:
        """A long poll that the server has begun to answer."""
        opened = self.ask("/later", *headers, source=source)
        assert self.begun.acquire(timeout=PATIENCE)
        return opened


def head(path: str, *headers: str) -> bytes:
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: x", *headers, "", ""]).encode()


def status(opened: socket.socket) -> tuple[int, bytes]:
    """Of the answer, with all of its bytes; 0 for a connection that ends without a whole one."""
    answer = b""
    while not (match := re.match(rb"HTTP/1.1 (\d+).*?content-length: (\d+).*?\r\n\r\n(.*)", answer, re.DOTALL)) or len(
        match[3]
    ) < int(match[2]):
        try:
            piece = opened.recv(65536)
        except ConnectionError:
            piece = b""
        if not piece:
            return 0, answer
        answer += piece
    return int(match[1]), answer


def is_dropped(opened: socket.socket) -> bool:
    """Waits for the end of it."""
    try:
        while opened.recv(1024 * 1024):
            pass
    except TimeoutError:
        return False
    except ConnectionError:
        return True
    return True


@contextmanager
def serving(
    limits: ConnectionLimits, trusted: tuple[str, ...] = (), host: str = "127.0.0.1", uds: Path | None = None
) -> Iterator[Served]:
    with listening_socket(Listening(0, host, uds, trusted, limits)) as opened:
        told = Served(opened.getsockname()[:2])

        async def now(_: Request) -> Response:
            return PlainTextResponse("yes")

        async def later(_: Request) -> Response:
            told.begun.release()
            while not told.news.is_set():
                await asyncio.sleep(0.005)
            return PlainTextResponse("news")

        async def body(request: Request) -> Response:
            return PlainTextResponse(str(len(await read_body(request, 9))))

        async def huge(_: Request) -> Response:
            async def pieces() -> AsyncIterator[bytes]:
                for _ in range(64):
                    yield bytes(HUGE // 64)

            return StreamingResponse(pieces())

        routes = [Route("/now", now), Route("/later", later), Route("/huge", huge)]
        app = FastAPI(routes=[*routes, Route("/body", body, methods=["POST"])])
        install(app)
        server = Server(app, Listening(0, host, uds, trusted, limits), 4096, opened, bytes(20))
        thread = threading.Thread(target=server.run, args=([opened],), daemon=True)
        thread.start()
        try:
            yield told
        finally:
            told.news.set()
            server.should_exit = True
            thread.join()
