"""Run lengths of rosters: one encoding for each choice, read in linear time, everything else refused."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.errors import MalformedError, Party
from protocol.identifiers import Address
from protocol.messages.chain import Enrolled
from protocol.messages.rosters import RosterPosted, chosen_by, held_by, refused_by, runs_of

EIGHT = [bytes([number]) * 20 for number in range(1, 9)]
CROWD = [number.to_bytes(20) for number in range(1_000_000)]
choices = st.lists(st.booleans(), max_size=300)

# places that are chosen of eight clients, and the bytes
KNOWN = [
    ((), ""),
    ((0,), "0001"),
    ((0, 2), "00010101"),
    ((7,), "0701"),
    ((1, 2, 3), "0103"),
    (range(8), "0008"),
]
# of eight clients
MALFORMED = {
    "a run of those not chosen at the end": "000107",
    "only those not chosen": "08",
    "nobody, in a byte": "00",
    "nobody, in two": "0000",
    "an empty run between": "0001000101",
    "an empty run at the end": "00010100",
    "a zero too many": "008800",
    "a longer zero": "800001",
    "a number without an end": "0088",
    "more than enrolled": "0009",
    "more than enrolled in several": "07010101",
    "more than there are": "00ffffff7f",
    "more bytes than a run has": "0081808080808000",
}


@pytest.mark.parametrize(("places", "encoded"), KNOWN)
def test_known_rosters(places: tuple[int, ...], encoded: str) -> None:
    chosen = {EIGHT[place] for place in places}
    assert runs_of(EIGHT, chosen).hex() == encoded
    assert chosen_by(EIGHT, bytes.fromhex(encoded)) == chosen


@pytest.mark.parametrize("encoded", MALFORMED.values(), ids=MALFORMED)
def test_any_other_bytes_are_refused(encoded: str) -> None:
    with pytest.raises(MalformedError) as refused:
        chosen_by(EIGHT, bytes.fromhex(encoded))
    assert refused.value.fault is Party.KEY_AUTHORITY


@given(choices)
def test_every_choice_comes_back_and_fits_the_contract_s_bound(flags: list[bool]) -> None:
    clients = [number.to_bytes(20) for number in range(len(flags))]
    chosen = {client for client, flag in zip(clients, flags, strict=True) if flag}
    runs = runs_of(clients, chosen)
    assert chosen_by(clients, runs) == chosen
    assert len(runs) <= len(clients) + 1
    assert runs == runs_of(clients, chosen | {b"\xff" * 20}), "whoever did not enrol is not in it"


@given(st.binary(max_size=6))
def test_what_is_read_is_the_one_encoding_of_it(runs: bytes) -> None:
    try:
        chosen = chosen_by(EIGHT, runs)
    except MalformedError:
        return
    assert runs_of(EIGHT, chosen) == runs


def test_every_choice_of_a_few_has_its_own_bytes() -> None:
    flags = product((False, True), repeat=len(EIGHT))
    chosen = [frozenset(client for client, flag in zip(EIGHT, some, strict=True) if flag) for some in flags]
    assert len({runs_of(EIGHT, one) for one in chosen}) == 2 ** len(EIGHT)


def test_a_full_roster_of_a_million_is_a_few_bytes() -> None:
    runs = runs_of(CROWD, set(CROWD))
    assert runs.hex() == "00c0843d"
    assert len(chosen_by(CROWD, runs)) == len(CROWD)


def test_hostile_bytes_take_no_longer_than_they_are_many() -> None:
    """Half a million runs of one client: reading them again for each would take hours."""
    assert len(chosen_by(CROWD, b"\1" * len(CROWD))) == len(CROWD) // 2
    assert runs_of(CROWD, set(CROWD[1::2])) == b"\1" * len(CROWD)


def test_a_roster_counts_those_who_had_enrolled_before_it() -> None:
    def enrolled(client: Address, block: int) -> Enrolled:
        return Enrolled(
            block=block, log_index=0, transaction=bytes(32), task=1, client=client, envelope=bytes(32), reputation=2,
            signer=client, deadline=9, signature=b"",
        )  # fmt: skip

    def roster(held: bytes, refused: bytes) -> RosterPosted:
        place = {"block": 4, "log_index": 0, "task": 1, "window": 0}
        return RosterPosted(**place, transaction=bytes(32), authority=bytes(20), held=held, refused=refused)

    events = [enrolled(client, block) for client, block in zip(EIGHT, range(8), strict=True)]
    before = roster(bytes.fromhex("0004"), bytes.fromhex("0301"))
    assert (held_by(before, events), refused_by(before, events)) == (set(EIGHT[:4]), {EIGHT[3]})
    unreadable = roster(bytes.fromhex("0005"), b"\0")
    assert (held_by(unreadable, events), refused_by(unreadable, events)) == (set(), set())
