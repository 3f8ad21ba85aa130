"""A phone is shown its place by a server and takes the authorities' word for the rest, or derives all of it itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from client_agent.journal import AgentJournal
from protocol.cohort import CohortTree
from protocol.messages.round import ShownPlan
from protocol.task.documents import Kind
from storage.ledger.signer import Signer
from tests.samples import private_key
from tests.unit.client_agent.scene_phone import UNTIL_BATCH, Phone
from tests.unit.client_agent.scene_server import OTHERS, PHONE, PlayedServer

AUTHORITIES = [Signer(private_key("authority", j)) for j in (1, 2, 3)]


def _joined(tmp_path: Path, endorsing: int = 3) -> tuple[PlayedServer, Phone]:
    server = PlayedServer()
    server.endorsing = AUTHORITIES[:endorsing]
    phone = Phone(server, tmp_path)
    phone.steps(60)
    return server, phone


def _without_plan(server: PlayedServer) -> None:
    """Whoever reads the whole plan finds none."""
    server.withheld = Kind.PLAN, 1


def test_a_phone_that_is_shown_its_place_needs_no_whole_plan(tmp_path: Path) -> None:
    server, phone = _joined(tmp_path)
    _without_plan(server)
    server.open()
    phone.steps(UNTIL_BATCH)
    assert list(server.submitted) == [1]


def test_who_is_not_planned_is_shown_its_neighbours_and_sends_nothing(tmp_path: Path) -> None:
    server, phone = _joined(tmp_path)
    _without_plan(server)
    server.open(weights=dict.fromkeys(OTHERS, 2))
    phone.steps(UNTIL_BATCH)
    assert not server.submitted
    assert any("not planned" in told for told in phone.told)


def _another_model(shown: ShownPlan) -> ShownPlan:
    return replace(shown, plan=replace(shown.plan, model=b"\7" * 32))


def _another_place(shown: ShownPlan) -> ShownPlan:
    (own,) = shown.places
    return replace(shown, places=(replace(own, place=replace(own.place, weight=own.place.weight + 1)),))


def _too_few(shown: ShownPlan) -> ShownPlan:
    return replace(shown, endorsements=shown.endorsements[:1])


def _of_somebody_else(shown: ShownPlan) -> ShownPlan:
    first, second, *rest = shown.endorsements
    return replace(shown, endorsements=(first, replace(second, signature=first.signature), *rest))


@pytest.mark.parametrize("lie", [_another_model, _another_place, _too_few, _of_somebody_else])
@pytest.mark.parametrize("whole", [True, False], ids=["the plan can be read", "it cannot"])
def test_what_is_not_to_be_believed_is_derived(
    lie: Callable[[ShownPlan], ShownPlan], whole: bool, tmp_path: Path
) -> None:
    server, phone = _joined(tmp_path)
    server.shown = lie
    if not whole:
        _without_plan(server)
    server.open()
    phone.steps(UNTIL_BATCH)
    assert list(server.submitted) == [1] * whole


def test_a_phone_shown_a_gap_where_it_stands_sends_nonetheless(tmp_path: Path) -> None:
    server, phone = _joined(tmp_path)

    def hidden(shown: ShownPlan) -> ShownPlan:
        return replace(shown, places=CohortTree(server.plans[1].weights).places(OTHERS[0]))

    server.shown = hidden
    server.open()
    phone.steps(UNTIL_BATCH)
    assert list(server.submitted) == [1]


def test_while_too_few_endorse_the_phone_derives_the_cohort_itself(tmp_path: Path) -> None:
    server, phone = _joined(tmp_path, endorsing=1)
    server.open()
    phone.steps(UNTIL_BATCH)
    assert list(server.submitted) == [1]
    assert (
        AgentJournal(phone.records).sealed[1].place
        == CohortTree(server.plans[1].weights).places(PHONE.address)[0].place
    )
