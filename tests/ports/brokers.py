"""MQTT brokers on loopback: amqtt in this process, and the real mosquitto as a process of its own."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from amqtt.broker import Broker as Amqtt

from scripts.checks.system_tools import require
from scripts.guard import Guard

logging.getLogger("amqtt").setLevel(logging.CRITICAL)  # it tells of every client that goes
logging.getLogger("transitions").setLevel(logging.CRITICAL)


class PlayedBroker(Protocol):
    """Can be stopped and started again on the same port."""

    port: int

    def start(self) -> None: ...

    def stop(self) -> None: ...


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class AmqttBroker:
    """Speaks 3.1.1 alone, and keeps what is retained until it is stopped."""

    def __init__(self) -> None:
        self.port = free_port()
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self) -> None:
        started = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve(started)))
        self._thread.start()
        assert started.wait(20)

    def stop(self) -> None:
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join()
            self._loop = None

    async def _serve(self, started: threading.Event) -> None:
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        self._loop.set_exception_handler(lambda *_: None)  # of clients that are cut off
        listener = {"type": "tcp", "bind": f"127.0.0.1:{self.port}"}
        plugin = {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}}
        broker = Amqtt({"listeners": {"default": listener}, "plugins": plugin})
        await broker.start()
        started.set()
        await self._stopping.wait()
        await broker.shutdown()


class Mosquitto:
    """``settings``: lines of its configuration, in place of an open listener."""

    def __init__(self, folder: Path, settings: Sequence[str] = ("allow_anonymous true",)) -> None:
        self.port = free_port()
        self._program, self._folder = require("mosquitto"), folder
        usual = ("user root", "max_queued_messages 0")  # started by root it keeps being that, and reads our files
        self._settings = [f"listener {self.port} 127.0.0.1", *usual, *settings]
        self._guard: Guard | None = None

    def start(self) -> None:
        configuration = self._folder / f"mosquitto-{self.port}.conf"
        configuration.write_text("\n".join(self._settings) + "\n")
        self._guard = Guard()
        self._guard.__enter__()
        self._process = subprocess.Popen(
            [str(self._program), "-c", str(configuration)],
            env={**os.environ, **self._guard.environment},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        assert self._process.stderr is not None
        while line := self._process.stderr.readline():
            if b"running" in line:
                return
        raise RuntimeError("mosquitto did not start")

    def stop(self) -> None:
        if self._guard is not None:
            self._process.terminate()
            self._process.communicate()
            self._guard.__exit__(None, None, None)
            self._guard = None
