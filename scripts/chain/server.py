"""JSON-RPC over HTTP in front of the in-process chain, as far as web3 and this repository use it.

``python -m scripts.chain.server --port 8545``. For tests and demonstrations on one machine: its funded key is public.
"""

from __future__ import annotations

import argparse
import json
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from backend.listening import Listening, listening_socket
from protocol.errors import MalformedError
from protocol.strict_json import parse_json
from scripts.chain.development import DevelopmentChain
from scripts.chain.methods import ChainMethods, as_refusal
from storage.durable_file import write_ready_file

MAX_REQUEST_BYTES = 4 * 1024 * 1024
MAX_BATCH = 1000
START_SECONDS = 20.0


def chain_app(chain: DevelopmentChain, idle_seconds: int = 0) -> Starlette:
    """``idle_seconds``: whoever asks that long after the last block finds an empty one; 0: blocks have transactions."""
    methods = ChainMethods(chain)
    lock = threading.Lock()

    def answer_all(body: bytes) -> object:
        try:
            question = parse_json(body)
        except MalformedError:
            return _error(None, -32700, "not JSON")
        with lock:
            if idle_seconds and chain.timestamp() >= chain.blocks[-1].header.timestamp + idle_seconds:
                chain.mine()
            if isinstance(question, list):
                if not 0 < len(question) <= MAX_BATCH:
                    return _error(None, -32600, "not a batch")
                return [answer_of(methods, item) for item in question]
            return answer_of(methods, question)

    async def endpoint(request: Request) -> Response:
        body = b""
        async for piece in request.stream():
            body += piece
            if len(body) > MAX_REQUEST_BYTES:
                return Response(status_code=413)
        # a request takes milliseconds, so it may hold the event loop: that is the lock's order too
        return Response(json.dumps(answer_all(body), separators=(",", ":")), media_type="application/json")

    return Starlette(routes=[Route("/", endpoint, methods=["POST"])])


def serve_chain(
    port: int,
    host: str = "127.0.0.1",
    clock: Callable[[], float] = time.time,
    ready_file: Path | None = None,
    idle_seconds: int = 0,
) -> None:
    """Serves a fresh chain until interrupted; port 0 takes a free one. ``ready_file`` gets the URL once it listens.

    Raises ListenError.
    """
    server = _Server(clock, host, port, ready_file, idle_seconds)
    with listening_socket(Listening(port, host)) as opened:
        server.run([opened])


@contextmanager
def chain_in_background(clock: Callable[[], float] = time.time, idle_seconds: int = 0) -> Iterator[str]:
    """A fresh chain served by a thread of this process on a free port: gives its URL, ends with the block."""
    server = _Server(clock, "127.0.0.1", 0, None, idle_seconds)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + START_SECONDS
    while not server.started:
        if not thread.is_alive() or time.monotonic() > deadline:
            raise RuntimeError("the chain server did not start")
        time.sleep(0.005)
    try:
        yield server.url
    finally:
        server.should_exit = True
        thread.join()


class _Server(uvicorn.Server):
    def __init__(
        self, clock: Callable[[], float], host: str, port: int, ready_file: Path | None, idle_seconds: int
    ) -> None:
        app = chain_app(DevelopmentChain(clock), idle_seconds)
        super().__init__(uvicorn.Config(app, host=host, port=port, log_level="warning", access_log=False))
        self._ready_file = ready_file

    @property
    def url(self) -> str:
        host, port = self.servers[0].sockets[0].getsockname()[:2]
        return f"http://{f'[{host}]' if ':' in host else host}:{port}"

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            if self._ready_file is not None:
                write_ready_file(self._ready_file, self.url.encode(), 0o644)
            print(f"listening at {self.url}", file=sys.stderr)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stopping is the normal end: the signal is not raised again afterwards."""
        self.should_exit = True


def answer_of(methods: ChainMethods, question: object) -> dict[str, Any]:
    """One JSON-RPC answer; errors are in it."""
    if not isinstance(question, dict) or not isinstance(question.get("method"), str):
        return _error(None, -32600, "not a request")
    number, parameters = question.get("id"), question.get("params", [])
    if not isinstance(parameters, list):
        return _error(number, -32602, "parameters must be a list")
    try:
        result = methods.run(question["method"], parameters)
    except Exception as error:
        refusal = as_refusal(error)
        return _error(number, refusal.code, str(refusal), refusal.data)
    return {"jsonrpc": "2.0", "id": number, "result": result}


def _error(number: object, code: int, message: str, data: bytes | None = None) -> dict[str, Any]:
    error: dict[str, Any] = {"code": code, "message": message}
    if data is not None:
        error["data"] = "0x" + data.hex()
    return {"jsonrpc": "2.0", "id": number, "error": error}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8545)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--ready-file", type=Path)
    arguments = parser.parse_args()
    serve_chain(arguments.port, arguments.host, ready_file=arguments.ready_file)


if __name__ == "__main__":
    main()
