"""How the demonstration's tasks are screened: by the rule for their data, with terms that follow from their noise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from protocol.identifiers import ZERO_DIGEST
from protocol.messages.screening_terms import ABANDON, ALIGNMENT, FOOLSGOLD, KRUM, NONE
from protocol.messages.task import Committee, TaskSpec
from protocol.task.file_tables import Tables
from protocol.task.proposed_screening import screened
from protocol.version import SPEC_VERSION
from scripts.demonstration.data import DIRICHLET, IID, PARTITIONS

THRESHOLD: Final = 2  # of five authorities: three open inner products, five name a liar
PROBATION: Final = 0  # such a round takes all of commit_seconds, and few rounds have to move the model
UNSCREENED: Final = ("distributed", "correlated")  # mechanisms whose noise is not that of single updates
SUITES: Final = ("screened", "fe64", "pad")


def rule_for(dataset: str, partition: str | None = None) -> str:
    """Foolsgold where each household has data of its own; it would take those whose data are alike for one. Where they
    are half alike, krum: it keeps out only what is far from all others."""
    return {IID: ALIGNMENT, DIRICHLET: KRUM}.get(partition or PARTITIONS[dataset][0], FOOLSGOLD)


def rule_under(suite: str, dataset: str, partition: str | None = None) -> str:
    return rule_for(dataset, partition) if suite == "screened" else NONE


def idle_under(suite: str) -> int:
    """Seconds after which our own chains have an empty block: one that nobody brought about draws a round's sketch."""
    return 1 if suite == "screened" else 0


def suite_under(suite: str, mechanism: str) -> str:
    """What is screened by default is not under mechanisms that no task can be screened with."""
    return "fe64" if suite == "screened" and mechanism in UNSCREENED else suite


def with_screening(tables: Tables, rule: str, unopened: str = ABANDON) -> Tables:
    """The same task as it is screened. Raises SpecError."""
    members = tuple(bytes([number + 1]) * 20 for number in range(len(tables.committee.members)))
    given: Mapping[str, object] = {
        name: getattr(tables, name)
        for name in (
            "model", "learning", "privacy", "cohort", "reputation", "rewards", "durations", "schedule", "deposits",
            "control", "vouchers",
        )
    }  # fmt: skip
    task = tables.task
    spec = TaskSpec(
        version=SPEC_VERSION,
        title=task.title,
        suite=task.suite,
        initial_model=ZERO_DIGEST,
        test_set=ZERO_DIGEST,
        rounds=task.rounds,
        confirmations=task.confirmations,
        edge_server=task.edge_server,
        committee=Committee(THRESHOLD, members, tables.committee.corrupt),
        edge_substitutes=task.edge_substitutes,
        **given,  # type: ignore[arg-type]
    )
    found = screened(spec, rule, PROBATION)
    return replace(
        tables,
        task=replace(task, suite=found.suite),
        learning=found.learning,
        committee=replace(tables.committee, threshold=THRESHOLD),
        screening=replace(found.screening, unopened=unopened),
    )
