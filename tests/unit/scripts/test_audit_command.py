"""``hearth audit`` as it is called: what it takes for a block, and the exit codes of its verdicts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from protocol.identifiers import to_hex
from scripts.cli import app
from tests.samples import DOMAIN

NOWHERE = "http://127.0.0.1:1"  # where nobody listens


def run(folder: Path, *options: str) -> tuple[int, str]:
    where = ["audit", "--rpc-url", NOWHERE, "--ledger", str(DOMAIN), "--store", str(folder / "store"), "--task", "1"]
    ran = CliRunner().invoke(app, [*where, *options])
    return ran.exit_code, ran.output


@pytest.mark.parametrize("block", ["", "latest", "12", to_hex(bytes(31)), "0x" + "G" * 64])
def test_a_block_is_named_by_its_hash(tmp_path: Path, block: str) -> None:
    code, _ = run(tmp_path, "--block", block)
    assert code == 2


@pytest.mark.parametrize("vouched", [(), ("--block", to_hex(bytes(32))), ("--other-rpc-url", NOWHERE)])
def test_an_endpoint_for_which_nobody_vouches_has_a_verdict_and_an_exit_code_of_its_own(
    tmp_path: Path, vouched: tuple[str, ...]
) -> None:
    verdict = tmp_path / "verdict.json"
    code, output = run(tmp_path, *vouched, "--json", str(verdict))
    assert code == 4
    assert "UNVERIFIED ENDPOINT 27 endpoint" in output and output.splitlines()[-1].startswith("UNVERIFIED ENDPOINT: ")
    assert json.loads(verdict.read_text())["verdict"] == "UNVERIFIED ENDPOINT"
