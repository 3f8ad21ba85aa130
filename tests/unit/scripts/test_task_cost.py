"""What a task costs at a stated fee follows from the measured gas, and on the OP stack from the bytes of its calls."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from protocol.identifiers import sha256
from protocol.messages.screening_terms import KRUM, ScreeningTerms
from scripts.bench.gas_report import read_snapshot
from scripts.cli import app
from scripts.commands.ready_task import stand_in
from scripts.commands.task_cost import Fees, costs, lines_of, signed
from scripts.commands.task_file import SAMPLE, TaskFile
from storage.ledger.ethereum.data_fees import DataPrices, data_fee
from tests.tracked import ROOT

SPEC = TaskFile(SAMPLE).spec(bytes(32), bytes(32), stand_in)
MEASURED = read_snapshot()
OP = DataPrices(10**9, 10**9, 5_227, 1_014_213)
PAGE = (ROOT / "docs" / "public-chains.md").read_text()


def test_gas_is_that_of_the_snapshot() -> None:
    found = costs(SPEC, Fees(10**9), MEASURED)
    steps = ("openRound", "commitBatch", "requestKey", "publishRound")
    assert found.round.gas == sum(MEASURED["functions"][step]["later"] for step in steps)
    assert found.task.gas == SPEC.rounds * found.round.gas + found.rest.gas
    # the same ten rounds with a hundred clients, as they were measured with all their transactions
    same = replace(SPEC, rounds=10, cohort=replace(SPEC.cohort, max_clients=100, max_cohort=100))
    of_one = costs(same, Fees(10**9), MEASURED).task.gas / 1_000
    assert of_one == pytest.approx(MEASURED["per_update_all_in"]["100"], rel=0.05)


def test_coin_is_gas_times_price_and_data_comes_on_top() -> None:
    plain, above = (costs(SPEC, Fees(10**7, data), MEASURED) for data in (None, OP))
    for one, other in ((plain.round, above.round), (plain.task, above.task)):
        assert one.wei == one.gas * 10**7 and one.data_wei == 0
        assert other.gas == one.gas and other.wei == one.wei + other.data_wei and other.data_wei > 0
    doubled = DataPrices(2 * OP.base_fee, 2 * OP.blob_base_fee, OP.base_fee_scalar, OP.blob_base_fee_scalar)
    twice = costs(SPEC, Fees(10**7, doubled), MEASURED)
    assert twice.round.data_wei == pytest.approx(2 * above.round.data_wei, abs=10)


def test_a_drawn_cohort_costs_its_draw() -> None:
    drawn = replace(SPEC, cohort=replace(SPEC.cohort, max_clients=SPEC.cohort.max_cohort + 1))
    more = costs(drawn, Fees(1), MEASURED).round.gas - costs(SPEC, Fees(1), MEASURED).round.gas
    assert more == MEASURED["functions"]["drawCohort"]["later"]


def test_a_screened_round_costs_the_request_for_its_openings() -> None:
    terms = ScreeningTerms(KRUM, norm_bound=2**10, clip=2**10, window=2)
    screened = costs(replace(SPEC, screening=terms), Fees(1), MEASURED).round.gas
    assert screened - costs(SPEC, Fees(1), MEASURED).round.gas == MEASURED["functions"]["requestScreening"]["later"]


def test_a_transaction_is_as_large_as_one_that_is_signed() -> None:
    from eth_account import Account

    call = bytes(range(200))
    made = Account.sign_transaction(
        {
            "chainId": 10, "nonce": 1000, "maxPriorityFeePerGas": 10**9, "maxFeePerGas": 10**9, "gas": 500_000,
            "to": sha256(b"to")[:20], "value": 0, "data": call, "type": 2,
        },
        b"\1" * 32,
    ).raw_transaction  # fmt: skip
    assert abs(len(made) - len(signed(call))) <= 2  # numbers of the signature may begin with zeros
    assert data_fee(signed(call), OP) == pytest.approx(data_fee(made, OP), rel=0.02)


def run(*arguments: object) -> str:
    ended = CliRunner().invoke(app, ["task", "cost", *map(str, arguments)])
    assert ended.exit_code == 0, ended.output
    return ended.output


def test_the_command_says_what_the_functions_say(tmp_path: Path) -> None:
    out = run(SAMPLE, "--chain", "op-stack", "--json", tmp_path / "cost.json")
    expected = costs(SPEC, Fees(10**7, OP), MEASURED)
    assert out.splitlines() == list(lines_of(expected, Fees(10**7, OP)))
    told = json.loads((tmp_path / "cost.json").read_text())
    assert told["update"]["gas"] == expected.update.gas and told["task"]["wei"] == expected.task.wei


@pytest.mark.parametrize(("command", "shown"), re.findall(r"```\n\$ hearth (task cost .+)\n((?:.+\n)+)```", PAGE))
def test_the_page_shows_what_the_command_prints(command: str, shown: str) -> None:
    _, _, file, *options = command.split()
    assert run(ROOT / file, *options) == shown


def test_the_page_shows_both_kinds_of_chains() -> None:
    assert {"--chain l1", "--chain op-stack"} <= set(re.findall(r"--chain [a-z0-9-]+", PAGE))
