"""What is written as TOML is read back as the same values, in natural units."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, replace
from typing import Any

import pytest

from protocol.identifiers import Address
from protocol.messages.learning import BayesianTerms, Layer, LearningTerms, MechanismTerms, ServerTerms
from protocol.messages.task import ControlTerms, TaskSpec
from protocol.strict_toml import parse_toml
from protocol.toml_text import toml_of
from tests.samples import sample_spec


@dataclass(frozen=True, slots=True)
class Odd:
    said: str
    yes: bool
    holders: tuple[Address, ...]
    layers: tuple[Layer, ...]
    missing: str | None = None


@dataclass(frozen=True, slots=True)
class Tables:
    odd: Odd
    learning: LearningTerms
    control: ControlTerms


def _spec() -> TaskSpec:
    return sample_spec()


def _tables(learning: LearningTerms) -> Tables:
    layers = (Layer("flatten", {}), Layer("linear", {"outputs": 10, "bias": 0}))
    odd = Odd('a "word" and a \\', True, (b"\1" * 20, b"\xff" * 20), layers)
    return Tables(odd, learning, ControlTerms(max_local_steps=3, patience=7))


@pytest.mark.parametrize("kind", ["as before", "every table"])
def test_what_is_written_is_read_back(kind: str) -> None:
    learning = _spec().learning
    if kind == "every table":
        mechanism = replace(learning.mechanism, kind="correlated", separation=3, band_micro=(-500_000, 125_000, 1))
        learning = replace(
            learning,
            mechanism=mechanism,
            optimiser=replace(learning.optimiser, class_weights_micro=(1, 2_500_000)),
            bayesian=BayesianTerms(1_500_000, 10, 200_000, (mechanism.noise_multiplier_micro, 2**40), 1, 100_000),
            server=ServerTerms("adam", 6_000, 900_000, 990_000, 1),
        )
    tables = _tables(learning)
    assert parse_toml(Tables, toml_of(tables).encode(), "written") == tables


def test_the_file_has_natural_units_and_no_table_twice() -> None:
    learning = replace(_spec().learning, mechanism=MechanismTerms(4, 250_000, 1_500_000, 3))
    read: dict[str, Any] = tomllib.loads(toml_of(_tables(learning)))
    mechanism = read["learning"]["mechanism"]
    assert (mechanism["sampling_rate"], mechanism["clip"], mechanism["noise_multiplier"]) == (0.25, 1.5, 0.000003)
    assert read["odd"]["layers"] == [{"kind": "flatten"}, {"kind": "linear", "outputs": 10, "bias": 0}]
    assert "missing" not in read["odd"]
