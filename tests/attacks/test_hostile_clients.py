"""Slow, silent, huge and vanishing clients of a real edge server: bounded memory, and nobody else notices."""

from __future__ import annotations

import gzip
import logging
import resource
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from backend.connections import DEFAULT_LIMITS, ConnectionLimits
from backend.listening import MOST_FILES, Listening, listening_socket
from backend.process import Server
from backend.rounds.desk import Announced, Desk
from protocol.canonical import decode, encode
from protocol.messages.chain import RoundPublished
from protocol.messages.submission import SignedReceipt
from tests.unit.backend.api.scene_api import Api, enrolling
from tests.unit.backend.served import is_dropped, status

PATIENCE = 60.0
OTHER, MINE = "127.0.0.2", "127.0.0.3"
NEXT = "/api/v1/tasks/1/rounds/next?after=1&wait=30"
COMMIT = "/api/v1/tasks/1/rounds/1/commitments"
BOMB = 64 * 1024 * 1024
FEW = replace(DEFAULT_LIMITS, waiting=120, waiting_of_one=100)  # more than are accepted at once
MORE_CONNECTIONS = 600  # than FEW by an order of magnitude: what happens at the limit happens at 10,000 as well


class Edge:
    """The whole application on a task whose first round takes commitments."""

    def __init__(self, limits: ConnectionLimits) -> None:
        self.api: Api = enrolling()
        self.scene = self.api.scene
        self.scene.announced(1)
        self._limits = limits

    @contextmanager
    def serving(self) -> Iterator[Edge]:
        listening = Listening(0, limits=self._limits)
        with listening_socket(listening) as opened:
            self.address: tuple[str, int] = opened.getsockname()[:2]
            self.server = Server(self.api.app, listening, MOST_FILES, opened, bytes(20))
            self.thread = threading.Thread(target=self.server.run, args=([opened],), daemon=True)
            self.thread.start()
            try:
                yield self
            finally:
                self.stop()

    def stop(self) -> bool:
        """As SIGTERM does; whether the server has ended."""
        self.server.should_exit = True
        self.thread.join(PATIENCE)
        return not self.thread.is_alive()

    @property
    def desk(self) -> Desk:
        return self.scene.desk

    def send(self, asked: bytes, source: str = OTHER) -> socket.socket:
        opened = socket.create_connection(self.address, PATIENCE, (source, 0))
        opened.sendall(asked)
        return opened

    def polls(self, number: int, source: str = OTHER) -> list[socket.socket]:
        """So many more that the server has taken to wait."""
        waiting = len(self.desk.bell._waiting) + number
        opened = [self.send(request("GET", NEXT), source) for _ in range(number)]
        until(lambda: len(self.desk.bell._waiting) == waiting)
        return opened

    def commits(self, number: int) -> bool:
        """An honest phone among them."""
        body = encode(self.scene.submission(number, 1))
        code, answer = status(self.send(request("POST", COMMIT, body), MINE))
        return (
            code == 202 and decode(SignedReceipt, answer.partition(b"\r\n\r\n")[2]).server == self.scene.signer.address
        )


def request(method: str, path: str, body: bytes = b"", *headers: str) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: x", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def until(holds: Callable[[], bool]) -> None:
    pause = threading.Event()
    for _ in range(6_000):
        if holds():
            return
        pause.wait(0.01)
    raise AssertionError("nothing happened")


@contextmanager
def serving(limits: ConnectionLimits = FEW) -> Iterator[Edge]:
    with Edge(limits).serving() as edge:
        yield edge


def test_connections_that_bring_nothing_or_half_of_something_keep_nobody_out() -> None:
    begun = [
        b"",
        b"POST " + COMMIT.encode() + b" HTT",
        b"POST " + COMMIT.encode() + b" HTTP/1.1\r\nHost: x\r\nA: ",
        request("POST", COMMIT, b"x" * 1000)[:-500],
    ]
    with serving() as edge:
        silent = [
            edge.send(begun[number % len(begun)], f"127.0.{1 + number % 50}.1") for number in range(MORE_CONNECTIONS)
        ]
        assert edge.commits(0)
        assert len(edge.server.server_state.connections) <= FEW.waiting + 1
        assert all(is_dropped(opened) for opened in silent[: MORE_CONNECTIONS - FEW.waiting - 64])
        assert edge.commits(1)


def test_a_rush_of_whole_requests_is_no_crowd_of_idle_connections() -> None:
    """All of them arrive before the server has read one: none of them waits for its peer."""
    with serving(replace(FEW, waiting=200)) as edge:
        until(lambda: edge.server.started)
        busy = threading.Event()
        edge.server.servers[0].get_loop().call_soon_threadsafe(busy.wait, PATIENCE)
        asked = request("GET", "/healthz", b"", "Connection: close")
        rush = [edge.send(asked, f"127.0.{1 + number // 200}.{1 + number % 200}") for number in range(400)]
        busy.set()
        assert [status(opened)[0] for opened in rush] == [200] * 400


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br"])
def test_nothing_that_is_compressed_is_unpacked(encoding: str) -> None:
    bomb = gzip.compress(bytes(BOMB // 2), 9)
    small = gzip.compress(bytes(1_000_000), 9)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with serving() as edge:
        assert len(small) < 16 * 1024 < len(bomb)
        for body, code, name in ((small, 400, b"E_MALFORMED"), (bomb, 413, b"E_TOO_LARGE")):
            found, answer = status(edge.send(request("POST", COMMIT, body, f"Content-Encoding: {encoding}")))
            assert (found, name in answer) == (code, True), answer
        assert edge.commits(0)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < BOMB // 1024 // 2, "kilobytes"


@pytest.mark.parametrize("kind", ["one long line", "many lines", "a long path"])
def test_a_huge_header_ends_its_connection_and_no_other(kind: str) -> None:
    size = 4 * 1024 * 1024
    with serving() as edge:
        huge = {
            "one long line": b"GET /healthz HTTP/1.1\r\nA: " + b"x" * size,
            "many lines": b"GET /healthz HTTP/1.1\r\n" + b"A: x\r\n" * (size // 6),
            "a long path": b"GET /" + b"x" * size,
        }[kind]
        poll = edge.polls(1)[0]
        opened = socket.create_connection(edge.address, PATIENCE, (MINE, 0))
        try:
            opened.sendall(huge)
        except ConnectionError:
            pass  # the server has seen enough
        else:
            assert is_dropped(opened)
        assert edge.commits(0)
        assert edge.desk.bell.is_awaited
        edge.desk.bell.ring()
        poll.close()


def test_an_endless_body_is_read_to_its_limit() -> None:
    with serving() as edge:
        opened = edge.send(b"POST " + COMMIT.encode() + b" HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        piece = b"4000\r\n" + b"x" * 0x4000 + b"\r\n"
        try:
            for _ in range(1000):
                opened.sendall(piece)
        except ConnectionError:
            pass
        assert edge.commits(0)


@pytest.mark.parametrize("half", [True, False])
def test_who_leaves_while_it_waits_gives_up_its_place(half: bool) -> None:
    """Or whoever opens and closes connections would take every place there is, half a minute long."""
    with serving(replace(FEW, polls=4, polls_of_one=3)) as edge:
        leaving = edge.polls(3)
        code, answer = status(edge.send(request("GET", NEXT)))
        assert code == 503 and b"E_BUSY" in answer and b"retry-after: 2" in answer
        staying = edge.polls(1, MINE)
        code, _ = status(edge.send(request("GET", NEXT), MINE))
        assert code == 503, "all together are too many"
        for opened in leaving:
            opened.shutdown(socket.SHUT_WR) if half else opened.close()
        until(lambda: len(edge.desk.bell._waiting) == 1)
        coming = edge.polls(3)
        assert edge.commits(0) and len(staying + coming) == 4


def test_phones_that_wait_are_counted_apart_from_requests() -> None:
    with serving(replace(FEW, requests=2, requests_of_one=1)) as edge:
        polls = edge.polls(50)
        assert edge.commits(0) and edge.commits(1)
        assert len(polls) == len(edge.desk.bell._waiting)


def test_who_waits_looks_when_it_comes_and_when_there_is_news(monkeypatch: pytest.MonkeyPatch) -> None:
    looked = list[int]()
    look = Desk.next_round

    def noting(desk: Desk, after: int) -> Announced | None:
        looked.append(after)
        return look(desk, after)

    monkeypatch.setattr(Desk, "next_round", noting)
    threads = threading.active_count()
    with serving() as edge:
        polls = edge.polls(100)
        assert threading.active_count() - threads <= 2, "the server's, and one of its pool"
        for number in range(3):
            assert edge.commits(number)
        looked.clear()
        edge.scene.ended(RoundPublished, 1)
        edge.scene.announced(2)
        found = [status(opened) for opened in polls]
    assert [code for code, _ in found] == [200] * 100
    assert len({answer.partition(b"\r\n\r\n")[2] for _, answer in found}) == 1
    rings = edge.desk.bell.rung
    assert len(looked) <= 100 * rings + 100


def test_all_of_them_are_let_go_when_the_server_stops(caplog: pytest.LogCaptureFixture) -> None:
    """By itself each: none is waited for until its time is over, and none is cancelled."""
    with serving() as edge, caplog.at_level(logging.ERROR):
        polls = edge.polls(30)
        silent, body = edge.send(b""), edge.send(request("POST", COMMIT, b"x" * 100)[:-50])
        head = edge.send(b"GET /healthz HT")
        half = edge.polls(1, MINE)[0]
        half.shutdown(socket.SHUT_WR)
        kept = edge.send(request("GET", "/healthz"))
        assert status(kept)[0] == 200
        assert edge.stop()
        codes = [int(opened.recv(65536)[9:12]) for opened in polls]
        assert codes == [204] * 30, "nothing yet; ask again, another server"
        assert all(is_dropped(opened) for opened in (*polls, silent, body, head, half, kept))
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]
