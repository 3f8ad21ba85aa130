"""A plan is held against its task: also how many it may plan."""

from __future__ import annotations

from dataclasses import replace

import pytest

from protocol.canonical import encode
from protocol.cohort import sum_of
from protocol.errors import Party, VerificationError
from protocol.identifiers import sha256
from protocol.round.planning import check_plan
from tests.samples import DOMAIN
from tests.unit.protocol.task.told_task import ToldTask


@pytest.mark.parametrize(("most", "planned", "allowed"), [(3, 3, True), (2, 2, True), (2, 3, False), (3, 1, False)])
def test_a_cohort_is_as_large_as_the_task_allows(most: int, planned: int, allowed: bool) -> None:
    told = ToldTask()
    spec = replace(told.spec, cohort=replace(told.spec.cohort, max_cohort=most))
    weights = told.plans[0].weights[:planned]
    plan = replace(told.plans[0], spec=sha256(encode(spec)), weights=weights, cohort=sum_of(weights))
    if allowed:
        check_plan(plan, spec, DOMAIN, 1, 1)
        return
    with pytest.raises(VerificationError, match=f"a cohort of {planned} is not allowed") as caught:
        check_plan(plan, spec, DOMAIN, 1, 1)
    assert caught.value.fault is Party.EDGE_SERVER
