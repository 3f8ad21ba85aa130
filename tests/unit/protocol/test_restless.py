"""A client that is in one round and out of the next, again and again, stays out for a while."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from protocol.messages.chain import RoundAbandoned, RoundExpired
from protocol.round.restless import is_told, restless
from protocol.task.documents import Absent, Lack
from protocol.task.state import TaskState
from tests.samples import cohort_of, sample_spec

IT, OTHER = b"\1" * 20, b"\2" * 20
TERMS = replace(sample_spec().cohort, flap_changes=2, flap_rounds=4)
_PLACE: dict[str, Any] = {"block": 1, "log_index": 0, "transaction": bytes(32), "task": 1}


def _state(course: str) -> TaskState:
    """A letter for each round: accepted, Rejected, not planned (.), eXpired, or its record Withheld."""
    rounds = []
    for number, letter in enumerate(course, start=1):
        settled = RoundAbandoned(**_PLACE, round=number, record=bytes(32), allocation_root=bytes(32), allocated=0)
        ended = RoundExpired(**_PLACE, round=number) if letter == "X" else settled
        rounds.append(SimpleNamespace(number=number, ended=ended))

    def plan(number: int) -> Any:
        return SimpleNamespace(weights=cohort_of([OTHER] if course[number - 1] == "." else [IT, OTHER]))

    def record(number: int) -> Any:
        accepted = (IT, OTHER) if course[number - 1] == "a" else (OTHER,)
        gone = Absent(bytes(32), Lack.MISSING, bytes(20))
        return gone if course[number - 1] == "W" else SimpleNamespace(verdict=SimpleNamespace(accepted=accepted))

    return cast(TaskState, SimpleNamespace(rounds=tuple(rounds), plan=plan, record=record))


@pytest.mark.parametrize(
    ("course", "told"), [("", True), ("aRa", True), ("aXa", True), ("aWa", False), ("Waaaaaaaa", True)]
)
def test_whether_it_is_known_who_stays_out(course: str, told: bool) -> None:
    """From the last eight rounds."""
    assert is_told(_state(course), TERMS, len(course) + 1) is told


@pytest.mark.parametrize(
    ("course", "out"),
    [
        ("", False),
        ("aaaaaaa", False),
        ("RRRRRRR", False),
        ("aRa", False),  # two changes
        ("aRaR", True),  # three within four rounds
        ("aRRaaR", False),  # three within five
        ("aRaRR", True),
        ("aRaR...", True),  # the last change was in round 4: it is out up to round 8
        ("aRaR....", False),
        ("aX.RXa.R", False),  # rounds 4, 6 and 8
        ("aXRXaXR", False),
        ("aRWaR", True),  # what is withheld says nothing: rounds 2, 4 and 5
        ("aWWWR", False),
    ],
)
def test_who_stays_out(course: str, out: bool) -> None:
    assert restless(_state(course), TERMS, len(course) + 1) == ({IT} if out else set())
