"""drawCohort: who takes part in a round where not everybody can.

given a task that plans fewer clients in a round than it enrols
    when its edge server asks for a draw, and the next round could be opened
        should name the block that comes
    when the round is opened within 256 blocks after it
        should say its hash with the round, and ask for another draw before the next round
        should plan no more clients than that
    when it is opened without a draw, in the named block already, or later than that
        should refuse
    when a draw is asked for while one stands
        should refuse, so that nobody draws until the draw suits it
    when nobody opened a round with it in time
        should end the draw, which costs the task a round, and draw anew afterwards
    when that was the last round
        should be over
    when anybody else asks for it, or the round cannot be opened yet
        should refuse
given a task that plans everybody
    should draw nobody, and say no hash
"""

from __future__ import annotations

import pytest

from protocol.cohort import sum_of
from protocol.messages.chain import TaskView
from protocol.round.state_table import RoundState
from tests.contracts.bonded import bonded, refusal
from tests.contracts.scene import PLAN, ZERO, Scene, label_of

HASHES = 256


def open_call(scene: Scene, number: int = 1, cohort: int = 2) -> tuple[str, int, bytes, bytes, bytes, int]:
    root = sum_of(scene.cohort(cohort)).root
    return "openRound", number, PLAN, label_of(number), root, cohort


def mine_until(scene: Scene, number: int) -> None:
    """The next block has this number."""
    chain = scene.ledger.chain
    while chain.height + 1 < number:
        chain.mine()


def shown(scene: Scene) -> TaskView:
    return scene.ledger.task_view(1)


@pytest.fixture
def waiting(deployed: Scene) -> Scene:
    """Three are enrolled, two take part; the first round can be drawn."""
    deployed.post(max_cohort=2)
    deployed.enrol(*deployed.clients)
    deployed.pass_rosters()
    return deployed


def draw(scene: Scene, number: int = 1) -> int:
    """The number of the block that draws."""
    event = scene.by_edge("drawCohort").sole()
    named = scene.ledger.chain.height + 1
    assert event == {"event": "CohortDrawn", "task": 1, "round": number, "drawn_at": named}
    assert shown(scene).drawn_at == named
    return named


@pytest.mark.parametrize("waits", [1, 2, HASHES])
def test_should_open_with_the_hash_of_the_named_block(waiting: Scene, waits: int) -> None:
    chain, named = waiting.ledger.chain, draw(waiting)
    assert waiting.edge_refusal(*open_call(waiting)) == ("NotDrawn", 1, named)  # in the named block itself
    mine_until(waiting, named + waits)
    event = waiting.by_edge(*open_call(waiting)).sole()
    assert event["beacon"] == bytes(chain.blocks[named].header.hash) != ZERO
    assert shown(waiting).drawn_at == 0


def test_should_not_open_with_a_draw_that_nobody_can_check_any_more(waiting: Scene) -> None:
    named = draw(waiting)
    mine_until(waiting, named + HASHES + 1)
    assert waiting.edge_refusal(*open_call(waiting)) == ("NotDrawn", 1, named)


def test_should_not_open_without_a_draw_of_its_own(waiting: Scene) -> None:
    assert waiting.edge_refusal(*open_call(waiting)) == ("NotDrawn", 1, 0)
    mine_until(waiting, draw(waiting) + 1)
    waiting.by_edge(*open_call(waiting))
    waiting.pass_after(waiting.ledger.round_view(1, 1).settle_until)
    waiting.by(waiting.ledger.stranger, "expireRound", 1, 1)
    assert waiting.edge_refusal(*open_call(waiting, 2)) == ("NotDrawn", 1, 0)
    mine_until(waiting, draw(waiting, 2) + 1)
    waiting.by_edge(*open_call(waiting, 2))


def test_should_draw_nothing_anew_while_a_draw_stands(waiting: Scene) -> None:
    named = draw(waiting)
    for number in (named, named + 1, named + HASHES):
        mine_until(waiting, number)
        assert waiting.edge_refusal("drawCohort") == ("AlreadyDrawn", 1, named)


def test_should_cost_a_round_to_let_a_draw_lapse(waiting: Scene) -> None:
    named = draw(waiting)
    mine_until(waiting, named + HASHES + 1)
    event = waiting.by_edge("drawCohort").sole()
    assert event == {"event": "DrawLapsed", "task": 1, "round": 1}
    assert (shown(waiting).rounds, shown(waiting).drawn_at, shown(waiting).last_round) == (2, 0, 0)
    assert waiting.edge_refusal(*open_call(waiting)) == ("NotDrawn", 1, 0)
    again = draw(waiting)
    assert again > named
    mine_until(waiting, again + 1)
    waiting.by_edge(*open_call(waiting))


def test_should_be_over_when_the_last_draw_has_lapsed(deployed: Scene) -> None:
    deployed.post(max_cohort=2, rounds=1)
    deployed.enrol(*deployed.clients)
    deployed.pass_rosters()
    mine_until(deployed, draw(deployed) + HASHES + 1)
    assert refusal(deployed, "refund", 1)[0] == "TooEarly"
    deployed.by_edge("drawCohort")
    assert shown(deployed).rounds == shown(deployed).last_round == 0
    assert deployed.edge_refusal("drawCohort") == ("RoundUnexpected", 1, 1, RoundState.NONE)
    event = deployed.by(deployed.ledger.stranger, "refund", 1).sole()
    assert event["amount"] == deployed.escrow()


def test_should_plan_no_more_than_agreed(waiting: Scene) -> None:
    mine_until(waiting, draw(waiting) + 1)
    for cohort in (1, 3):
        assert waiting.edge_refusal(*open_call(waiting, cohort=cohort)) == ("CohortWrong", cohort, 2, 2)
    waiting.by_edge(*open_call(waiting, cohort=2))


def test_should_draw_when_the_next_round_can_be_opened(deployed: Scene) -> None:
    scene, ledger = deployed, deployed.ledger
    scene.post(max_cohort=2)
    scene.enrol(*scene.clients)
    until = shown(scene).enrol_until
    assert scene.edge_refusal("drawCohort") == ("EnrolmentOpen", 1, until)
    ledger.pass_to(until + 1)
    assert scene.edge_refusal("drawCohort") == ("TooEarly", until + scene.terms.roster_seconds)
    scene.pass_rosters()
    mine_until(scene, draw(scene) + 1)
    scene.by_edge(*open_call(scene))
    assert scene.edge_refusal("drawCohort") == ("RoundUnexpected", 1, 2, RoundState.OPEN)
    scene.pass_after(ledger.round_view(1, 1).settle_until)
    scene.by_edge("expireRound", 1)
    snapshot = ledger.chain.snapshot()
    draw(scene, 2)
    ledger.chain.revert(snapshot)
    ledger.pass_to(shown(scene).task_until + 1)
    assert scene.edge_refusal("drawCohort") == ("TooLate", shown(scene).task_until)


def test_should_draw_for_the_edge_server_alone(deployed: Scene) -> None:
    """A client could have a draw lapse that it does not like; the substitute may when it may take over."""
    scene = bonded(deployed, max_cohort=2)
    ledger = scene.ledger
    scene.pass_rosters()
    for sender in (ledger.stranger, ledger.manufacturer, scene.clients[0]):
        expected = ("NotEdgeServer", sender.address, ledger.edge.address)
        assert ledger.refusal(sender, "drawCohort", 1) == expected
    until = shown(scene).enrol_until + scene.terms.roster_seconds + scene.terms.takeover_seconds
    assert ledger.refusal(ledger.substitute, "drawCohort", 1) == ("TooEarly", until)
    ledger.pass_to(until + 1)
    taken, drawn = scene.by(ledger.substitute, "drawCohort", 1).events
    assert (type(taken).__name__, type(drawn).__name__) == ("TakenOver", "CohortDrawn")
    assert shown(scene).edge_server == ledger.substitute.address


def test_should_draw_nobody_where_everybody_is_planned(enrolled: Scene) -> None:
    enrolled.pass_rosters()
    assert enrolled.edge_refusal("drawCohort") == ("TermsInvalid", "maxCohort")
    assert enrolled.open().sole()["beacon"] == ZERO
