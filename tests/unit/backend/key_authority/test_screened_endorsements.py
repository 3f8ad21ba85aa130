"""The weights of a screened task follow from reputation and openings, by the word of authorities that derived both."""

from __future__ import annotations

from dataclasses import replace

import pytest

from protocol.canonical import decode, encode
from protocol.cohort import sum_of
from protocol.errors import HearthError, VerificationError
from protocol.messages.chain import RoundOpened
from protocol.messages.round import ClientWeight, CohortEvidence, RoundPlan, SignedEndorsement
from protocol.messages.screening import ClientLevel
from protocol.round.endorsing import check_cohort, evidence_for
from protocol.round.planning import planned_weights
from protocol.task.documents import there
from protocol.task.past import allocation_before
from storage.content.interface import get_document
from tests.played_conduct import Conduct
from tests.unit.backend.key_authority.screened_scene import PROBATION, Moment, Screened, Watched, screened

ROUND = 3


@pytest.fixture(scope="module")
def scene() -> Screened:
    made = screened("weights of a screened task")
    made.play(1, PROBATION)
    made.play(2, Conduct())
    made.play(ROUND, Conduct())
    return made


def documents(scene: Screened) -> tuple[bytes, ...]:
    """What the edge server shows."""
    wanted = evidence_for(scene.state, scene.player.spec, ROUND)
    return tuple(get_document(scene.player.store, one.digest, one.max_bytes) for one in wanted)


def planned(moment: Moment, plan: RoundPlan) -> Moment:
    """The chain, had the round been opened with this plan."""
    view = replace(moment.views[ROUND], label=plan.label(), cohort_root=plan.cohort.root, cohort=plan.cohort.count)
    moment.views = {**moment.views, ROUND: view}
    fixed = {"label": plan.label(), "cohort_root": plan.cohort.root, "cohort": plan.cohort.count}
    moment.change(RoundOpened, ROUND, **fixed)
    return moment


def reweighed(plan: RoundPlan, weights: tuple[ClientWeight, ...]) -> RoundPlan:
    return replace(plan, weights=weights, cohort=sum_of(weights))


def test_an_authority_endorses_the_weights_that_it_derives(scene: Screened) -> None:
    authority, plan = Watched(scene, 1).at(scene.open[ROUND]), scene.plan(ROUND)
    body = encode(CohortEvidence(encode(plan), documents(scene)))
    signed = decode(SignedEndorsement, authority.authority.endorse(authority.task, ROUND, body))
    assert signed.statement.label == plan.label()
    with pytest.raises(HearthError, match="E_UNDERIVABLE"):
        authority.authority.endorse(authority.task, ROUND, encode(CohortEvidence(encode(plan), ())))


def test_another_weight_than_follows_is_not_endorsed(scene: Screened) -> None:
    first, *others = scene.plan(ROUND).weights
    for weight in (0, first.weight + 1):
        plan = reweighed(scene.plan(ROUND), (replace(first, weight=weight), *others))
        moment = planned(Moment(scene.player), plan)
        authority = Watched(scene, 1).at(moment)
        scene.player.put(encode(plan))
        with pytest.raises(HearthError) as caught:
            authority.authority.endorse(authority.task, ROUND, encode(CohortEvidence(encode(plan), documents(scene))))
        assert caught.value.code in {"E_VERIFICATION", "E_UNDERIVABLE"}


@pytest.mark.parametrize("level", [0, 1, 7, 15])
def test_a_level_takes_its_part_of_a_weight(scene: Screened, level: int) -> None:
    spec, plan = scene.player.spec, scene.plan(ROUND)
    verdict = scene.screening(2).verdict
    first, *others = plan.weights
    told = {1: None, 2: replace(verdict, levels=(ClientLevel(first.client, level),))}
    shown = (encode(spec), *documents(scene))
    events = scene.open[ROUND].told
    expected = _weights(scene, plan, {first.client: level})[first.client]
    assert (expected == 0) == (level == 0)
    right = reweighed(plan, (replace(first, weight=expected), *others))
    check_cohort(events, spec, right, shown, told)
    wrong = reweighed(plan, (replace(first, weight=expected + 1), *others))
    with pytest.raises(VerificationError, match="is planned with weight"):
        check_cohort(events, spec, wrong, shown, told)


def test_levels_that_leave_nobody_anything_count_for_nobody(scene: Screened) -> None:
    plan = scene.plan(ROUND)
    none = dict.fromkeys((entry.client for entry in plan.weights), 0)
    assert _weights(scene, plan, none) == _weights(scene, plan, {})


def _weights(scene: Screened, plan: RoundPlan, levels: dict[bytes, int]) -> dict[bytes, int]:
    found = there(allocation_before(scene.state, ROUND))
    planned = {entry.client for entry in plan.weights}
    cohort = {entry.client: entry.reputation for entry in found.entitlements if entry.client in planned}
    return planned_weights(scene.player.spec, cohort, levels)
