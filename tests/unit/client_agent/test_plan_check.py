"""A phone joins no round that it should not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from client_agent.plan_check import accept_plan
from protocol.cohort import sum_of
from protocol.errors import HearthError, VerificationError
from protocol.messages.round import ClientWeight, RoundPlan
from protocol.messages.task import TaskSpec
from protocol.round.planning import check_plan, plan_round
from protocol.round.scheme import RoundScheme
from protocol.task.proposed_screening import screened
from tests.samples import DOMAIN, client_address, cohort_of, sample_spec, with_terms

SPEC = sample_spec()
CLIENTS = sorted(client_address(number) for number in range(3))


def _plan() -> RoundPlan:
    return plan_round(SPEC, DOMAIN, 1, 1, dict.fromkeys(CLIENTS, 2), SPEC.initial_model)


def _changed(change: dict[str, Any]) -> RoundPlan:
    """The sums are those of the weights."""
    if "weights" in change:
        change["cohort"] = sum_of(change["weights"])
    return replace(_plan(), **change)


def _accept(plan: RoundPlan, *reputations: int) -> RoundScheme | None:
    check_plan(plan, SPEC, DOMAIN, 1, 1)  # as who derives it has it; who is shown a head alone is proven its place
    weight = plan.weight_of(CLIENTS[0])
    return accept_plan(plan.head(), SPEC, DOMAIN, 1, 1, weight, reputations or (2,))


def test_an_honest_plan_is_joined() -> None:
    plan = _plan()
    assert _accept(plan) == RoundScheme.of(plan.head(), SPEC.committee)


def test_a_client_outside_the_cohort_is_not_planned() -> None:
    assert _accept(_changed({"weights": cohort_of(CLIENTS[1:])})) is None


def test_any_of_the_reputations_that_cannot_be_told_apart_will_do() -> None:
    assert _accept(_plan(), 1, 2, 3) is not None
    with pytest.raises(HearthError, match="weight 2"):
        _accept(_plan(), 1, 3)
    with pytest.raises(HearthError, match="weight 2"):
        accept_plan(_plan(), SPEC, DOMAIN, 1, 1, 2, ())


@pytest.mark.parametrize(
    "change",
    [
        {"task": 2},
        {"round": 2},
        {"chain_id": 1},
        {"ledger": b"\x09" * 20},
        {"suite": "PAD/1"},
        {"spec": b"\x01" * 32},
        {"committee": b"\x01" * 32},
        {"key_epoch": 0},
        {"learning": with_terms(SPEC.learning, noise_multiplier_micro=1)},
        {"dimension": 2**32 - 1},
        {"min_clients": 1},
        {"max_share_ppm": 1_000_000},
        {"commit_seconds": 1},
        {"settle_seconds": 1},
        {"weights": tuple(ClientWeight(client, 2) for client in reversed(CLIENTS))},
        {"weights": tuple(ClientWeight(client, 2) for client in (*CLIENTS, CLIENTS[-1]))},
        {"weights": (ClientWeight(CLIENTS[0], 2),)},
        {"weights": tuple(ClientWeight(client, 3) for client in CLIENTS)},  # not what the reputation gives
    ],
    ids=lambda change: "-".join(change),
)
def test_a_plan_that_is_not_the_tasks_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(HearthError):
        _accept(_changed(dict(change)))


@pytest.mark.parametrize("weight", range(2, 6))
def test_a_screened_task_plans_with_any_part_of_the_weight_that_a_level_leaves(weight: int) -> None:
    spec = screened(SPEC, "foolsgold")
    parts = {-(-weight * level // 15) for level in range(16)}
    assert parts == set(range(weight + 1))

    def accepted(planned: int, of: TaskSpec) -> RoundScheme | None:
        plan = plan_round(of, DOMAIN, 1, 1, dict.fromkeys(CLIENTS, weight), of.initial_model)
        return accept_plan(plan.head(), of, DOMAIN, 1, 1, planned, (weight,))

    for planned in range(weight + 1):
        assert accepted(planned, spec) is not None
        if planned < weight:
            with pytest.raises(VerificationError, match=f"planned with weight {planned} "):
                accepted(planned, SPEC)
    with pytest.raises(VerificationError):
        accepted(weight + 1, spec)


@pytest.mark.parametrize("change", [{"root": b"\1" * 32}, {"count": 4}, {"total": 7}, {"squares": 13}, {"largest": 3}])
def test_a_cohort_that_does_not_add_up_is_refused(change: dict[str, Any]) -> None:
    plan = _plan()
    with pytest.raises(VerificationError, match="add up"):
        _accept(replace(plan, cohort=replace(plan.cohort, **change)))
