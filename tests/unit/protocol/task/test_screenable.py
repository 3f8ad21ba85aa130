"""A task that cannot be screened as it says is refused by its line; what it should know of one that can is said."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from protocol.encryption.suite import FE64
from protocol.errors import MalformedError, Party, SpecError
from protocol.messages.learning import MICRO, BayesianTerms, EncodingTerms, SparsityTerms
from protocol.messages.screening_terms import NO_SCREENING
from protocol.messages.task import MAX_COHORT, Committee, ControlTerms, TaskSpec
from protocol.privacy.figure import OpenedFigure, PrivacyFigure
from protocol.task.proposed_screening import screened
from protocol.task.runnable import check_runnable, doubts
from protocol.task.screenable import check_screenable, screening_doubts
from tests.samples import sample_spec, with_terms

FIVE = Committee(2, tuple(bytes([7, j]) * 10 for j in range(5)), 1)
SPEC = screened(replace(sample_spec(), rounds=40, committee=FIVE), "foolsgold", 20)


def of(part: str, **changes: Any) -> TaskSpec:
    return replace(SPEC, **{part: replace(getattr(SPEC, part), **changes)})


def learning(**changes: Any) -> TaskSpec:
    return replace(SPEC, learning=with_terms(SPEC.learning, **changes))


def crowd(**changes: int) -> TaskSpec:
    cohort = replace(SPEC.cohort, **changes)
    return replace(SPEC, cohort=cohort, rewards=replace(SPEC.rewards, participation=0))


def bayesian() -> TaskSpec:
    noise = SPEC.learning.mechanism.noise_multiplier_micro
    terms = BayesianTerms(MICRO, 5, 100_000, (noise, 2 * noise), 0, MICRO // 10)
    return replace(SPEC, learning=replace(SPEC.learning, bayesian=terms))


IMPOSSIBLE: dict[str, tuple[str, Callable[[], TaskSpec]]] = {
    "another suite": (
        "task.suite", lambda: replace(SPEC, suite=FE64, learning=replace(SPEC.learning, encoding=EncodingTerms(1)))
    ),
    "short words": ("learning.encoding.packing", lambda: learning(packing=4)),
    "too few to open": ("committee.members", lambda: of("committee", threshold=4, corrupt=1)),
    "a large round": ("cohort.max_cohort", lambda: crowd(max_clients=1_001, max_cohort=1_001)),
    "a large task": ("cohort.max_clients", lambda: crowd(max_clients=4_001, max_cohort=1_000)),
    "a sum's noise": ("learning.mechanism.kind", lambda: learning(kind="distributed")),
    "noise taken back": ("learning.mechanism.kind", lambda: learning(kind="correlated", band_micro=(500_000,))),
    "own noise": ("learning.bayesian.selection_epsilon", bayesian),
    "adapted steps": ("control.max_local_steps", lambda: replace(SPEC, control=ControlTerms(max_local_steps=3))),
    "turns": ("learning.sparsity.density", lambda: learning(density_ppm=100_000, scale_micro=10 * MICRO)),
    "never moves": ("screening.probation", lambda: of("screening", probation=40)),
    "a number beyond": ("screening.norm_bound", lambda: learning(bits=SPEC.learning.quantiser.bits - 1)),
    "no room for noise": ("screening.norm_bound", lambda: of("screening", norm_bound=40, clip=20)),
}  # fmt: skip


def test_a_proposed_task_can_run() -> None:
    check_runnable(SPEC)
    assert SPEC.screening.on
    assert SPEC.learning.sparsity == SparsityTerms(MICRO, MICRO)


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_one_that_cannot_be_screened_is_refused_by_its_line(name: str) -> None:
    line, make = IMPOSSIBLE[name]
    with pytest.raises(SpecError) as caught:
        check_screenable(make())
    assert caught.value.line == line
    assert caught.value.fault is Party.MANUFACTURER
    with pytest.raises(SpecError):
        check_runnable(make())


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_none_of_that_holds_for_a_task_that_is_not_screened(name: str) -> None:
    check_screenable(replace(IMPOSSIBLE[name][1](), screening=NO_SCREENING))


def test_as_large_as_a_screened_task_can_be() -> None:
    check_screenable(crowd(max_clients=4_000, max_cohort=1_000))
    check_screenable(of("committee", threshold=3, corrupt=1))
    assert MAX_COHORT > 1_000


def test_a_figure_that_counts_the_noise_of_others_is_void_where_updates_are_opened() -> None:
    alone = PrivacyFigure(MICRO, 5, "PLD/1")
    assert OpenedFigure(alone).figure is alone
    with pytest.raises(MalformedError, match="noise of 3 clients together bounds nothing"):
        OpenedFigure(replace(alone, honest_clients=3))


def said(spec: TaskSpec) -> list[str]:
    return [doubt.split(":")[0] for doubt in screening_doubts(spec)]


def test_what_a_manufacturer_should_know() -> None:
    assert said(replace(SPEC, screening=NO_SCREENING)) == []
    usual = ["screening.rule"]
    quiet = with_terms(SPEC.learning, noise_multiplier_micro=100_000)
    assert said(replace(SPEC, learning=quiet, schedule=replace(SPEC.schedule, max_examples=40))) == usual
    assert "alike" in next(iter(screening_doubts(of("screening", rule="alignment"))))
    assert "committee.members" in said(replace(SPEC, committee=Committee(2, FIVE.members[:4], 1)))
    three = replace(SPEC, committee=Committee(2, FIVE.members[:3], 1))
    assert said(three).count("committee.members") == 2
    assert "screening.clip" in said(of("schedule", max_examples=10_000))
    tight = SPEC.screening
    room = replace(
        SPEC, screening=replace(tight, clip=tight.norm_bound), schedule=replace(SPEC.schedule, max_examples=9)
    )
    assert "screening.norm_bound" in said(room)
    assert set(said(SPEC)) <= {doubt.split(":")[0] for doubt in doubts(SPEC)}


def test_noise_takes_rounds() -> None:
    noisy = learning(noise_multiplier_micro=20 * MICRO)
    noisy = screened(noisy, "foolsgold")
    assert (noisy.screening.probation, noisy.screening.copy_ppm) == (10, 300_000)
    assert "screening.probation" in said(noisy)
    later = replace(noisy, screening=replace(noisy.screening, probation=20))
    assert "screening.probation" not in said(later)
    assert "screening.copy" in said(replace(later, screening=replace(later.screening, copy_ppm=980_000)))
