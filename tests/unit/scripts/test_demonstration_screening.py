"""The demonstration's task as it is screened: it can run, costs the same privacy, and learns as far in a round."""

from __future__ import annotations

from pathlib import Path

import pytest

from protocol.errors import MalformedError
from protocol.messages.learning import MICRO
from protocol.messages.task import TaskSpec
from scripts.commands.task_file import TaskFile
from scripts.demonstration.data import PARTITIONS
from scripts.demonstration.mechanisms import MECHANISMS
from scripts.demonstration.presets import PRESETS
from scripts.demonstration.screening import UNSCREENED, rule_for, suite_under
from scripts.demonstration.task import SUITES, write_task_file

MEMBERS = {f"http://127.0.0.1:{port}": bytes([port]) * 20 for port in range(1, 6)}


def spec_of(path: Path, dataset: str, rule: str, mechanism: str = "example", rounds: int = 10) -> TaskSpec:
    write_task_file(
        path, dataset, 10, rounds, [b"\x0a" * 20], list(MEMBERS), suite=SUITES["screened"], mechanism=mechanism,
        rule=rule,
    )  # fmt: skip
    return TaskFile(path).spec(b"\1" * 32, b"\2" * 32, MEMBERS.__getitem__)


@pytest.mark.parametrize("dataset", PRESETS)
def test_every_data_set_is_screened_by_the_rule_for_it(dataset: str, tmp_path: Path) -> None:
    path = tmp_path / "task.toml"
    rule = rule_for(dataset)
    spec, plain = spec_of(path, dataset, rule), spec_of(path, dataset, "none")
    assert (spec.suite, spec.learning.encoding.packing, spec.committee.threshold) == ("PAD/1", 6, 2)
    assert (spec.screening.rule, spec.screening.probation, spec.screening.window) == (rule, 0, 10)
    assert (spec.learning.mechanism, spec.privacy) == (plain.learning.mechanism, plain.privacy)
    assert not plain.screening.on

    def step(of: TaskSpec) -> float:
        """How far one clip moves a coordinate in as many rounds as it takes to send all."""
        sparsity = of.learning.sparsity
        rate = of.learning.optimiser.learning_rate_micro * sparsity.scale_micro / MICRO
        return rate * (1 if of.learning.mechanism.local_steps > 1 else sparsity.density_ppm / MICRO)

    density = plain.learning.sparsity.density_ppm / MICRO
    assert step(spec) == step(plain) * (density if plain.learning.mechanism.local_steps > 1 else 1)


def test_alike_data_are_no_case_for_foolsgold() -> None:
    rules = {(dataset, part): rule_for(dataset, part) for dataset, parts in PARTITIONS.items() for part in parts}
    assert {rule for (_, part), rule in rules.items() if part == "iid"} == {"alignment"}
    assert {rule for (_, part), rule in rules.items() if part == "dirichlet"} == {"krum"}
    assert {rule for (_, part), rule in rules.items() if part in ("one-class", "household")} == {"foolsgold"}


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_mechanisms_that_cannot_be_screened_go_on_without(mechanism: str, tmp_path: Path) -> None:
    suite = suite_under("screened", mechanism)
    assert (suite == "fe64") == (mechanism in UNSCREENED)
    assert suite_under("pad", mechanism) == "pad"
    path = tmp_path / "task.toml"
    if mechanism in UNSCREENED:
        with pytest.raises(MalformedError, match="mechanism"):
            spec_of(path, "digits", "foolsgold", mechanism)
    else:
        assert spec_of(path, "digits", "foolsgold", mechanism).screening.on
