"""From when a server may act: the instants of the contract, and the rule that keeps two of them apart."""

from __future__ import annotations

import pytest

from backend.rounds.acting import NEVER, Charge, due
from protocol.messages.chain import RoundOpened
from tests.unit.backend.rounds.scene_round import PlannedRound

FIRST, SECOND, THIRD = b"\1" * 20, b"\2" * 20, b"\3" * 20
OPENED: RoundOpened = PlannedRound().opened()  # commits until 1,000, settles until 2,000


@pytest.mark.parametrize(
    ("last", "running", "expected"), [(None, False, 500), (OPENED, True, 1_000), (OPENED, False, 2_000)]
)
def test_what_the_one_in_charge_is_late_for(last: RoundOpened | None, running: bool, expected: int) -> None:
    assert due(500, last, running) == expected


def test_the_one_in_charge_acts_at_once_and_the_others_after_the_instant() -> None:
    charge = Charge(FIRST)
    assert [charge.acts_after(server, 1_000, 60) for server in (FIRST, SECOND, THIRD)] == [0, 1_060, 1_060]


def test_whoever_took_over_is_given_as_long() -> None:
    late = Charge(FIRST).taken_over(SECOND, 1_061)
    assert [late.acts_after(server, 1_000, 60) for server in (FIRST, SECOND, THIRD)] == [1_121, 0, 1_121]
    assert late.acts_after(FIRST, 3_000, 60) == 3_060, "a later round is due later"
    assert late.taken_over(FIRST, 1_122).acts_after(SECOND, 1_000, 60) == 1_182


def test_a_dismissed_server_never_acts() -> None:
    charge = Charge(FIRST).without(FIRST).without(THIRD)
    assert [charge.acts_after(server, 1_000, 60) for server in (FIRST, SECOND, THIRD)] == [NEVER, 1_060, NEVER]
    assert charge.taken_over(SECOND, 1_061).acts_after(FIRST, 9_000, 60) == NEVER
