"""The draw of a cohort: everybody comes to the same one, and nobody chooses it."""

from __future__ import annotations

import hashlib
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from protocol.round.draw import drawn
from tests.samples import client_address

addresses = st.lists(st.binary(min_size=20, max_size=20), min_size=1, max_size=30, unique=True)
beacons = st.binary(min_size=32, max_size=32)
numbers = st.integers(1, 2**32 - 1)


@given(addresses, st.integers(1, 40), beacons, numbers, numbers, st.randoms(use_true_random=False))
def test_as_many_of_the_clients_as_the_round_takes_in_whatever_order(
    clients: list[bytes], most: int, beacon: bytes, task: int, number: int, random: Random
) -> None:
    chosen = drawn(clients, most, beacon, task, number)
    assert chosen <= set(clients)
    assert len(chosen) == min(most, len(clients))
    random.shuffle(clients)
    assert drawn(clients, most, beacon, task, number) == chosen


@given(addresses, st.integers(1, 40), beacons, numbers, numbers)
def test_who_was_not_drawn_changes_nothing_for_those_who_were(
    clients: list[bytes], most: int, beacon: bytes, task: int, number: int
) -> None:
    """Else a server that has somebody leave could choose who comes in."""
    chosen = drawn(clients, most, beacon, task, number)
    for out in set(clients) - chosen:
        assert drawn([client for client in clients if client != out], most, beacon, task, number) == chosen


def test_the_smallest_lots_are_drawn() -> None:
    """As docs and other readers have it: SHA-256 of beacon, task, round and address."""
    clients, beacon = [client_address(number) for number in range(50)], b"\7" * 32

    def lot(client: bytes) -> bytes:
        return hashlib.sha256(beacon + (9).to_bytes(32, "big") + (4).to_bytes(8, "big") + client).digest()

    assert drawn(clients, 7, beacon, 9, 4) == set(sorted(clients, key=lot)[:7])


def test_every_block_task_and_round_draws_anew() -> None:
    clients = [client_address(number) for number in range(50)]
    draws = {
        drawn(clients, 7, *said)
        for said in ((bytes(32), 1, 1), (b"\1" * 32, 1, 1), (bytes(32), 2, 1), (bytes(32), 1, 2))
    }
    assert len(draws) == 4


def test_everybody_is_drawn_about_as_often() -> None:
    clients = [client_address(number) for number in range(20)]
    times = dict.fromkeys(clients, 0)
    for number in range(1, 401):
        for client in drawn(clients, 5, b"\3" * 32, 1, number):
            times[client] += 1
    assert all(60 < count < 140 for count in times.values()), "a hundred times, by chance"
