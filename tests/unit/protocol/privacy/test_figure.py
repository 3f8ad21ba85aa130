"""Nobody reads an epsilon without what it means."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.canonical import decode, encode
from protocol.errors import MalformedError
from protocol.messages.learning import MICRO
from protocol.privacy.figure import Adjacency, Definition, PrivacyFigure, Unit, millionths

FIGURE = PrivacyFigure(943_000, 10, "PLD/1")


def test_a_classical_figure_in_words() -> None:
    assert str(FIGURE) == (
        "differential privacy of one example (add or remove one) with epsilon 0.943 at delta 1e-10,"
        " computed by PLD/1 from this client's own noise alone"
    )


def test_an_indicative_bayesian_figure_in_words() -> None:
    figure = PrivacyFigure(8_000_001, 5, "BAYES-STUDENT/1", Unit.HOUSEHOLD, Definition.WEAK, 9, indicative=1)
    assert str(figure) == (
        "weak Bayesian differential privacy of one household (add or remove one) with epsilon 8.000001 at delta 1e-5,"
        " computed by BAYES-STUDENT/1 from the noise of 9 clients together, all assumed to be honest;"
        " indicative only, since too few are held out to estimate it"
    )


@pytest.mark.parametrize(
    "changed",
    [
        {"epsilon_micro": 943_001},
        {"delta_exponent": 9},
        {"accountant": "RENYI/1"},
        {"unit": Unit.APPLIANCE},
        {"definition": Definition.STRONG},
        {"honest_clients": 2},
        {"indicative": 1},
        {"adjacency": Adjacency.DATA_OR_NONE},
    ],
)
def test_whatever_differs_is_read(changed: dict[str, Any]) -> None:
    other = replace(FIGURE, **changed)
    assert str(other) != str(FIGURE) and "\n" not in str(other)


@pytest.mark.parametrize("definition", list(Definition))
@pytest.mark.parametrize("unit", list(Unit))
def test_every_kind_has_a_name(definition: Definition, unit: Unit) -> None:
    sentence = str(replace(FIGURE, definition=definition, unit=unit))
    assert f" of one {unit} ({Adjacency.ADD_OR_REMOVE_ONE}) " in sentence
    assert definition is Definition.CLASSICAL or definition in sentence
    assert decode(PrivacyFigure, encode(replace(FIGURE, definition=definition, unit=unit))).unit == unit


@pytest.mark.parametrize("field", ["unit", "definition", "adjacency"])
def test_no_other_words_make_a_figure(field: str) -> None:
    with pytest.raises(MalformedError, match="'anything', which is no"):
        replace(FIGURE, **{field: "anything"})  # type: ignore[arg-type]
    with pytest.raises(MalformedError):
        decode(PrivacyFigure, encode(FIGURE).replace(b'"example"', b'"anything"'))


@given(st.floats(0.0, 1e6))
@settings(max_examples=50)
def test_figures_are_rounded_up(epsilon: float) -> None:
    assert epsilon * MICRO <= millionths(epsilon) <= epsilon * MICRO * (1 + 2e-12) + 1
