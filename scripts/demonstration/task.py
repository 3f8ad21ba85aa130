"""The demonstration's task, written as the TOML file that a manufacturer would write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from protocol.encryption.suite import FE64, PAD
from protocol.identifiers import Address
from protocol.messages.learning import MICRO, LearningTerms, ModelSpec
from protocol.messages.screening_terms import ABANDON, NO_SCREENING, NONE
from protocol.messages.task import (
    CohortTerms,
    ControlTerms,
    DepositTerms,
    Durations,
    PrivacyTerms,
    ScheduleTerms,
)
from protocol.messages.vouchers import NO_VOUCHERS, VoucherTerms
from protocol.task.file_tables import CommitteeTable, Files, Member, Tables, TaskTable
from protocol.toml_text import toml_of
from scripts.demonstration.mechanisms import budget_of, encoded, terms_under, with_trust
from scripts.demonstration.presets import (
    DEMO_REPUTATION,
    DEMO_REWARDS,
    PRESETS,
    with_enough_noise,
)
from scripts.demonstration.screening import with_screening

THRESHOLD = {FE64: 3, PAD: 2}  # of five authorities
DAY_SECONDS = 86_400
ENROLMENT_SECONDS = 600  # rounds begin earlier once everybody has enrolled
CORRUPT = 1  # so four of five must see a request, and one may be silent
OBJECTION_SECONDS = 1  # phone and chain are on one machine
NOTHING_ELSE: Mapping[str, int] = {}
TEST_SET = "test-set.safetensors"
SUITES = {"screened": PAD, "fe64": FE64, "pad": PAD}  # as the demonstration's option names them


def terms_for(
    dataset: str, rounds: int, mechanism: str = "example", clients: int = 10
) -> tuple[ModelSpec, LearningTerms, PrivacyTerms]:
    model, preset, usual = PRESETS[dataset].terms()
    learning = with_trust(terms_under(mechanism, preset), least_cohort(clients), DEMO_REPUTATION)
    privacy = budget_of(learning, usual, rounds)
    return model, with_enough_noise(learning, privacy, rounds), privacy


def least_cohort(clients: int) -> int:
    return max(2, clients // 2)


def usual_deposits(clients: int) -> DepositTerms:
    """The least that a task can do with: the bond of an edge server covers what a cohort is owed."""
    return DepositTerms(edge_server=clients * DEMO_REWARDS.participation)


def write_task_file(
    path: Path,
    dataset: str,
    clients: int,
    rounds: int,
    edge_servers: Sequence[Address],
    authority_urls: Sequence[str],
    phase_seconds: int = 180,
    suite: str = FE64,
    deposits: DepositTerms | None = None,
    cohort: Mapping[str, int] = NOTHING_ELSE,
    mechanism: str = "example",
    vouchers: VoucherTerms = NO_VOUCHERS,
    rule: str = NONE,
    unopened: str = ABANDON,
) -> None:
    """``phase_seconds`` bounds a round's commit and settle phases; it ends as soon as everyone has committed. The first
    of ``edge_servers`` acts first, the others are its substitutes. ``deposits``: the usual ones if left out.
    ``cohort``: fields in place of the usual ones. ``mechanism``: one of MECHANISMS. ``vouchers``: that it needs.
    ``rule``: by which it is screened; ``unopened``: what becomes of a round then that too few authorities open."""
    preset, (model, learning, privacy) = PRESETS[dataset], terms_for(dataset, rounds, mechanism, clients)
    tables = Tables(
        task=TaskTable(
            title=preset.title,
            rounds=rounds,
            edge_server=edge_servers[0],
            suite=suite,
            edge_substitutes=tuple(edge_servers[1:]),
        ),
        files=Files(TEST_SET),
        model=model,
        learning=encoded(learning, model, suite, preset.max_examples),
        privacy=privacy,
        cohort=replace(CohortTerms(least_cohort(clients), clients, clients, MICRO // 2), **dict(cohort)),
        reputation=DEMO_REPUTATION,
        rewards=DEMO_REWARDS,
        durations=Durations(
            enrolment_seconds=ENROLMENT_SECONDS,
            commit_seconds=phase_seconds,
            objection_seconds=OBJECTION_SECONDS,
            settle_seconds=phase_seconds,
            task_seconds=DAY_SECONDS,
            claim_seconds=DAY_SECONDS,
            dispute_seconds=2,
            takeover_seconds=phase_seconds // 2,
            roster_seconds=phase_seconds,
        ),
        schedule=ScheduleTerms(preset.training_seconds, preset.max_examples),
        committee=CommitteeTable(THRESHOLD[suite], CORRUPT, tuple(Member(url=url) for url in authority_urls)),
        deposits=deposits or usual_deposits(clients),
        control=ControlTerms(),
        vouchers=vouchers,
        screening=NO_SCREENING,
    )
    path.write_text(toml_of(tables if rule == NONE else with_screening(tables, rule, unopened)))
