"""As test_tampering, of a task whose rounds expire: what its servers lose, its clients get, and a block draws."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from protocol.identifiers import Address
from protocol.messages.chain import BondForfeited, Compensated
from protocol.messages.task import CohortTerms
from tests.attacks.noticing import check_every_field
from tests.attacks.tampering import Audited, audited_task
from tests.played_conduct import EXPIRED, Conduct
from tests.played_task import Player
from tests.samples import sample_spec
from tests.tiny_task import CLIENTS, funded_ledger

COHORT = CLIENTS - 1
DRAWING = CohortTerms(min_clients=3, max_clients=CLIENTS, max_cohort=COHORT, max_share_ppm=500_000)
REWARDS = sample_spec().rewards
# another hash may draw the same clients, and of a request that nobody answers nothing follows
INSTEAD = {
    "RoundOpened.beacon": 27, "KeyRequested.request": 6,
    "Compensated.round": 26, "Compensated.client": 26, "Compensated.amount": 26,
}  # fmt: skip
OF_THEM = {"Compensated", "CohortDrawn", "DrawLapsed", "RoundExpired", "BondForfeited", "BondReturned", "TakenOver"}


def _planned(player: Player, number: int) -> list[int]:
    plan, _ = player.delivered[number]
    planned = {entry.client for entry in plan.weights}
    return [place for place, household in enumerate(player.households) if household.address in planned]


@pytest.fixture(scope="module")
def audited() -> Iterator[Audited]:
    player = Player(funded_ledger("unpublished"), rounds=4, substitutes=1, cohort=DRAWING)
    left_alone, kept = player.edge.sender, Conduct(direct=(0, 1), end=EXPIRED, requested=False)
    player.play(1, kept)
    player.play(2, Conduct(end=EXPIRED))  # by the next server, which requests the key
    player.edge.draw_cohort(player.task)
    for _ in range(258):
        player.chain.mine()
    player.edge.draw_cohort(player.task)
    player.play(3, Conduct())
    for number in (1, 2):
        player.compensate(number, *_planned(player, number)[1:])
    player.claim(_planned(player, 3)[0])
    player.edge.return_bond(player.task, left_alone)
    player.refund()
    with audited_task(player) as made:
        yield made


def test_every_changed_field_of_every_answer(audited: Audited) -> None:
    seen = check_every_field(audited, INSTEAD)
    assert {what.replace(" ", ".").partition(".")[0] for what in seen} >= OF_THEM


def test_what_was_paid_is_what_the_rules_say(audited: Audited) -> None:
    player = audited.player
    events = player.reader.events(player.task)
    paid: dict[int, set[tuple[Address, int]]] = {1: set(), 2: set()}
    for event in events:
        if isinstance(event, Compensated):
            paid[event.round].add((event.client, event.amount))
    for number, amount in ((1, REWARDS.participation), (2, REWARDS.participation + REWARDS.contribution)):
        places = _planned(player, number)[1:]
        assert paid[number] == {(player.households[place].address, amount) for place in places}
    (forfeit,) = (event for event in events if isinstance(event, BondForfeited))
    assert (forfeit.amount, forfeit.share) == (COHORT * REWARDS.participation, 0), "of round 1 alone"
    reserved = 2 * REWARDS.participation + REWARDS.contribution
    assert player.reader.task(player.task).reserved == reserved, "of one client in each"
