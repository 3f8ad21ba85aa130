"""A Kubo-shaped HTTP server inside the test process: blocks by digest, CIDv1, and Kubo's own ways to fail.

It speaks the calls that the store uses (version, add, cat, pin/ls, pin/rm) to the unchanged ``ipfshttpclient``.
"""

from __future__ import annotations

import asyncio
import re
import socket
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Self

import uvicorn
from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from protocol.content.cid import Cid, blocks_of, is_tree_node

REQUIRED = {  # without these a real daemon's settings decide, and the address may differ
    "cid-version": "1",
    "raw-leaves": "True",
    "hash": "sha2-256",
    "max-file-links": "174",
    "trickle": "False",
    "inline": "false",
    "cid-base": "base32",
    "pin": "True",
}
NOT_FOUND = "block was not found locally (offline): ipld: could not find "


class KuboFake:
    """Context manager; ``url`` is its address. The attributes make it misbehave from the next request on."""

    def __init__(self, prefix: str = "", uds: Path | None = None, host: str = "127.0.0.1") -> None:
        """``prefix``: path below which a reverse proxy would have it."""
        self.blocks: dict[bytes, bytes] = {}
        self.children: dict[bytes, list[Cid]] = {}
        self.pins: set[str] = set()
        self.requests: list[str] = []
        self.online = False  # an online daemon waits for peers instead of answering that a block is missing
        self.ignore_length = False
        self.forbidden = False
        self.wanted: str | None = None  # Authorization that a request must have
        self.answered_hash: str | None = None
        self.stall_after: int | None = None  # bytes of a body after which it falls silent
        self.die_after: int | None = None  # bytes of a body after which the connection breaks
        self.drips = False  # one byte of a body after the other, for ever
        self._released = threading.Event()
        self._socket, self.url = _listening(uds, host)
        self.url += prefix
        application = FastAPI()
        application.mount(prefix, self._application())
        self._server = uvicorn.Server(
            uvicorn.Config(application, log_level="critical", lifespan="off", timeout_graceful_shutdown=1)
        )
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._socket]}, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        self._released.set()
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()

    def empty(self) -> None:
        for kept in (self.blocks, self.children, self.pins):
            kept.clear()

    def lose(self, cid: Cid) -> None:
        del self.blocks[cid.digest]

    def flip_bit(self, cid: Cid) -> None:
        block = bytearray(self.blocks[cid.digest])
        block[len(block) // 2] ^= 1
        self.blocks[cid.digest] = bytes(block)

    def _application(self) -> FastAPI:
        application = FastAPI(dependencies=[Depends(self._admit)])

        @application.post("/api/v0/version")
        async def version() -> dict[str, str]:
            return {"Version": "0.43.0", "Commit": "", "Repo": "18", "System": "amd64/linux", "Golang": "go1.26"}

        @application.post("/api/v0/add")
        async def add(request: Request) -> Response:
            data = _single_part(request.headers["content-type"], await request.body())
            return self._add(data, dict(request.query_params))

        @application.post("/api/v0/cat")
        async def cat(request: Request) -> Response:
            return await self._cat(Cid.parse(request.query_params["arg"]), int(request.query_params["length"]))

        @application.post("/api/v0/pin/ls")
        async def pins(arg: str | None = None) -> Response:
            if arg is not None and arg not in self.pins:
                return failed_command(f"path '{arg}' is not pinned")
            of = [arg] if arg else sorted(self.pins)
            return JSONResponse({"Keys": {text: {"Type": "recursive", "Name": ""} for text in of}})

        @application.post("/api/v0/pin/rm")
        async def unpin(arg: str) -> Response:
            if arg not in self.pins:
                return failed_command("not pinned or pinned indirectly")
            self.pins.remove(arg)
            return JSONResponse({"Pins": [arg]})

        return application

    def _admit(self, request: Request) -> None:
        self.requests.append(f"{request.url.path}?{request.url.query}")
        if self.forbidden:
            raise HTTPException(403, "Access Denied")
        if self.wanted not in (None, request.headers.get("authorization")):
            raise HTTPException(401)

    def _add(self, data: bytes, parameters: dict[str, str]) -> Response:
        if any(parameters.get(name) != value for name, value in REQUIRED.items()):
            return JSONResponse({"Name": "bytes", "Hash": "QmNotStatedEverything", "Size": "0"})
        chunk_bytes = int(parameters["chunker"].removeprefix("size-"))
        root = Cid("raw", bytes(32))
        links = re.compile(rb"\x12.\x0a\x24\x01([\x55\x70])\x12\x20(.{32})", re.DOTALL)
        for block in blocks_of(data, chunk_bytes):
            root = block.cid
            if block.cid.codec == "dag-pb":
                self.children[root.digest] = [
                    Cid("raw" if kind == b"\x55" else "dag-pb", digest) for kind, digest in links.findall(block.data)
                ]
            self.blocks.setdefault(block.cid.digest, block.data)  # adding again does not heal a damaged block
        self.pins.add(root.text)
        return JSONResponse({"Name": "bytes", "Hash": self.answered_hash or root.text, "Size": str(len(data))})

    async def _cat(self, cid: Cid, length: int) -> Response:
        if self.online and cid.digest not in self.blocks:
            await asyncio.to_thread(self._released.wait)
        root = self.blocks.get(cid.digest)
        if root is None:
            return failed_command(NOT_FOUND + cid.text)
        if cid.codec == "dag-pb" and not is_tree_node(root):
            return failed_command("protobuf: (PBNode) invalid wireType, expected 2, got 0")
        body = b"".join(self._pieces(cid))
        return StreamingResponse(self._stream(body if self.ignore_length else body[:length]))

    def _pieces(self, cid: Cid) -> list[bytes]:
        """The file's bytes up to the first block that is not there: then Kubo ends the body, with status 200."""
        pieces: list[bytes] = []
        waiting = [cid]
        while waiting:
            here = waiting.pop(0)
            if here.digest not in self.blocks:
                break
            if here.codec == "dag-pb":
                waiting = self.children[here.digest] + waiting
            else:
                pieces.append(self.blocks[here.digest])
        return pieces

    async def _stream(self, body: bytes) -> AsyncIterator[bytes]:
        while self.drips:
            yield b"x"
            await asyncio.sleep(0.001)
        for start in range(0, len(body), 16_384):
            if self.die_after is not None and start >= self.die_after:
                raise ConnectionAbortedError("as told")
            if self.stall_after is not None and start >= self.stall_after:
                await asyncio.to_thread(self._released.wait)
            yield body[start : start + 16_384]


def _listening(uds: Path | None, host: str) -> tuple[socket.socket, str]:
    if uds is not None:
        opened = socket.socket(socket.AF_UNIX)
        opened.bind(str(uds))
        opened.listen()
        return opened, f"/unix{uds}"
    opened = socket.create_server((host, 0))
    # asyncio sets this only where a socket was named as TCP; without it every answer takes 40 ms
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return opened, f"http://{host}:{opened.getsockname()[1]}"


def failed_command(message: str) -> Response:
    return JSONResponse({"Message": message, "Code": 0, "Type": "error"}, 500)


def _single_part(content_type: str, body: bytes) -> bytes:
    boundary = content_type.partition('boundary="')[2].rstrip('"') or content_type.partition("boundary=")[2]
    part = body.split(b"\r\n\r\n", 1)[1]
    return part[: part.rindex(b"\r\n--" + boundary.encode())]
