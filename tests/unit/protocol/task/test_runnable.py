"""A task that can run passes; one that cannot is refused by the line that stands in the way, whoever looks at it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from protocol.encryption.suite import PAD
from protocol.errors import EncryptionError, Party, SpecError
from protocol.messages.chain import DEFAULT_RULES
from protocol.messages.learning import Layer, ModelSpec, ServerTerms
from protocol.messages.task import MAX_CLIENTS, Committee, ControlTerms, DepositTerms, RewardTerms, TaskSpec
from protocol.privacy.spending import planned, spent
from protocol.round.scheme import encoding_of
from protocol.task.runnable import affordable_rounds, check_ledger, check_runnable, doubts
from tests.samples import sample_spec, with_terms

SPEC = sample_spec()
MEMBERS = SPEC.committee.members
NOBODY = bytes(20)
TEN_YEARS = 3650 * 24 * 3600


def of(part: str, **changes: Any) -> TaskSpec:
    return replace(SPEC, **{part: replace(getattr(SPEC, part), **changes)})


def learning(**changes: Any) -> TaskSpec:
    return replace(SPEC, learning=with_terms(SPEC.learning, **changes))


def crowd(clients: int, **changes: int) -> TaskSpec:
    spec = learning(**changes)
    cohort = replace(spec.cohort, max_clients=clients, max_cohort=clients)
    return replace(spec, cohort=cohort, rewards=RewardTerms(0, 1, 1))


EARLY = of("durations", takeover_seconds=150)
MISSPELT = Layer("liner", {"outputs": 3, "bias": 1})
CONVOLUTION = Layer("convolution", {"channels": 1, "kernel": 1, "stride": 1})
LARGE = ModelSpec((10_000,), 3_000, (Layer("linear", {"outputs": 3_000, "bias": 0}),))
COST = spent(planned(SPEC, 1), SPEC.learning, SPEC.privacy).epsilon_micro
IMPOSSIBLE: dict[str, tuple[str, Callable[[], TaskSpec]]] = {
    "escape code": ("task.title", lambda: replace(SPEC, title="\x1b[2J")),
    "turned title": ("task.title", lambda: replace(SPEC, title="a\u202eb")),
    "blank title": ("task.title", lambda: replace(SPEC, title=" \u3000")),
    "unknown suite": ("task.suite", lambda: replace(SPEC, suite="FE65")),
    "unknown accountant": ("privacy.accountant", lambda: of("privacy", accountant="RENYI/2")),
    "no edge server": ("task.edge_server", lambda: replace(SPEC, edge_server=NOBODY)),
    "a server twice": ("task.edge_substitutes[0]", lambda: replace(EARLY, edge_substitutes=(EARLY.edge_server,))),
    "two roles": ("committee.members[1]", lambda: of("committee", members=(MEMBERS[0], SPEC.edge_server))),
    "a member twice": ("committee.members[2]", lambda: of("committee", members=(*MEMBERS[:2], MEMBERS[0]))),
    "nobody's word": ("reputation.sources[1]", lambda: of("reputation", sources=(MEMBERS[0], NOBODY))),
    "more than all": ("committee.threshold", lambda: of("committee", threshold=4)),
    "too many keys": (
        "committee.threshold",
        lambda: replace(SPEC, committee=Committee(8, tuple(bytes([1, n]) * 10 for n in range(16)), 0)),
    ),
    "unfit layers": ("model.layers[1]", lambda: of("model", layers=(*SPEC.model.layers, CONVOLUTION))),
    "misspelt layer": ("model.layers[0].kind", lambda: of("model", layers=(MISSPELT,))),
    "misspelt argument": (
        "model.layers[0].output", lambda: of("model", layers=(Layer("linear", {"output": 3, "bias": 1}),))
    ),
    "other classes": ("model.classes", lambda: of("model", classes=4)),
    "too large": ("model.layers", lambda: replace(SPEC, model=LARGE)),
    "no such packing": ("learning.encoding.packing", lambda: learning(packing=6)),
    "no such packing of the other": ("learning.encoding.packing", lambda: replace(SPEC, suite=PAD)),
    "too many bits": ("learning.quantiser.bits", lambda: learning(bits=30)),
    "a sum that overflows": ("cohort.max_cohort", lambda: crowd(500)),
    "no noise": ("learning.mechanism.noise_multiplier", lambda: learning(noise_multiplier_micro=0)),
    "a server that there is not": (
        "learning.server.kind", lambda: replace(SPEC, learning=replace(SPEC.learning, server=ServerTerms("avrage")))
    ),
    "weights of other classes": (
        "learning.optimiser.class_weights", lambda: learning(class_weights_micro=(1_000_000, 2_000_000))
    ),
    "fewer steps than it begins with": ("control.max_local_steps", lambda: replace(
        learning(local_steps=3), control=ControlTerms(max_local_steps=2)
    )),
    "a mean of more than all": ("control.averaged_rounds", lambda: of("control", averaged_rounds=4)),
    "no round within the budget": ("privacy.epsilon_budget", lambda: of("privacy", epsilon_budget_micro=COST - 1)),
    "no share": ("cohort.max_share", lambda: of("cohort", max_share_ppm=0)),
    "less than an equal share": ("cohort.max_share", lambda: of("cohort", min_clients=3, max_share_ppm=333_333)),
    "nothing to earn": ("rewards.participation", lambda: of("rewards", participation=0, contribution=0)),
    "an escrow without end": ("rewards", lambda: of("rewards", contribution=2**128 - 1)),
    "deposits without end": ("deposits", lambda: replace(SPEC, deposits=DepositTerms(5_000, 0, 2**126))),
    "no time to enrol": ("durations.enrolment_seconds", lambda: of("durations", enrolment_seconds=0)),
    "a hundred years": ("durations.task_seconds", lambda: of("durations", task_seconds=TEN_YEARS + 1)),
    "no time for a round": ("durations.task_seconds", lambda: of("durations", enrolment_seconds=86_400)),
    "disputes beyond a round": ("durations.dispute_seconds", lambda: of("durations", dispute_seconds=301)),
    "takeover beyond a round": ("durations.takeover_seconds", lambda: of("durations", takeover_seconds=301)),
    "claims before the last round": ("durations.claim_seconds", lambda: of("durations", claim_seconds=660)),
    "no training": ("schedule.training_seconds", lambda: of("schedule", training_seconds=0)),
}  # fmt: skip


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_what_cannot_run_is_refused_by_its_line(name: str) -> None:
    line, made = IMPOSSIBLE[name]
    with pytest.raises(SpecError) as refused:
        check_runnable(made())
    assert (refused.value.line, refused.value.fault) == (line, Party.MANUFACTURER)
    assert str(refused.value.args[0]) == f"{line}: {refused.value.reason}"


@pytest.mark.parametrize(
    "spec",
    [
        SPEC,
        of("privacy", epsilon_budget_micro=COST),
        of("cohort", min_clients=3, max_share_ppm=333_334),
        of("durations", dispute_seconds=0, takeover_seconds=0),
        of("durations", claim_seconds=661),
        of("reputation", initial=1),
        replace(SPEC, title="Küche, 厨房, кухня, مطبخ 🍳"),
        replace(SPEC, suite=PAD, learning=with_terms(SPEC.learning, packing=4)),
    ],
    ids=str,
)
def test_what_is_just_possible_passes(spec: TaskSpec) -> None:
    check_runnable(spec)


def test_as_many_clients_fit_as_the_refusal_says() -> None:
    with pytest.raises(SpecError, match=r"there is room for (\d+);") as refused:
        check_runnable(crowd(10_000))
    fitting = int(str(refused.value).split("room for ")[1].split(";")[0])
    check_runnable(crowd(fitting))
    encoding = encoding_of(SPEC)
    with pytest.raises(EncryptionError):
        encoding.check_budget([SPEC.reputation.maximum] * (fitting + 1))


LIGHT = {"bits": 4, "packing": 1}


@pytest.mark.parametrize(("light", "room"), [({}, 409), (LIGHT, 1_000)])
def test_too_many_for_fe64_are_told_of_pad(light: dict[str, int], room: int) -> None:
    """By its budget, and by what is proved of it where the budget has more room."""
    check_runnable(crowd(room, **light))
    with pytest.raises(SpecError, match=rf"there is room for {room};.* task.suite: PAD/1") as refused:
        check_runnable(crowd(room + 1, **light))
    assert refused.value.line == "cohort.max_cohort"


def test_pad_takes_the_largest_round_of_the_largest_task() -> None:
    spec = replace(crowd(10_000, packing=6), suite=PAD)
    check_runnable(replace(spec, cohort=replace(spec.cohort, max_clients=MAX_CLIENTS)))


def test_rounds_beyond_the_budget_or_the_time_are_said() -> None:
    assert (affordable_rounds(SPEC), list(doubts(SPEC))) == (SPEC.rounds, [])
    two = spent(planned(SPEC, 2), SPEC.learning, SPEC.privacy).epsilon_micro
    short = of("privacy", epsilon_budget_micro=two)
    assert affordable_rounds(short) == 2
    assert affordable_rounds(of("privacy", epsilon_budget_micro=two - 1)) == 1
    (said,) = doubts(short)
    assert said.startswith("privacy.epsilon_budget: pays 2 of 3 rounds")
    (said,) = doubts(replace(SPEC, durations=replace(SPEC.durations, task_seconds=600 + 2 * 40)))
    assert said.startswith("durations.task_seconds: leaves time for 2 of 3 rounds")
    (said,) = doubts(of("reputation", initial=1))
    assert said.startswith("reputation.initial")


@pytest.mark.parametrize(
    ("line", "changes"),
    [
        ("reputation.maximum", {"maximum": 6}),
        ("reputation.floor", {"floor": 1}),
        ("reputation.waiting_seconds", {"waiting_seconds": 7}),
        ("durations.claim_seconds", {"claim_seconds": 86_401}),
    ],
)
def test_a_ledger_takes_a_task_of_its_own_rules(line: str, changes: dict[str, int]) -> None:
    check_ledger(SPEC, DEFAULT_RULES, 0)
    with pytest.raises(SpecError) as refused:
        check_ledger(SPEC, replace(DEFAULT_RULES, **changes), 0)
    assert refused.value.line == line


def test_the_first_task_of_a_ledger_takes_new_addresses_at_once() -> None:
    for_known = of("reputation", initial=1)
    check_ledger(for_known, DEFAULT_RULES, 1)
    with pytest.raises(SpecError, match=r"reputation\.initial: 1 is below the floor of 2"):
        check_ledger(for_known, DEFAULT_RULES, 0)
