"""Whose keys an authority holds, as it says on chain before a window of rounds: run lengths, in order of enrolment."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from protocol.errors import MalformedError, Party
from protocol.identifiers import Address
from protocol.messages.chain import Enrolled, Event

_MOST_BITS: Final = 28  # of a run length


@dataclass(frozen=True, slots=True, kw_only=True)
class RosterPosted(Event):
    """Both are run lengths over those who had enrolled (:func:`runs_of`). ``refused``: its envelope is wrong."""

    task: int
    authority: Address
    window: int
    held: bytes
    refused: bytes


def runs_of(clients: Iterable[Address], chosen: Collection[Address]) -> bytes:
    """How many of the ``clients``, in the order of their enrolment, are not ``chosen``, then how many are, and so on.

    Each length is an unsigned LEB128 number; only the first one may be zero. The last run is of chosen ones, so no byte
    is spent on the clients behind it, and none at all where nobody is chosen.
    """
    lengths = [0]
    for is_chosen, run in groupby(client in chosen for client in clients):
        length = sum(1 for _ in run)
        if not is_chosen and len(lengths) == 1:
            lengths[0] = length
        else:
            lengths.append(length)
    if len(lengths) % 2:
        lengths.pop()
    return b"".join(map(_leb128, lengths))


def chosen_by(clients: Sequence[Address], runs: bytes) -> set[Address]:
    """The inverse, in a time that grows with the number of bytes and of clients alone.

    Raises MalformedError for every other bytes, and where they tell of more than these ``clients``.
    """
    chosen, place = set[Address](), 0
    for number, length in enumerate(_lengths(runs)):
        if length > len(clients) - place:
            raise _malformed("tells of more clients than had enrolled")
        if number % 2:
            chosen.update(clients[place : place + length])
        place += length
    return chosen


def held_by(roster: RosterPosted, enrolled: Sequence[Enrolled]) -> set[Address]:
    """Of those who enrolled before it, in that order; nobody where the roster cannot be read."""
    return _told(roster.held, roster, enrolled)


def refused_by(roster: RosterPosted, enrolled: Sequence[Enrolled]) -> set[Address]:
    """As :func:`held_by`."""
    return _told(roster.refused, roster, enrolled)


def _told(runs: bytes, roster: RosterPosted, enrolled: Sequence[Enrolled]) -> set[Address]:
    place = roster.block, roster.log_index
    before = bisect_left(enrolled, place, key=lambda event: (event.block, event.log_index))
    try:
        return chosen_by([event.client for event in enrolled[:before]], runs)
    except MalformedError:  # check 29 says so; everybody goes on as if nobody were in it
        return set()


def _lengths(runs: bytes) -> Iterator[int]:
    number, value, bits = 0, 0, 0
    for byte in runs:
        value |= (byte & 0x7F) << bits
        bits += 7
        if byte & 0x80:
            if bits >= _MOST_BITS:
                raise _malformed("has a run of too many bytes")
            continue
        if (bits > 7 and not byte) or (number and not value):
            raise _malformed("has a run that is written in another way")
        yield value
        number, value, bits = number + 1, 0, 0
    if bits or number % 2:
        raise _malformed("ends too early")


def _leb128(length: int) -> bytes:
    low = bytearray()
    while length > 0x7F:
        low.append(length & 0x7F | 0x80)
        length >>= 7
    return bytes((*low, length))


def _malformed(what: str) -> MalformedError:
    return MalformedError(f"the roster {what}", fault=Party.KEY_AUTHORITY)
