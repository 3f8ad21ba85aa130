"""Gas as a regression test: measured on anvil as the command does, small sizes, against the committed snapshot."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest

from scripts.bench.gas import run, state_changing_functions
from scripts.bench.gas_report import TARGETS, missed, read_snapshot, risen
from tests.ports.chains import running_chain


@cache
def measured() -> dict[str, Any]:
    chain = running_chain("anvil")
    return run([10, 100], chain.rpc_url, chain.faucet, print)


def test_no_figure_rose_by_more_than_two_percent() -> None:
    assert risen(measured(), read_snapshot()) == []


def test_every_promise_is_met() -> None:
    assert missed(measured()) == []


def test_every_function_that_costs_gas_is_measured_twice() -> None:
    functions = measured()["functions"]
    assert functions.keys() == state_changing_functions(), "add steps to scripts/bench/gas.py"
    assert [name for name, uses in functions.items() if uses.keys() != {"first", "later"}] == []


def test_the_work_of_a_round_does_not_depend_on_the_number_of_clients() -> None:
    per_update = measured()["per_update"]
    assert per_update["10"] * 10 == pytest.approx(per_update["100"] * 100, rel=0.005)


def test_the_snapshot_covers_a_thousand_clients() -> None:
    assert read_snapshot()["per_update_all_in"].keys() == {"10", "100", "1000"}


@pytest.mark.parametrize(("factor", "seen"), [(1.019, False), (1.021, True), (0.5, False)])
def test_a_rise_is_seen_from_two_percent_on(factor: float, seen: bool) -> None:
    snapshot = read_snapshot()
    changed = copy.deepcopy(snapshot)
    changed["functions"]["openRound"]["later"] *= factor
    assert [complaint.partition(":")[0] for complaint in risen(changed, snapshot)] == ["openRound later"] * seen


def test_a_figure_without_a_snapshot_is_said() -> None:
    snapshot = read_snapshot()
    changed = copy.deepcopy(snapshot)
    changed["functions"]["newFunction"] = {"first": 1}
    assert risen(changed, snapshot) == ["newFunction first: 1, not in the snapshot"]


@pytest.mark.parametrize(
    ("what", "spoil"),
    [
        ("per round, all transactions", lambda result: result["round"].update(openRound=400_000)),
        ("per round, cohort drawn", lambda result: result["drawn_round"].update(openRound=450_000)),
        ("per update, 100 clients", lambda result: result["per_update"].update({"100": 5_001.0})),
        ("all-in per update, 100 clients", lambda result: result["per_update_all_in"].update({"100": 20_001.0})),
        ("direct commitment", lambda result: result["functions"]["commitDirect"].update(later=91_001)),
        ("claim, existing account", lambda result: result["claims"].update(existing_account=86_001)),
        ("claim, empty account", lambda result: result["claims"].update(empty_account=111_001)),
        ("voucher, beyond the enrolment, Osaka", lambda result: result["voucher"].update(osaka=60_001)),
        ("claim, each of 100 in one", lambda result: result["claims"].update(batched_existing_each=55_001)),
    ],
)
def test_each_promise_can_be_missed(what: str, spoil: Callable[[dict[str, Any]], None]) -> None:
    assert what in {target.what for target in TARGETS}
    result = copy.deepcopy(read_snapshot())
    spoil(result)
    assert [complaint.partition(":")[0] for complaint in missed(result) if complaint.startswith(what)] == [what]
