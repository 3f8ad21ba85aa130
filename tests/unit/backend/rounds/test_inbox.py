"""What phones asked for waits until it is done, across kills, once for each client."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.rounds import inbox as module
from backend.rounds.inbox import Inbox, InboxFullError, Waiting
from protocol.messages.submission import Enrolment, Leave, SignedEnrolment, SignedLeave
from storage.records.journal import Journal
from storage.records.memory import MemoryRecords

CLIENTS = [bytes([number]) * 20 for number in range(1, 5)]


def enrolment(client: bytes, task: int = 1, envelope: bytes = bytes(32)) -> SignedEnrolment:
    return SignedEnrolment(Enrolment(task, bytes(32), client, client, envelope, 0, 0, 0), b"\1" * 65)


def leave(client: bytes, task: int = 1) -> SignedLeave:
    return SignedLeave(Leave(task, client), b"\2" * 65)


def test_what_waits_is_still_there_after_a_restart_until_it_is_done(tmp_path: Path) -> None:
    inbox = Inbox(Journal(tmp_path / "inbox"))
    for client in (CLIENTS[1], CLIENTS[0]):
        inbox.enrol(enrolment(client))
    inbox.leave(leave(CLIENTS[2]))
    inbox.claim(1, CLIENTS[0])
    inbox.claim(7, CLIENTS[3])
    inbox.close()
    inbox = Inbox(Journal(tmp_path / "inbox"))
    assert inbox.tasks() == [1, 7]
    waiting = inbox.waiting(1)
    assert list(waiting.enrolments.values()) == [enrolment(CLIENTS[1]), enrolment(CLIENTS[0])]  # as they came
    assert (waiting.leaves, list(waiting.claims)) == ({CLIENTS[2]: leave(CLIENTS[2])}, CLIENTS[:1])
    inbox.done(1, enrolments=CLIENTS[:1], claims=CLIENTS, leaves=CLIENTS[2:])
    inbox.close()
    inbox = Inbox(Journal(tmp_path / "inbox"))
    assert inbox.waiting(1) == Waiting({CLIENTS[1]: enrolment(CLIENTS[1])})
    inbox.done(1, enrolments=CLIENTS)
    assert (inbox.tasks(), inbox.waiting(1)) == ([7], Waiting())
    inbox.close()


def test_of_one_client_the_first_request_waits_and_the_next_after_it_is_done() -> None:
    inbox = Inbox(MemoryRecords())
    first, second = enrolment(CLIENTS[0]), enrolment(CLIENTS[0], envelope=b"\x09" * 32)
    inbox.enrol(first)
    inbox.enrol(second)
    assert inbox.waiting(1).enrolments == {CLIENTS[0]: first}
    inbox.done(1, enrolments=CLIENTS)
    inbox.enrol(second)
    assert inbox.waiting(1).enrolments == {CLIENTS[0]: second}


def test_a_phone_that_repeats_itself_fills_no_disk(tmp_path: Path) -> None:
    inbox = Inbox(Journal(tmp_path / "inbox"))
    sizes = set()
    for _ in range(3):
        inbox.enrol(enrolment(CLIENTS[0]))
        inbox.leave(leave(CLIENTS[0]))
        inbox.claim(1, CLIENTS[0])
        inbox.done(1, enrolments=CLIENTS[1:])
        sizes.add((tmp_path / "inbox").stat().st_size)
    assert len(sizes) == 1
    inbox.close()


def test_so_many_wait_in_a_task_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_WAITING", 2)
    inbox = Inbox(MemoryRecords())
    for client in CLIENTS[:2]:
        inbox.enrol(enrolment(client))
        inbox.leave(leave(client))
        inbox.claim(1, client)
    one_more: list[Callable[[], None]] = [
        lambda: inbox.enrol(enrolment(CLIENTS[2])),
        lambda: inbox.leave(leave(CLIENTS[2])),
        lambda: inbox.claim(1, CLIENTS[2]),
    ]
    for ask in one_more:
        with pytest.raises(InboxFullError) as caught:
            ask()
        assert caught.value.code == "E_STARTING"
    inbox.enrol(enrolment(CLIENTS[0]))
    inbox.enrol(enrolment(CLIENTS[2], task=2))
    inbox.done(1, enrolments=CLIENTS[:1])
    inbox.enrol(enrolment(CLIENTS[2]))
    assert list(inbox.waiting(1).enrolments) == [CLIENTS[1], CLIENTS[2]]


def test_threads_lose_nothing_while_others_relay() -> None:
    """Two workers with inboxes of their own over the same records relay what four threads of phones put in."""
    records = MemoryRecords()
    crowd = [number.to_bytes(20, "big") for number in range(60)]
    inboxes, relayed = [Inbox(records), Inbox(records)], set()
    full = threading.Event()

    def put(inbox: Inbox, clients: list[bytes]) -> None:
        for client in clients:
            inbox.claim(1, client)

    def relay(inbox: Inbox) -> None:
        while not full.is_set() or inbox.tasks():
            some = list(inbox.waiting(1).claims)[:5]
            relayed.update(some)
            inbox.done(1, claims=some)

    phones = [threading.Thread(target=put, args=(inboxes[i % 2], crowd[i::4])) for i in range(4)]
    workers = [threading.Thread(target=relay, args=(inbox,)) for inbox in inboxes]
    for thread in (*phones, *workers):
        thread.start()
    for thread in phones:
        thread.join()
    full.set()
    for thread in workers:
        thread.join()
    assert relayed == set(crowd)
    assert Inbox(records).tasks() == []


STEP = st.tuples(st.sampled_from(["enrol", "leave", "claim", "done"]), st.integers(1, 2), st.sampled_from(CLIENTS))


@given(st.lists(STEP, max_size=25))
def test_it_holds_what_a_plain_list_would(steps: list[tuple[str, int, bytes]]) -> None:
    """Against three sets, and always the same after a restart."""
    records = MemoryRecords()
    inbox, expected = Inbox(records), set[tuple[str, int, bytes]]()
    for what, task, client in steps:
        match what:
            case "enrol":
                inbox.enrol(enrolment(client, task))
            case "leave":
                inbox.leave(leave(client, task))
            case "claim":
                inbox.claim(task, client)
            case _:
                inbox.done(task, enrolments=[client], claims=CLIENTS[:2])
                expected -= {("enrol", task, client), ("claim", task, CLIENTS[0]), ("claim", task, CLIENTS[1])}
        if what != "done":
            expected.add((what, task, client))
        for opened in (inbox, Inbox(records)):
            assert _content(opened) == expected


def _content(inbox: Inbox) -> set[tuple[str, int, bytes]]:
    found = set()
    for task in inbox.tasks():
        waiting = inbox.waiting(task)
        assert waiting != Waiting()
        for what, requests in (("enrol", waiting.enrolments), ("leave", waiting.leaves), ("claim", waiting.claims)):
            found |= {(what, task, client) for client in requests}
    return found
