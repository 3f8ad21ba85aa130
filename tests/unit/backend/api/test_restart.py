"""An edge server restarts under two hundred open pages: it ends in time, and they hear what happens next."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from tests.tracked import ROOT
from tests.unit.backend.api.serving import PATIENCE, Reading

PAGES = 200
PATH = {True: "/api/v1/tasks/1/events", False: "/api/v1/events"}  # of a task's page, and of the list's
LAST_ID = re.compile(rb"\nid: (\S+)\n")


@contextmanager
def edge_server(port: int, ready: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """With the port that it listens on."""
    ready.unlink(missing_ok=True)
    command = [sys.executable, "-m", "tests.unit.backend.api.played_process", str(port), str(ready)]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        line = next((line for line in process.stderr if '"listening"' in line), None)
        assert line is not None, "it ended before it listened"
        threading.Thread(target=process.stderr.read, daemon=True).start()  # or a full pipe would stop it
        yield process, urlsplit(ready.read_text()).port or 0
    finally:
        process.kill()
        process.communicate()


def page(opened: ExitStack, number: int, port: int, last: str = "") -> Reading:
    """Each second one is the list of tasks."""
    connection = opened.enter_context(socket.create_connection(("127.0.0.1", port), PATIENCE))
    head = [f"GET {PATH[number % 2 == 0]} HTTP/1.1", "Host: x", *([f"Last-Event-ID: {last}"] if last else []), "", ""]
    connection.sendall("\r\n".join(head).encode())
    return Reading(connection)


def test_pages_come_back_after_a_restart_and_miss_nothing(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    with ExitStack() as opened, edge_server(0, ready) as (process, port):
        pages = [page(opened, number, port) for number in range(PAGES)]
        last = [LAST_ID.findall(one.until(b"retry: "))[-1].decode() for one in pages]
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0, "and no page was cut off before its server had ended"
        for one in pages:
            one.until(b"0\r\n\r\n")
    with ExitStack() as opened, edge_server(port, ready) as (process, _):
        pages = [page(opened, number, port, last[number]) for number in range(PAGES)]
        for one in pages:
            one.until(b"retry: ")
        assert process.stdin is not None
        print("go on", file=process.stdin, flush=True)
        for number, one in enumerate(pages):
            heard = one.until(b"event: round_opened\n")
            assert b"event: reorganised" not in heard and b"event: task_posted" not in heard, number
