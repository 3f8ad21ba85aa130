"""Whoever only holds connections keeps nobody out, and loses them; whoever waits for an answer keeps his."""

from __future__ import annotations

import socket
from dataclasses import replace

import pytest

from backend.connections import DEFAULT_LIMITS, origin
from tests.unit.backend.served import HUGE, head, is_dropped, serving, status

OTHER = "127.0.0.2"  # another address of this machine
FEW = replace(DEFAULT_LIMITS, waiting=12, waiting_of_one=8)
SHORT = 0.05  # seconds


def test_idle_connections_lock_nobody_out_and_cost_their_own_address() -> None:
    with serving(FEW) as served:
        first = served.connect()
        idle = [served.connect(OTHER) for _ in range(50)]
        assert status(served.ask())[0] == 200
        assert status(served.ask(source=OTHER))[0] == 200, "from the crowded address too"
        assert all(is_dropped(opened) for opened in idle[:42])
        first.sendall(head("/now"))
        assert status(first)[0] == 200, "the others' connections did not cost this one"


def test_many_addresses_together_are_limited_too() -> None:
    with serving(FEW) as served:
        first = served.connect()
        idle = [served.connect(f"127.0.1.{number}") for number in range(1, 30)]
        assert status(served.ask())[0] == 200
        assert is_dropped(first) and all(is_dropped(opened) for opened in idle[:16])


def test_a_long_poll_outlives_idle_time_and_crowds() -> None:
    with serving(replace(FEW, head_seconds=SHORT, body_seconds=SHORT)) as served:
        polls = [served.poll() for _ in range(20)]
        idle = [served.connect() for _ in range(20)]
        assert all(is_dropped(opened) for opened in idle), "of age, and of number"
        served.news.set()
        assert [status(opened)[0] for opened in polls] == [200] * 20


@pytest.mark.parametrize("begun", [b"", b"GET /now HT", b"GET /now HTTP/1.1\r\nHost: x\r\nA: "])
@pytest.mark.parametrize("answered", [False, True])
def test_a_header_has_its_time(begun: bytes, answered: bool) -> None:
    with serving(replace(DEFAULT_LIMITS, head_seconds=SHORT)) as served:
        opened = served.ask() if answered else served.connect()
        if answered:
            assert status(opened)[0] == 200
        opened.sendall(begun)
        assert is_dropped(opened)


def test_a_body_has_its_time() -> None:
    with serving(replace(DEFAULT_LIMITS, body_seconds=SHORT)) as served:
        opened = served.connect()
        opened.sendall(b"POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n1234")
        assert is_dropped(opened)
        whole = served.connect()
        whole.sendall(b"POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n1234")
        assert status(whole)[1].endswith(b"4")


def test_whoever_does_not_take_the_answer_is_dropped() -> None:
    with serving(replace(DEFAULT_LIMITS, answer_seconds=SHORT)) as served:
        opened = socket.socket()
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        opened.connect(served.address)
        opened.sendall(head("/huge"))
        assert is_dropped(served.ask("/later", source=OTHER)), "its time is over, so the first one's is as well"
        received = 0
        try:
            while piece := opened.recv(1024 * 1024):
                received += len(piece)
        except ConnectionError:
            pass
        assert received < HUGE


# requests


def test_one_address_may_not_take_all_the_room_there_is() -> None:
    with serving(replace(DEFAULT_LIMITS, requests_of_one=2, requests=4)) as served:
        polls = [served.poll(source=OTHER), served.poll(source=OTHER)]
        code, answer = status(served.ask("/later", source=OTHER))
        assert code == 503 and b"E_BUSY" in answer and b"retry-after: 2" in answer
        polls += [served.poll(), served.poll(source="127.0.0.3")]
        assert status(served.ask(source="127.0.0.4"))[0] == 503, "all together are too many"
        served.news.set()
        assert [status(opened)[0] for opened in polls] == [200] * 4
        assert status(served.ask(source=OTHER))[0] == 200


def test_behind_a_trusted_proxy_the_address_is_the_one_that_it_names() -> None:
    with serving(replace(DEFAULT_LIMITS, requests_of_one=1), trusted=(OTHER,)) as served:
        for number in range(4):
            served.poll(f"X-Forwarded-For: 192.0.2.{number}", source=OTHER)
        assert status(served.ask("/now", "X-Forwarded-For: 192.0.2.1", source=OTHER))[0] == 503
        assert status(served.ask("/now", "X-Forwarded-For: 192.0.2.1, 198.51.100.1", source=OTHER))[0] == 200
        served.poll("X-Forwarded-For: 192.0.2.8")
        refused = status(served.ask("/now", "X-Forwarded-For: 192.0.2.9"))[0]
        assert refused == 503, "anybody else counts as what he is"


@pytest.mark.parametrize(
    ("peer", "of"),
    [
        (("192.0.2.1", 5), "192.0.2.1"),
        (("2001:db8:1:2:3::4", 5), "2001:db8:1:2::/64"),
        (("::ffff:192.0.2.1", 5), "192.0.2.1"),
        (("fe80::1%eth0", 5), "fe80::/64"),
        (("::1", 5), "::1"),
        (("unknown", 0), "unknown"),
        (None, ""),
    ],
)
def test_a_subscriber_is_an_address_or_a_network(peer: tuple[str, int] | None, of: str) -> None:
    assert origin(peer) == of
