"""Nothing in the table of rounds is a formula, whatever the API says."""

from __future__ import annotations

import csv
import io

import pytest

from backend.dashboard.answers import Round, TaskDetails
from backend.dashboard.rounds_table import COLUMNS, table_of
from tests.unit.backend.dashboard.scene_many import Many

MANY = Many()
TASK = TaskDetails.model_validate(MANY.details(1))


def table(*rounds: Round) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(table_of(rounds, TASK))))


def test_each_round_is_a_line() -> None:
    (row,) = table(Round.model_validate(MANY.round(3)))
    assert tuple(row) == COLUMNS
    assert (row["round"], row["rejected"], row["uploaded_bytes"]) == ("3", "1", str(38 * 62_800))
    (abandoned,) = table(Round.model_validate(MANY.round(37)))
    assert abandoned["correct"] == "", "what is not known is empty"


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@sum(a1)", "a,b", 'a"b', "a\nb", "\u202ea"])
def test_no_cell_is_a_formula_or_breaks_its_line(text: str) -> None:
    (row,) = table(Round.model_validate(MANY.round(3) | {"outcome": text}))
    assert row["outcome"] == "" and row["edge_server"].startswith("0x")
