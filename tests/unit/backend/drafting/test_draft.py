"""A few answers make one task that runs, and every figure of it is the spec's own."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import contracts
from backend.drafting import figures
from backend.drafting.draft import DAY, Answers, Place, drafted
from backend.drafting.figures import figures_of
from backend.drafting.kinds import (
    APPLIANCE_TYPES,
    EPSILON_MICRO,
    HOUR_MINUTES,
    HOURS,
    next_hour,
    own,
)
from client_agent.data import power_windows, tracebase
from client_agent.policy import Policy
from protocol.domain import Domain
from protocol.encryption.committee import subsets
from protocol.errors import MalformedError, PolicyError
from protocol.messages.chain import DEFAULT_RULES
from protocol.privacy.spending import planned, spent
from protocol.task.owner_limits import check_task
from protocol.task.runnable import check_runnable
from protocol.task.work import work_of
from scripts.commands.task_file import TaskFile

PLACE = Place(b"\x0a" * 20, Domain(31337, b"\x0b" * 20), DEFAULT_RULES, 0, 1)
FIVE = tuple(bytes([number]) * 20 for number in range(1, 6))
ANSWERS = Answers("appliances", "Which appliance is it?", 20, 10, 10**16, "usual", 30, FIVE)
OWN = """
[model]
input_shape = [4]
classes = 2
layers = [{ kind = "linear", outputs = 2, bias = 1 }]

[learning.mechanism]
local_steps = 2
sampling_rate = 0.5
clip = 0.3
noise_multiplier = 5.0

[learning.optimiser]
learning_rate = 2.0
reference_count = 100

[learning.quantiser]
bound = 4.0
"""


@settings(max_examples=12, deadline=None)
@given(
    kind=st.sampled_from(["appliances", "next_hour", "digits"]),
    households=st.integers(2, 300) | st.integers(301, 1_000_000),
    rounds=st.integers(1, 40),
    reward=st.integers(1_000, 10**20),
    privacy=st.sampled_from(sorted(EPSILON_MICRO)),
    days=st.integers(1, 400),
    members=st.integers(2, 9),
    substitutes=st.integers(0, 3),
)
def test_whatever_is_answered_in_range_runs(
    kind: str,
    households: int,
    rounds: int,
    reward: int,
    privacy: str,
    days: int,
    members: int,
    substitutes: int,
) -> None:
    answers = Answers(
        kind, "A title", households, rounds, reward, privacy, days,
        tuple(bytes([number]) * 20 for number in range(1, members + 1)),
        tuple(bytes([number]) * 20 for number in range(100, 100 + substitutes)),
    )  # fmt: skip
    draft = drafted(answers, PLACE)
    assert draft.wrong == () and draft.spec is not None
    check_runnable(draft.spec)
    found = figures_of(draft.spec, PLACE.domain)
    assert found.escrow == draft.spec.budget()
    assert reward - rounds < found.reward <= reward
    charge = spent(planned(draft.spec, rounds), draft.spec.learning, draft.spec.privacy)
    assert found.privacy == charge.figure
    assert found.privacy.epsilon_micro <= EPSILON_MICRO[privacy]
    cohort = draft.spec.cohort
    assert (found.smallest, found.expected) == (cohort.min_clients, cohort.max_cohort)
    assert cohort.max_clients == households and (households > 300 or not cohort.draws)
    subsets(members, draft.spec.committee.threshold)


def test_the_noise_is_the_least_that_keeps_the_promise() -> None:
    spec = drafted(ANSWERS, PLACE).spec
    assert spec is not None
    mechanism = spec.learning.mechanism
    less = replace(mechanism, noise_multiplier_micro=mechanism.noise_multiplier_micro - 20_000)
    assert spent({less: 10}, spec.learning, spec.privacy).epsilon_micro > spec.privacy.epsilon_budget_micro


def test_the_task_file_makes_the_same_task(tmp_path: Path) -> None:
    draft = drafted(ANSWERS, PLACE)
    path = tmp_path / "task.toml"
    path.write_text(draft.task_file)
    assert draft.spec is not None

    def nobody(_: str) -> bytes:
        raise AssertionError("no authority is asked")

    again = TaskFile(path).spec(draft.spec.initial_model, draft.spec.test_set, nobody)
    assert again == draft.spec


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"title": " "}, "title"),
        ({"title": "two\nlines"}, "title"),
        ({"authorities": FIVE[:1]}, "authorities"),
        ({"authorities": (*FIVE, FIVE[0])}, "authorities"),
        ({"substitutes": (PLACE.edge_server,)}, "substitutes"),
        ({"reward": 5}, "reward"),
        ({"reward": 2**127}, "reward"),
        ({"kind": "own", "own": ""}, "own"),
        ({"kind": "own", "own": OWN.replace("linear", "lambda")}, "own"),
        ({"rounds": 1_000, "days": 1, "confirmations": 100}, "days"),
    ],
)
def test_what_is_wrong_stands_beside_its_answer(changed: dict[str, object], field: str) -> None:
    draft = drafted(replace(ANSWERS, **changed), PLACE)  # type: ignore[arg-type]
    assert [one.field for one in draft.wrong] == [field]
    assert not draft.complete and not draft.task_file


def test_figures_are_there_before_all_is_answered() -> None:
    draft = drafted(replace(ANSWERS, title="", authorities=()), PLACE)
    assert {one.field for one in draft.wrong} == {"title", "authorities"}
    assert draft.spec is not None and figures_of(draft.spec, PLACE.domain).escrow > 0


def test_refusals_are_those_of_the_owners_own_check() -> None:
    draft = drafted(replace(ANSWERS, households=8, confirmations=1), PLACE)
    assert draft.spec is not None
    found = figures_of(draft.spec, PLACE.domain).refusals
    assert {(one.owner, one.line) for one in found} == {
        ("trusting", "cohort.min_clients"), ("trusting", "trust.min_confirmations"),
        ("unchanged", "trust.chains"), ("unchanged", "trust.authorities"),
    }  # fmt: skip
    with pytest.raises(PolicyError) as caught:
        check_task(Policy(), draft.spec, PLACE.domain, work_of(draft.spec))
    assert (caught.value.line, caught.value.args[0]) in {(one.line, one.reason) for one in found}


def test_an_own_model_is_a_task_file_s_and_its_noise_is_the_least() -> None:
    draft = drafted(replace(ANSWERS, kind="own", own=OWN, privacy="weak", rounds=2), PLACE)
    assert draft.spec is not None and draft.wrong == ()
    assert draft.spec.learning.mechanism.noise_multiplier_micro == 5_000_000
    assert own(OWN + "\n[task]\nrounds = 3\n").model == draft.spec.model
    with pytest.raises(MalformedError, match=r"line 10: learning\.mechanism\.clap"):
        own(OWN.replace("clip = 0.3", "clap = 0.3"))
    with pytest.raises(MalformedError, match="parameters; a page drafts up to"):
        own(OWN.replace("input_shape = [4]", "input_shape = [1000000]"))
    with pytest.raises(MalformedError, match="tusk"):
        own(OWN + "[tusk]\n")


def test_kinds_are_what_households_have() -> None:
    assert (len(tracebase.TYPES), power_windows.HOUR_MINUTES, power_windows.LAGS) == (
        APPLIANCE_TYPES, HOUR_MINUTES, HOURS,
    )  # fmt: skip
    assert next_hour().model.input_shape == (power_windows.LAGS, 1)


def test_gas_is_what_was_measured() -> None:
    measured = json.loads((Path(contracts.__file__).parent / "gas.json").read_text())["functions"]
    assert measured["postTask"]["first"] == figures.POST_GAS
    names = ("openRound", "commitBatch", "requestKey", "publishRound")
    assert pytest.approx(sum(measured[name]["first"] for name in names), rel=0.001) == figures.ROUND_GAS
    assert measured["requestScreening"]["first"] == figures.SCREENING_GAS


def test_every_task_has_time_for_its_rounds() -> None:
    spec = drafted(replace(ANSWERS, rounds=1, days=1), PLACE).spec
    assert spec is not None and spec.durations.enrolment_seconds == DAY // 2


@pytest.mark.parametrize("kind", ["appliances", "next_hour", "digits"])
@pytest.mark.parametrize(("members", "threshold"), [(3, 2), (4, 2), (5, 2), (6, 2), (7, 3), (8, 3)])
def test_a_screened_draft_is_one_wherever_a_committee_can_open(kind: str, members: int, threshold: int) -> None:
    authorities = tuple(bytes([number]) * 20 for number in range(1, members + 1))
    draft = drafted(replace(ANSWERS, kind=kind, authorities=authorities, screening="foolsgold"), PLACE)
    spec = draft.spec
    assert draft.complete and spec is not None and not draft.unscreened
    check_runnable(spec)
    assert (spec.suite, spec.screening.rule, spec.committee.threshold) == ("PAD/1", "foolsgold", threshold)
    assert figures_of(spec, PLACE.domain).screening == "foolsgold"
    plain = drafted(replace(ANSWERS, kind=kind, authorities=authorities), PLACE).spec
    assert plain is not None and plain.privacy == spec.privacy
    assert plain.learning.mechanism == spec.learning.mechanism


@pytest.mark.parametrize(
    ("changed", "line"),
    [
        ({"authorities": FIVE[:2]}, "committee.members: 2"),
        ({"authorities": (*FIVE, *(bytes([number]) * 20 for number in range(20, 24)))}, "committee.members: 9 members"),
        ({"households": 4_001}, "cohort.max_clients: 4001"),
    ],
)
def test_why_a_draft_is_not_screened_stands_beside_it(changed: dict[str, object], line: str) -> None:
    asked = replace(ANSWERS, screening="alignment", **changed)  # type: ignore[arg-type]
    draft, plain = drafted(asked, PLACE), drafted(replace(asked, screening="none"), PLACE)
    assert draft.unscreened.startswith(line)
    assert draft.complete and draft.spec == plain.spec and not plain.unscreened


def test_a_screened_draft_is_drawn_from_as_many_as_can_be_compared(tmp_path: Path) -> None:
    draft = drafted(replace(ANSWERS, households=4_000, screening="foolsgold"), PLACE)
    assert draft.spec is not None
    assert (draft.spec.cohort.max_clients, draft.spec.cohort.max_cohort) == (4_000, 1_000)
    path = tmp_path / "task.toml"
    path.write_text(draft.task_file)
    assert TaskFile(path).spec(draft.spec.initial_model, draft.spec.test_set, lambda _: b"") == draft.spec
