"""Cohorts that a block draws, and clients that come while the task runs.

given a task that draws four of five
    when the server plans those that were drawn, also after a draw that lapsed
        should pass
    when it plans somebody else, or fewer
        should fail
given a client that enrolled after round 1
    when the rosters of the next window have it
        should pass, with it in the plan and in the allocations from then on
    when the allocation leaves it out, or puts it in before its time, or with a reputation of its own
        should fail
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from protocol.audit.report import Report, Status
from protocol.cohort import sum_of
from protocol.identifiers import to_hex
from protocol.messages.chain import CohortDrawn, DrawLapsed, EnrolmentFull, RoundOpened
from protocol.messages.round import ClientWeight, RoundPlan
from protocol.messages.settlement import Allocation, Entitlement
from protocol.messages.task import CohortTerms
from scripts.commands.auditor import run_audit
from tests.played_conduct import Conduct
from tests.played_task import Player
from tests.tiny_task import CLIENTS, funded_ledger

DRAWING = CohortTerms(min_clients=3, max_clients=CLIENTS, max_cohort=CLIENTS - 1, max_share_ppm=500_000)
JOINING = CohortTerms(CLIENTS - 2, CLIENTS, CLIENTS, max_share_ppm=500_000, roster_rounds=1)
LATE = 4


def _audit(player: Player) -> Report:
    return run_audit(player.reader, player.store, player.task)


def _failed(report: Report) -> set[tuple[int, str]]:
    return {(line.number, line.subject) for line in report.lines if line.status is Status.FAIL}


def test_drawn_cohorts_pass_and_every_round_has_its_own() -> None:
    player = Player(funded_ledger("drawn"), rounds=5, cohort=DRAWING)
    for number in (1, 2):
        player.play(number, Conduct())
    player.edge.draw_cohort(player.task)
    for _ in range(258):
        player.chain.mine()
    player.edge.draw_cohort(player.task)  # nobody opened a round: it lapses, and costs one
    player.play(3, Conduct())
    events = player.reader.events(player.task)
    opened = [event for event in events if isinstance(event, RoundOpened)]
    assert [event.cohort for event in opened] == [4, 4, 4]
    assert len({event.beacon for event in opened}) == 3 and all(any(event.beacon) for event in opened)
    assert len({event.cohort_root for event in opened}) > 1, "not always the same four"
    assert [sum(isinstance(event, kind) for event in events) for kind in (CohortDrawn, DrawLapsed)] == [4, 1]
    assert player.reader.task(player.task).rounds == 4
    report = _audit(player)
    assert report.status is Status.PASS, report.failed


def _instead(plan: RoundPlan, missing: ClientWeight) -> RoundPlan:
    """Who was left out takes the place of the first one."""
    weights = tuple(sorted((*plan.weights[1:], missing), key=lambda entry: entry.client))
    return replace(plan, weights=weights, cohort=sum_of(weights))


def test_a_cohort_other_than_the_drawn_one_fails() -> None:
    player = Player(funded_ledger("chosen"), rounds=1, cohort=DRAWING)
    clients = {household.address for household in player.households}

    def chosen(plan: RoundPlan) -> RoundPlan:
        (missing,) = clients - {entry.client for entry in plan.weights}
        return _instead(plan, replace(plan.weights[0], client=missing))

    player.play(1, Conduct(lies={"plan": chosen}))
    report = _audit(player)
    assert _failed(report) == {(8, "round 1")}, report.failed
    assert "drawn" in report.failed[0].detail


def test_a_cohort_smaller_than_the_drawn_one_fails() -> None:
    player = Player(funded_ledger("smaller"), rounds=1, cohort=DRAWING)

    def fewer(plan: RoundPlan) -> RoundPlan:
        return replace(plan, weights=plan.weights[1:], cohort=sum_of(plan.weights[1:]))

    player.play(1, Conduct(lies={"plan": fewer}))
    assert _failed(_audit(player)) == {(8, "round 1")}


def _begun(name: str) -> Player:
    """Round 1 is played by the others."""
    player = Player(funded_ledger(name), rounds=3, late=(LATE,), cohort=JOINING)
    player.pass_to(player.reader.task(player.task).enrol_until + 1)
    player.play(1, Conduct())
    return player


def test_a_latecomer_takes_part_from_the_next_rosters_on() -> None:
    player = _begun("latecomer")
    newcomer = player.households[LATE].address
    player.play(2, Conduct(joining=(LATE,)))
    player.play(3, Conduct())
    assert next(one for one in player.allocation.entitlements if one.client == newcomer).cumulative > 0
    assert not any(isinstance(event, EnrolmentFull) for event in player.reader.events(player.task))
    player.claim(LATE)
    report = _audit(player)
    assert report.status is Status.PASS, report.failed


def _of(player: Player) -> Callable[[Entitlement], bool]:
    return lambda entry: entry.client == player.households[LATE].address


def _without(player: Player, allocation: Allocation) -> Allocation:
    kept = tuple(entry for entry in allocation.entitlements if not _of(player)(entry))
    return replace(allocation, entitlements=kept)


def _promoted(player: Player, allocation: Allocation) -> Allocation:
    leaves = (replace(e, reputation=5) if _of(player)(e) else e for e in allocation.entitlements)
    return replace(allocation, entitlements=tuple(leaves))


@pytest.mark.parametrize("lie", [_without, _promoted])
def test_an_allocation_that_wrongs_a_latecomer_fails(lie: Callable[[Player, Allocation], Allocation]) -> None:
    player = _begun(f"wronged {lie.__name__}")
    # it is not in the rosters yet: all that it has is its leaf
    unlisted = {"roster": lambda said: (said[0] - {player.households[LATE].address}, said[1])}
    player.play(2, Conduct(joining=(LATE,), silent=(LATE,), lies={**unlisted, "allocation": lambda a: lie(player, a)}))
    report = _audit(player)
    assert (21, "round 2") in _failed(report), report.failed
    assert any(to_hex(player.households[LATE].address) in line.detail for line in report.failed)


def test_a_roster_with_somebody_who_had_not_enrolled_fails() -> None:
    """The last one would be whoever enrols next."""
    player = Player(funded_ledger("foreseen"), rounds=2, late=(LATE,), cohort=JOINING)
    player.pass_to(player.reader.task(player.task).enrol_until + 1)
    for authority in player.authorities:
        authority.post_roster(player.task, 0, bytes([0, 5]), b"")  # the first five
    report = _audit(player)
    assert _failed(report) == {(29, f"task {player.task} rosters")}, report.failed
