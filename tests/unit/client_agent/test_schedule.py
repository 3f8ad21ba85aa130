"""What a phone sends, when, and whether it goes on: the same whatever its household holds, under a simulated clock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest

from client_agent.data.loader import DataMissingError
from client_agent.privacy.ledger import (
    HOME,
    DataUse,
    LedgerEntry,
    PrivacyLedger,
    RoundCharged,
    Spending,
    apply,
)
from client_agent.schedule import Schedule, TooSlowError
from client_agent.training.trainers import seconds_of_a_round
from protocol.errors import MalformedError
from protocol.identifiers import ZERO_DIGEST
from protocol.messages.chain import RoundOpened
from protocol.messages.task import ScheduleTerms
from protocol.randomness import SeededRandomness
from protocol.task.limits import CohortLimits
from storage.records.fold import Folded
from storage.records.interface import Change, Records, RecordsDamagedError
from tests.unit.client_agent.scene_phone import UNTIL_BATCH, Phone
from tests.unit.client_agent.scene_server import COMMIT_SECONDS, ROUNDS, PlayedServer, SmallTrainer
from tests.unit.client_agent.scene_time import EVERY, FIRST, SPEC, Contact, Home, T, whole_task

HOMES: dict[str, Home] = {
    "many examples": Home(T / 2 - 0.1),
    "half of them": Home(3.37),
    "a trainer that fails": Home(2.5, ValueError("a shape\nand more")),
    "no memory": Home(7.77, MemoryError()),
    "no data any more": Home(0.0, DataMissingError("gone")),
}


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> list[Contact]:
    return whole_task(tmp_path_factory.mktemp("usual"), Home(0.02))[1]


def test_updates_are_sent_when_the_plan_and_a_draw_say(usual: list[Contact]) -> None:
    sent = [instant - FIRST - EVERY * number for number, instant in enumerate(_instants(usual, "submit"))]
    assert len(sent) == ROUNDS
    assert all(T <= instant < 2 * T for instant in sent)
    assert len(set(sent)) == ROUNDS
    for number in range(ROUNDS):
        opening = FIRST + EVERY * number
        heard = max(instant for instant, name in usual if opening <= instant < opening + T and name == "get")
        between = [name for instant, name in usual if heard < instant < opening + sent[number]]
        assert between == [], "nothing shows when the training ended"


@pytest.mark.parametrize("name", HOMES)
def test_nothing_shows_what_a_household_holds(name: str, usual: list[Contact], tmp_path: Path) -> None:
    phone, seen = whole_task(tmp_path, HOMES[name])
    assert seen == usual
    assert phone.paid() > 0
    without = [text for text in phone.told if "holds none of your examples" in text]
    assert len(without) == (ROUNDS if HOMES[name]._error else 0)
    assert all(text.isprintable() and not text.endswith(". ") for text in without), "one line, and a reason"
    assert not any(" s late" in text for text in phone.told)


def _spent_by(task: int) -> Callable[[Phone], None]:
    """Rounds of ``task`` on the same data, more than any budget is good for."""

    def spend(phone: Phone) -> None:
        consented = phone.agent.journal.consented
        assert consented is not None
        use = DataUse(HOME, replace(consented.binding, task=task), ZERO_DIGEST, SPEC.learning.mechanism)
        charged = tuple(RoundCharged(use, number) for number in range(1_000, 1_400))
        Folded(phone.household_records, get_args(LedgerEntry), Spending(), apply).change(lambda _: Change(charged))

    return spend


def _stricter(phone: Phone) -> None:
    phone.agent.participation.policy = replace(phone.policy, cohort=CohortLimits())


def _damaged(phone: Phone) -> None:
    def fail() -> Records:
        raise RecordsDamagedError("a line")

    phone.agent.participation.privacy = PrivacyLedger(fail)


REFUSALS: dict[str, tuple[Callable[[Phone], None], str]] = {
    "the task's budget is spent": (_spent_by(1), "have spent epsilon"),
    "the household's is": (_spent_by(2), "privacy.total_epsilon"),
    "the policy became stricter": (_stricter, "cohort.min_clients"),
    "the privacy ledger is damaged": (_damaged, "E_RECORDS_DAMAGED"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_nothing_shows_why_a_phone_may_not_use_its_examples(name: str, usual: list[Contact], tmp_path: Path) -> None:
    change, reason = REFUSALS[name]
    phone, seen = whole_task(tmp_path, Home(3.0), change)
    assert seen == usual
    assert not phone.charged() & {1, 2, 3}, "no example was read"
    assert len([text for text in phone.told if "none of your examples" in text and reason in text]) == ROUNDS


def test_a_training_that_fails_is_charged_all_the_same(tmp_path: Path) -> None:
    phone, _ = whole_task(tmp_path, Home(1.0, ValueError("a shape")))
    assert len(phone.agent.journal.sealed) == ROUNDS
    assert len(phone.charged()) == ROUNDS, "the training had started"


def test_a_missed_instant_is_shown_to_the_owner(tmp_path: Path) -> None:
    phone, seen = whole_task(tmp_path, Home(3.0 * T))
    assert len([text for text in phone.told if " s late" in text]) == ROUNDS
    assert len(_instants(seen, "submit")) == ROUNDS


def test_an_enrolment_is_sent_when_a_draw_says(usual: list[Contact]) -> None:
    """However long the phone looked at its examples."""
    (instant,) = _instants(usual, "enrol")
    assert T <= instant < 2 * T
    assert [name for at, name in usual if 0.25 < at < instant] == []


def test_a_phone_that_draws_otherwise_sends_at_another_instant() -> None:
    opened = _opened(commit_until=1_000 + COMMIT_SECONDS)
    drawn = {Schedule(SeededRandomness(bytes([n]))).instant(SPEC, opened, 1_000) for n in range(200)}
    assert drawn == set(range(1_000 + T, 1_000 + 2 * T))


def test_an_instant_stays_and_counts_from_the_opening_for_all_who_hear_of_it_in_time() -> None:
    opened, late = _opened(commit_until=1_000 + COMMIT_SECONDS), 1_000 + T // 2
    schedule = Schedule(SeededRandomness(b"one"))
    first = schedule.instant(SPEC, opened, 1_000)
    assert schedule.instant(SPEC, opened, 1_100) == first
    assert Schedule(SeededRandomness(b"one")).instant(SPEC, opened, late) == first
    assert Schedule(SeededRandomness(b"one")).instant(SPEC, opened, late + 1) == first + T // 2 + 1


def test_a_phone_that_starts_again_with_a_sealed_update_still_waits_for_its_instant(tmp_path: Path) -> None:
    phone = Phone(PlayedServer(), tmp_path)
    phone.steps(60)
    phone.server.open()
    phone.steps(T - 1)
    assert 1 in phone.agent.journal.sealed
    phone.start()
    phone.steps(0)
    assert phone.server.submitted == {}
    phone.steps(T)
    assert 1 in phone.server.submitted


def test_who_hears_of_a_round_too_late_to_train_in_time_leaves_it_out(tmp_path: Path) -> None:
    phone = Phone(PlayedServer(), tmp_path)
    phone.steps(60)
    phone.server.open()
    phone.server.chain.time += COMMIT_SECONDS - T
    phone.steps(5)
    assert phone.told[-1] == "round 1: heard of too late to take part in it; nothing is charged"
    assert not phone.charged()


def test_a_phone_that_cannot_keep_the_time_does_not_enrol(tmp_path: Path) -> None:
    phone = Phone(PlayedServer(), tmp_path)
    phone.agent.examination.measure = lambda _: T / 2 + 0.1
    before = len(phone.server.chain.events())
    with pytest.raises(
        TooSlowError, match=r"needs 10.1 s to train on 50 examples, and may take half of the task's 20 s"
    ):
        phone.steps(60)
    assert (len(phone.server.chain.events()), phone.told) == (before, [])


def test_data_that_do_not_fit_are_refused_before_the_owner_is_asked(tmp_path: Path) -> None:
    class Misfit(SmallTrainer):
        def check(self) -> int:
            raise MalformedError("number 3 has label 9")

    phone = Phone(PlayedServer(), tmp_path, household=Misfit())
    before = len(phone.server.chain.events())
    with pytest.raises(MalformedError, match="label 9"):
        phone.steps(60)
    assert (len(phone.server.chain.events()), phone.told) == (before, [])


def test_data_that_no_longer_fit_when_it_starts_again_stop_no_phone(tmp_path: Path) -> None:
    class Gone(SmallTrainer):
        def check(self) -> int:
            raise DataMissingError("household.safetensors")

    phone = Phone(PlayedServer(), tmp_path)
    phone.steps(60)
    phone.household = Gone()
    phone.start()
    phone.server.open()
    phone.steps(UNTIL_BATCH)
    assert 1 in phone.server.submitted
    assert any("not there as they were" in text for text in phone.told)


def test_the_measurement_is_of_as_many_examples_as_the_task_allows() -> None:
    ticks = iter((3.0, 5.5))
    assert seconds_of_a_round(SPEC, SeededRandomness(b"m"), lambda: next(ticks)) == 2.5
    many = replace(SPEC, schedule=ScheduleTerms(training_seconds=1, max_examples=2**24))
    with pytest.raises(MalformedError, match="more than a phone holds"):
        seconds_of_a_round(many, SeededRandomness(b"m"), lambda: 0.0)


def test_a_task_whose_phones_would_send_in_the_second_half_of_the_commit_phase_is_none() -> None:
    most = (COMMIT_SECONDS // 2 - SPEC.durations.objection_seconds) // 2
    replace(SPEC, schedule=ScheduleTerms(most, 1))
    with pytest.raises(MalformedError, match=f"training_seconds: {most + 1}"):
        replace(SPEC, schedule=ScheduleTerms(most + 1, 1))


def _instants(seen: list[Contact], name: str) -> list[float]:
    return [instant for instant, contact in seen if contact == name]


def _opened(commit_until: int) -> RoundOpened:
    return RoundOpened(
        block=1, log_index=0, transaction=bytes(32), task=1, round=1, plan=ZERO_DIGEST, label=b"\1" * 32,
        cohort_root=ZERO_DIGEST, cohort=3, beacon=ZERO_DIGEST, commit_until=commit_until, settle_until=commit_until + 1,
    )  # fmt: skip
