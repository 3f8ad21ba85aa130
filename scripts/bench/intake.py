"""An edge server under load: commitments a second, phones that wait, and what others notice of it; in one run beside a
bare endpoint, which is the most that the same HTTP stack could do.

The server is a process of its own; this one is the load, and a third one asks something else all the while.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from protocol.identifiers import from_hex
from scripts.bench.intake_load import Crowd, Sent, address, raise_own_limit, request, through
from scripts.bench.intake_scene import TASK, signed
from scripts.bench.machine import describe
from scripts.launcher import module_command

IDLE_SECONDS: Final = 5.0
WAIT_SECONDS: Final = 30
SETTLED_SECONDS: Final = 2.0
START_SECONDS: Final = 120.0
WAITING_FROM: Final = 20_000  # the number of the first phone that waits
HOSTILE_FROM: Final = 50_000
HOSTILE: Final = 10_000
HOSTILE_AT_ONCE: Final = 50
HOSTILE_PER_SECOND: Final = 1_000
PATH: Final = f"/api/v1/tasks/{TASK}/rounds"
MEGA: Final = 10**6


class Server:
    """``kind``: edge or bare."""

    def __init__(self, kind: str, folder: Path, *arguments: str) -> None:
        command = [*module_command("scripts.bench.intake_server"), kind, str(folder), *arguments]
        log = (folder / "log").open("wb")
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True)
        self._folder = folder

    def told(self, name: str) -> Any:
        """The next thing of this name that it says."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            said = json.loads(line)
            if name in said:
                return said[name]
        raise SystemExit(f"the server is gone: {(self._folder / 'log').read_text()[-2000:]}")

    def order(self, text: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()

    @property
    def port(self) -> int:
        ready, until = self._folder / "ready", time.monotonic() + START_SECONDS
        while not ready.exists():
            if self.process.poll() is not None or time.monotonic() > until:
                raise SystemExit(f"the server did not start: {(self._folder / 'log').read_text()[-2000:]}")
            time.sleep(0.05)
        return int(ready.read_text().rpartition(":")[2])

    def cpu_seconds(self) -> float:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident_bytes(self) -> int:
        return int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def stop(self) -> float:
        """Seconds that it took."""
        begun = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)
        return time.monotonic() - begun


@contextmanager
def _serving(kind: str, *arguments: str) -> Iterator[Server]:
    with tempfile.TemporaryDirectory(prefix="hearth-intake-") as folder:
        server = Server(kind, Path(folder), *arguments)
        try:
            yield server
        finally:
            server.process.kill()
            server.process.wait()


@contextmanager
def _probing(port: int) -> Iterator[list[float]]:
    """Seconds of each other request meanwhile; there once it is left."""
    command = [*module_command("scripts.bench.intake_probe"), str(port)]
    process, found = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True), list[float]()
    assert process.stdout is not None
    process.stdout.readline()  # it has begun
    try:
        yield found
    finally:
        found += json.loads(process.communicate("", 60)[0])


def run(
    commitments: int, phones: int, together: int, clients: int, database: str | None, say: Callable[[str], None]
) -> dict[str, Any]:
    """``clients``: of the task; ``together``: how many of their commitments are under way at one time."""
    raise_own_limit()
    result: dict[str, Any] = {"machine": describe(), "clients": clients, "together": together}
    say("signing")
    with _serving("edge", str(clients), *([database] if database else [])) as server:
        label = from_hex(server.told("label"), 32)
        bodies = [signed(number, label) for number in range(commitments)]
        asked = [
            (address(number), request("POST", f"{PATH}/1/commitments", body)) for number, body in enumerate(bodies)
        ]
        say(f"a bare endpoint: {commitments} bodies")
        with _serving("bare") as bare:
            port = bare.port
            through(Crowd(port), asked[: together * 4], together)  # what is made at the first requests
            result["bare"] = _intake(Crowd(port), asked, together, bare)
        port = server.port
        say(f"the edge server: {commitments} commitments")
        with _probing(port) as others:
            result["intake"] = _intake(Crowd(port), asked, together, server)
        result["intake"]["others_ms"] = _milliseconds(others)
        result["waiting"] = _waiting(server, port, phones, say)
        say(f"{HOSTILE} connections that bring nothing, or half of something")
        result["hostile"] = _hostile(server, port)
        say("stopping with all of them connected")
        crowd = _polling(port, phones, 2)
        result["stop"] = {"connected": len(crowd), "seconds": round(server.stop(), 2)}
    result["targets"] = targets(result)
    return result


def _intake(crowd: Crowd, asked: Sequence[tuple[str, bytes]], together: int, server: Server) -> dict[str, Any]:
    cpu, begun = server.cpu_seconds(), time.monotonic()
    answers = through(crowd, asked, together)
    seconds = time.monotonic() - begun
    return {
        "answers": _statuses(answers),
        "seconds": round(seconds, 2),
        "per_second": round(sum(sent.status == 202 for sent in answers) / seconds, 1),
        "server_cpu_us_each": round((server.cpu_seconds() - cpu) / len(asked) * MEGA),
        "ms": _milliseconds([sent.seconds for sent in answers]),
    }


def _polling(port: int, phones: int, after: int) -> Crowd:
    """So many phones, each from an address of its own, that wait for a round after this one."""
    crowd, asked = Crowd(port), request("GET", f"{PATH}/next?after={after}&wait={WAIT_SECONDS}")
    for number in range(phones):
        crowd.send(address(WAITING_FROM + number), asked)
    time.sleep(SETTLED_SECONDS)
    return crowd


def _waiting(server: Server, port: int, phones: int, say: Callable[[str], None]) -> dict[str, Any]:
    before = server.resident_bytes()
    say(f"{phones} phones wait")
    crowd = _polling(port, phones, 1)
    waiting, cpu = server.resident_bytes(), server.cpu_seconds()
    with _probing(port) as others:
        time.sleep(IDLE_SECONDS)
        idle = (server.cpu_seconds() - cpu) / IDLE_SECONDS
        say("the next round opens")
        server.order("open")
        opened = server.told("opened")
        answers = crowd.all_answered()
    server.order("rings")
    woken = [sent.done for sent in answers if sent.status == 200]
    first = min(woken, default=0.0)
    rung = max((ring for ring in server.told("rings") if ring <= first), default=opened)
    return {
        "phones": phones,
        "answers": _statuses(answers),
        "resident_mb_before": round(before / MEGA, 1),
        "resident_mb": round(waiting / MEGA, 1),
        "grown_mb": round((waiting - before) / MEGA, 1),
        "idle_cpu": round(idle, 3),
        "first_woken_s": round(first - rung, 3),
        "last_woken_s": round(max(woken, default=0.0) - rung, 3),
        "last_since_block_s": round(max(woken, default=0.0) - opened, 3),
        "others_ms": _milliseconds(others),
    }


def _hostile(server: Server, port: int) -> dict[str, Any]:
    """Each from an address of its own. The server drops the oldest, and takes those who come with a request."""
    before, crowd = server.resident_bytes(), Crowd(port)
    whole = request("POST", f"{PATH}/1/commitments", bytes(1000))
    begun = [b"", whole[:20], whole[:-500]]
    with _probing(port) as others:
        for number in range(HOSTILE):
            crowd.send(address(HOSTILE_FROM + number), begun[number % len(begun)])
            if number % HOSTILE_AT_ONCE == 0:  # others come through the same queue of the system
                time.sleep(HOSTILE_AT_ONCE / HOSTILE_PER_SECOND)
                deque(crowd.answered(0), 0)  # those that the server has dropped
    grown = server.resident_bytes() - before
    crowd.drop()
    return {"connections": HOSTILE, "grown_mb": round(grown / MEGA, 1), "others_ms": _milliseconds(others)}


def _statuses(answers: Sequence[Sent]) -> dict[str, int]:
    return {str(status): count for status, count in sorted(Counter(sent.status for sent in answers).items())}


def _milliseconds(seconds: Sequence[float]) -> dict[str, float]:
    ordered = sorted(seconds) or [0.0]
    places = {"p50": len(ordered) // 2, "p99": int(len(ordered) * 0.99), "most": len(ordered) - 1}
    return {"count": len(seconds), **{name: round(1000 * ordered[place], 1) for name, place in places.items()}}


def targets(result: dict[str, Any]) -> list[dict[str, Any]]:
    """What is promised on two cores that do nothing else, and what was measured."""
    intake, waiting = result["intake"], result["waiting"]
    everybody = waiting["answers"] == {"200": waiting["phones"]}
    rows = [
        ("commitments accepted durably, per second", intake["per_second"], 1000, True),
        ("phones waiting that were all answered", waiting["phones"] if everybody else 0, 5000, True),
        ("memory that they take, MB", waiting["grown_mb"], 200, False),
        ("the last one woken, s", waiting["last_woken_s"], 1, False),
        ("p99 of other requests meanwhile, ms", waiting["others_ms"]["p99"], 100, False),
        (
            "p99 of other requests beside 10,000 hostile connections, ms",
            result["hostile"]["others_ms"]["p99"],
            100,
            False,
        ),
        ("stopped with all of them connected, s", result["stop"]["seconds"], 5, False),
    ]
    return [
        {"what": what, "measured": found, "bound": bound, "met": found >= bound if at_least else found <= bound}
        for what, found, bound, at_least in rows
    ]
