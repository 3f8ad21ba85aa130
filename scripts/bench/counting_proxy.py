"""Bytes that go through a TCP connection, both ways, told apart by who asked."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final
from urllib.parse import urlsplit

PIECE_BYTES: Final = 64 * 1024


class CountingProxy:
    """Before one server of this machine; ``url`` is asked in its place. Counts of a moment when nobody is asking."""

    def __init__(self, port: int) -> None:
        self._port, self._loop = port, asyncio.new_event_loop()
        self.url, self.sent, self.received = "", 0, 0
        self._serving = set[asyncio.Task[None]]()

    async def listen(self) -> None:
        server = await asyncio.start_server(self._take, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"

    def run(self) -> None:
        """Until :meth:`stop`, in a thread of its own."""
        self._loop.run_until_complete(self.listen())
        self._ready.set()
        self._loop.run_forever()

    def start(self) -> None:
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self.run, daemon=True)
        self._thread.start()
        self._ready.wait()

    def stop(self) -> None:
        """Once whoever asked is gone."""
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _end(self) -> None:
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    def _take(self, near: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        self._serving.add(task := asyncio.ensure_future(self._serve(near, back)))
        task.add_done_callback(self._serving.discard)

    async def _serve(self, near: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        far, forth = await asyncio.open_connection("127.0.0.1", self._port)
        await asyncio.gather(self._pass_on(near, forth, True), self._pass_on(far, back, False))

    async def _pass_on(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, sent: bool) -> None:
        with suppress(OSError):
            while piece := await source.read(PIECE_BYTES):
                if sent:
                    self.sent += len(piece)
                else:
                    self.received += len(piece)
                sink.write(piece)
                await sink.drain()
        sink.close()


@contextmanager
def counted(url: str) -> Iterator[CountingProxy]:
    """A proxy before the server at ``url``."""
    port = urlsplit(url).port
    assert port is not None
    proxy = CountingProxy(port)
    proxy.start()
    try:
        yield proxy
    finally:
        proxy.stop()
