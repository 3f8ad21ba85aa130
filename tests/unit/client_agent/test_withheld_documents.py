"""With any single document of any round withheld for ever, a phone goes on and claims what can be proven."""

from __future__ import annotations

from pathlib import Path

import pytest

from protocol.task.documents import Kind
from tests.unit.client_agent.scene_phone import UNTIL_BATCH, Phone, delivered, owed, play_round
from tests.unit.client_agent.scene_server import ROUNDS, PlayedServer

WITHHELD = [
    (kind, number)
    for kind in (Kind.PLAN, Kind.BATCH, Kind.RECORD, Kind.AGGREGATE, Kind.ALLOCATION, Kind.MODEL)
    for number in range(1, ROUNDS + 1)
]


@pytest.mark.parametrize("proves", [True, False], ids=["proven by a server", "not proven"])
@pytest.mark.parametrize(("kind", "number"), WITHHELD, ids=lambda value: str(getattr(value, "value", value)))
def test_no_document_that_is_withheld_for_ever_stops_a_phone(
    kind: Kind, number: int, proves: bool, tmp_path: Path
) -> None:
    server = PlayedServer((kind, number), proves)
    phone = Phone(server, tmp_path)
    phone.steps(60)
    for current in range(1, ROUNDS + 1):
        play_round(phone, model_goes_on=(kind, number) != (Kind.MODEL, current))
    lost = {number} if kind is Kind.PLAN else set()
    assert delivered(server) == {1, 2, 3} - lost
    unprovable = not proves and kind in (Kind.RECORD, Kind.ALLOCATION) and number == ROUNDS
    assert phone.paid() == owed(server, ROUNDS - 1 if unprovable else ROUNDS) > 0


def test_a_leaf_that_turns_up_late_is_claimed(tmp_path: Path) -> None:
    server = PlayedServer((Kind.ALLOCATION, ROUNDS), proves=False)
    phone = Phone(server, tmp_path)
    phone.steps(60)
    for _ in range(ROUNDS):
        play_round(phone)
    phone.steps(10_000)
    assert phone.paid() == owed(server, ROUNDS - 1)
    server.proves = True
    phone.steps(200)
    assert phone.paid() == owed(server, ROUNDS)
    assert len([text for text in phone.told if "nobody proves" in text]) == 1


@pytest.mark.parametrize("weight", [2, 3, 4, 5])
def test_an_unproven_reputation_is_good_for_what_the_rounds_since_can_have_made_of_it(
    weight: int, tmp_path: Path
) -> None:
    """Enrolled with 2; one round was settled whose leaf nobody shows."""
    server = PlayedServer((Kind.ALLOCATION, 1), proves=False)
    phone = Phone(server, tmp_path)
    phone.steps(60)
    play_round(phone)
    server.open(dict.fromkeys(server.reputations, weight))
    phone.steps(UNTIL_BATCH)
    assert (2 in server.submitted) is (weight in (2, 3))


@pytest.mark.parametrize("weight", [2, 3])
def test_a_proven_reputation_is_the_only_one(weight: int, tmp_path: Path) -> None:
    server = PlayedServer()
    phone = Phone(server, tmp_path)
    phone.steps(60)
    play_round(phone)
    server.open(dict.fromkeys(server.reputations, weight))
    phone.steps(UNTIL_BATCH)
    assert (2 in server.submitted) is (weight == 3)
