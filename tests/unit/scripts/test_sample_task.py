"""docs/samples/task.toml, which ``hearth task init`` writes: every field, true defaults, terms that fit together."""

from __future__ import annotations

import tomllib
from dataclasses import fields
from pathlib import Path

import pytest
from typer.testing import CliRunner

from backend.key_authority.policy import AuthorityPolicy
from backend.key_authority.policy import check_task as check_by_authority
from client_agent.policy import Policy
from protocol.identifiers import Address
from protocol.messages.chain import DEFAULT_RULES
from protocol.messages.learning import LearningTerms, ModelSpec
from protocol.messages.task import DepositTerms, Durations, ReputationTerms, TaskSpec
from protocol.privacy.spending import planned, spent
from protocol.round.key_request import check_quorum
from protocol.round.scheme import encoding_of
from protocol.task.owner_limits import AcceptedChain, TrustLimits, check_task
from protocol.task.work import work_of
from scripts.cli import app
from scripts.commands.task_file import SAMPLE, TaskFile
from tests.samples import DOMAIN

TEXT = SAMPLE.read_text()
LINES = TEXT.splitlines()
DEFAULTS = [number for number, line in enumerate(LINES) if "default" in line and not line.startswith("#")]


def spec_of(path: Path) -> TaskSpec:
    def identify(url: str) -> Address:
        return url.encode()[-20:]

    return TaskFile(path).spec(b"\1" * 32, b"\2" * 32, identify)


def without_units(names: list[str]) -> list[str]:
    return [name.removesuffix("_ppm").removesuffix("_micro") for name in names]


def test_the_sample_is_a_task() -> None:
    spec = spec_of(SAMPLE)
    for rounds in range(1, spec.rounds + 1):
        charge = spent(planned(spec, rounds), spec.learning, spec.privacy)
        assert charge.epsilon_micro <= spec.privacy.epsilon_budget_micro
    for count in (spec.cohort.min_clients, spec.cohort.max_cohort):
        weights = [spec.reputation.maximum] * count
        encoding_of(spec).check_budget(weights)
        check_quorum(weights, spec.cohort.min_clients, spec.cohort.max_share_ppm)
    rules = (spec.reputation.maximum, spec.reputation.floor, spec.reputation.waiting_seconds)
    assert rules == (DEFAULT_RULES.maximum, DEFAULT_RULES.floor, DEFAULT_RULES.waiting_seconds)
    assert spec.durations.claim_seconds >= DEFAULT_RULES.claim_seconds


def test_it_is_within_the_usual_policies_once_chain_and_authorities_are_listed() -> None:
    spec = spec_of(SAMPLE)
    known = spec.committee.members
    policy = Policy(trust=TrustLimits(chains=(AcceptedChain(DOMAIN.chain_id),), authorities=known))
    check_task(policy, spec, DOMAIN, work_of(spec))
    check_by_authority(AuthorityPolicy(), spec)


def test_every_field_is_there() -> None:
    tables = tomllib.loads(TEXT)
    for name, terms in (("durations", Durations), ("deposits", DepositTerms), ("reputation", ReputationTerms)):
        assert sorted(tables[name]) == sorted(field.name for field in fields(terms))
    parts = {part.name: type(getattr(spec_of(SAMPLE).learning, part.name)) for part in fields(LearningTerms)}
    assert sorted(tables["learning"]) == sorted(parts)
    for name, part in parts.items():
        assert sorted(tables["learning"][name]) == sorted(without_units([field.name for field in fields(part)]))
    spec = spec_of(SAMPLE)
    for name in ("privacy", "cohort", "rewards", "control", "screening"):
        assert sorted(tables[name]) == sorted(without_units([field.name for field in fields(getattr(spec, name))]))
    named = {name for table in ("task", "model", "committee") for name in tables[table]} | {*tables, "initial_model"}
    of_the_file = {"files", "task", *without_units([field.name for field in fields(ModelSpec)])}
    of_the_file |= {"threshold", "corrupt", "members"}
    assert named == {field.name for field in fields(TaskSpec)} - {"version", "test_set"} | of_the_file


@pytest.mark.parametrize("number", DEFAULTS, ids=lambda number: LINES[number].split(" ")[0])
def test_a_default_holds_without_its_line(number: int, tmp_path: Path) -> None:
    path = tmp_path / "task.toml"
    path.write_text("\n".join(LINES[:number] + LINES[number + 1 :]))
    assert spec_of(path) == spec_of(SAMPLE)


def test_the_wheel_has_it_where_the_command_looks() -> None:
    root = Path(__file__).resolve().parents[3]
    wheel = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    folder = SAMPLE.parent.relative_to(root).as_posix()
    assert folder in wheel["only-include"]
    assert wheel["sources"][folder] == f"{wheel['sources']['scripts'].removesuffix('scripts')}{folder}"


def test_there_are_defaults() -> None:
    assert len(DEFAULTS) > 10


def test_init_writes_the_sample_and_never_over_a_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    assert CliRunner().invoke(app, ["task", "init", str(path)]).exit_code == 0
    assert path.read_text() == TEXT
    path.write_text("mine")
    assert CliRunner().invoke(app, ["task", "init", str(path)]).exit_code == 2
    assert path.read_text() == "mine"
