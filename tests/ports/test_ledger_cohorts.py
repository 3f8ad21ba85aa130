"""Cohorts that are drawn, and who signs for whom, in every implementation of the ledger port.

given a task whose cohorts are smaller than the crowd
    when a cohort is drawn
        should open the round with the hash of the block that the draw named, and not before that block
    when nobody opens the round in time
        should end the draw, at the price of a round, before it draws anew
given a task that is full
    should say that nobody is waited for any more
given an enrolment that names another key
    should take that key's signatures, and no others
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from protocol.messages import chain as on_chain
from storage.ledger.interface import TransactionRevertedError
from storage.ledger.signer import Signer
from tests.ports.ledger_scene import IMPLEMENTATIONS, LABEL, PLAN, PortScene, scene_on
from tests.samples import private_key

HASHES = 256  # so many blocks back the chain tells a block's hash


@pytest.fixture(params=IMPLEMENTATIONS)
def scene(request: pytest.FixtureRequest) -> Iterator[PortScene]:
    with scene_on(request.param) as scene:
        yield scene


def ready_to_draw(scene: PortScene) -> None:
    scene.terms = replace(scene.terms, max_cohort=3)
    scene.post()
    scene.enrol_all()
    scene.chain.pass_time(scene.terms.enrolment_seconds + scene.terms.roster_seconds + 1)


def draw(scene: PortScene) -> on_chain.CohortDrawn:
    receipt = scene.edge.draw_cohort(1)
    (event,) = receipt.logs
    assert isinstance(event, on_chain.CohortDrawn)
    assert (event.task, event.round, event.drawn_at) == (1, 1, receipt.block + 1)
    assert scene.edge.task(1).drawn_at == event.drawn_at
    return event


def open_round(scene: PortScene) -> on_chain.RoundOpened:
    (event,) = scene.edge.open_round(1, 1, PLAN, LABEL, scene.cohort_root, 3).logs
    assert isinstance(event, on_chain.RoundOpened)
    return event


def test_a_round_has_the_hash_of_the_block_that_its_draw_named(scene: PortScene) -> None:
    ready_to_draw(scene)
    with pytest.raises(TransactionRevertedError, match="NotDrawn"):
        open_round(scene)
    with pytest.raises(TransactionRevertedError, match="NotEdgeServer"):
        scene.manufacturer.draw_cohort(1)
    drawn = draw(scene)
    with pytest.raises(TransactionRevertedError, match="AlreadyDrawn"):
        scene.edge.draw_cohort(1)
    scene.chain.mine()
    opened = open_round(scene)
    assert opened.beacon == scene.edge.block_hash(drawn.drawn_at) != bytes(32)
    assert scene.edge.task(1).drawn_at == 0


def test_a_draw_that_nobody_uses_costs_a_round(scene: PortScene) -> None:
    ready_to_draw(scene)
    draw(scene)
    scene.chain.mine(HASHES + 1)
    with pytest.raises(TransactionRevertedError, match="NotDrawn"):
        open_round(scene)
    (event,) = scene.edge.draw_cohort(1).logs
    assert isinstance(event, on_chain.DrawLapsed)
    assert (event.task, event.round) == (1, 1)
    view = scene.edge.task(1)
    assert (view.rounds, view.drawn_at) == (scene.terms.rounds - 1, 0)
    draw(scene)


def test_nobody_is_drawn_where_all_are_planned(scene: PortScene) -> None:
    scene.post()
    with pytest.raises(TransactionRevertedError, match="TermsInvalid"):
        scene.edge.draw_cohort(1)


def test_a_full_task_waits_for_nobody(scene: PortScene) -> None:
    scene.terms = replace(scene.terms, max_clients=3, max_cohort=3)
    scene.post()
    receipt = scene.enrol_all()
    event = receipt.logs[-1]
    assert isinstance(event, on_chain.EnrolmentFull)
    assert (event.task, event.enrolled, event.enrol_until) == (1, 3, scene.edge.block_timestamp(receipt.block))
    assert scene.edge.task(1).enrol_until == event.enrol_until


def test_the_key_that_an_enrolment_names_signs_alone(scene: PortScene) -> None:
    named, (client, *others) = Signer(private_key("signer")), scene.clients
    scene.post()
    (enrolled,) = scene.edge.enrol([scene.enrolment(client, signer=named)]).logs
    assert isinstance(enrolled, on_chain.Enrolled)
    assert (enrolled.signer, enrolled.deadline) == (named.address, scene.edge.task(1).claim_until - 1)
    scene.edge.enrol([scene.enrolment(other) for other in others])
    assert [scene.edge.signer(1, one.address) for one in (client, *others)] == [
        named.address, *(other.address for other in others)
    ]  # fmt: skip
    scene.open_posted_round()
    with pytest.raises(TransactionRevertedError, match="SignatureInvalid"):
        scene.edge.commit_direct(scene.commitment(client), scene.place(client))
    scene.edge.commit_direct(scene.commitment(client, signer=named), scene.place(client))
    with pytest.raises(TransactionRevertedError, match="SignatureInvalid"):
        scene.edge.leave(scene.leave(client))
    scene.edge.leave(scene.leave(client, signer=named))
