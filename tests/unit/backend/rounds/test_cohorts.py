"""Who is in a round: drawn by the hash of a block where not everybody may be, and whoever enrolled in time."""

from __future__ import annotations

from unittest import mock

from protocol.messages.chain import CohortDrawn, DrawLapsed, RoundPublished
from protocol.messages.task import CohortTerms
from protocol.round.draw import drawn
from storage.ledger.ethereum.writer import LedgerWriter
from storage.ledger.interface import LedgerError
from tests.unit.backend.rounds.scene_committee import CLIENTS, LATE
from tests.unit.backend.rounds.scene_server import FLAT, Scene


def _drawing(rounds: int = 2) -> Scene:
    """Two of three are in a round."""
    scene = Scene(cohort=CohortTerms(2, 3, 2, 700_000), rounds=rounds, confirmations=1)
    scene.chain.mine()
    scene.start()
    scene.enrol()
    return scene


def test_cohorts_are_drawn_by_a_block_that_nobody_knew() -> None:
    scene = _drawing()
    for number in (1, 2):
        scene.announced(number)
        opened, planned = scene.facts(number).opened, [entry.client for entry in scene.plan(number).weights]
        (event,) = [one for one in _draws(scene) if one.round == number]
        assert opened.beacon == scene.ledger.block_hash(event.drawn_at) and opened.block > event.drawn_at > event.block
        assert planned == sorted(drawn([one.address for one in CLIENTS], 2, opened.beacon, 1, number))
        scene.submit(number, tuple(place for place, one in enumerate(CLIENTS) if one.address in planned))
        scene.ended(RoundPublished, number)


def test_a_draw_that_was_not_used_in_time_costs_a_round_and_is_made_anew() -> None:
    scene = _drawing()
    scene.until(lambda: _draws(scene))
    scene.crash()
    for _ in range(300):
        scene.chain.pass_time(1)
    scene.start()
    scene.announced(1)
    kinds = [type(event) for event in scene.ledger.events(1) if isinstance(event, CohortDrawn | DrawLapsed)]
    assert (kinds, scene.state.total_rounds) == ([CohortDrawn, DrawLapsed, CohortDrawn], 1)
    assert scene.facts(1).opened.beacon == scene.ledger.block_hash(_draws(scene)[-1].drawn_at)


def test_a_draw_whose_receipt_is_lost_is_not_made_again() -> None:
    scene = _drawing()

    def lost(ledger: LedgerWriter, task: int) -> None:
        ledger._transact("drawCohort", task)
        raise LedgerError("no receipt")

    with mock.patch.object(type(scene.ledger), "draw_cohort", lost):
        scene.announced(1)
    assert len(_draws(scene)) == 1


def _draws(scene: Scene) -> list[CohortDrawn]:
    return [event for event in scene.ledger.events(1) if isinstance(event, CohortDrawn)]


def test_who_enrols_while_a_round_runs_is_planned_in_the_next_window() -> None:
    scene = Scene(cohort=CohortTerms(2, 4, 4, 700_000, roster_rounds=1), rounds=3)
    scene.start()
    scene.enrol()
    scene.submit(1, (0, 1))
    scene.enrol([LATE])
    scene.until(lambda: LATE.address in scene.state.enrolled)
    assert scene.state.current is not None, "the round runs"
    scene.until(lambda: len(scene.journal.task(1).holders.get(LATE.address, ())) == scene.committee.m)
    scene.submit(1, (2,))
    scene.ended(RoundPublished, 1)
    assert LATE.address not in scene.owed() or not scene.owed()[LATE.address]
    scene.submit(2, (0, 1, 2, 3))
    scene.ended(RoundPublished, 2)
    assert len(scene.plan(2).weights) == 4
    assert scene.owed()[LATE.address] >= FLAT
