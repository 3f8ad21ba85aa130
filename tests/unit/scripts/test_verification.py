"""What `hearth deploy` prints for a block explorer, and the files that it names.

given the committed input
    should have the very sources, by the hashes of the metadata, and the settings of every deployed contract
given a deployment
    should name compiler, input, and of each contract its address and constructor arguments
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from contracts import ARTIFACTS, artifact, metadata
from contracts.compile import CONTRACTS
from contracts.compiler import ROOT
from contracts.sources import with_imports
from protocol.deployment import JUDGE, LEDGER, TASKS, contract_addresses
from protocol.keccak import keccak
from protocol.messages.chain import LedgerRules
from scripts.chain.verification import verification
from storage.ledger.ethereum import abi
from storage.ledger.ethereum.calls import ledger_creation, tasks_creation

ADDRESS, OTHER = bytes(range(20)), bytes(range(20, 40))
RULES = LedgerRules(maximum=9, floor=4, waiting_seconds=77, claim_seconds=3)
INPUT: dict[str, Any] = json.loads((ARTIFACTS / f"{LEDGER}.input.json").read_text())


@pytest.mark.parametrize("name", [LEDGER, TASKS, JUDGE])
def test_the_input_has_what_the_contract_was_compiled_from(name: str) -> None:
    told = metadata(name)
    for source, facts in told["sources"].items():
        assert keccak(INPUT["sources"][source]["content"].encode()).hex() == facts["keccak256"].removeprefix("0x")
    assert told["settings"]["compilationTarget"] == {f"{name}.sol": name}
    for setting in ("evmVersion", "optimizer", "viaIR"):
        assert told["settings"][setting] == INPUT["settings"][setting]
    assert told["output"]["abi"] == artifact(name)["abi"]


def test_the_sources_are_those_of_the_repository() -> None:
    own = {name: content["content"] for name, content in INPUT["sources"].items() if not name.startswith("@")}
    assert own == {name: (ROOT / "contracts" / "src" / name).read_text() for name in own}
    assert {"HearthLedger.sol", "HearthTasks.sol", "HearthJudge.sol"} <= own.keys()


def test_an_import_that_leads_nowhere_is_refused() -> None:
    question = {"sources": {"A.sol": {"content": 'import {B} from "./B.sol";'}}}
    with pytest.raises(FileNotFoundError):
        with_imports(question, CONTRACTS[0].source, CONTRACTS[0].source)


def test_what_is_printed_is_what_was_sent() -> None:
    lines = list(verification(ADDRESS, OTHER, RULES))
    assert f"v{metadata(LEDGER)['compiler']['version']}," in lines[1]
    assert lines[1].endswith(str(ARTIFACTS / "HearthLedger.input.json"))
    by_name = dict(zip((LEDGER, TASKS, JUDGE), lines[2:], strict=True))
    for name, line in by_name.items():
        assert line.split()[:2] == ["0x" + contract_addresses(ADDRESS, OTHER)[name].hex(), f"{name}.sol:{name},"]
    assert tasks_creation(RULES).hex() == abi.bytecode(TASKS).hex() + by_name[TASKS].split()[-1]
    assert ledger_creation(RULES, OTHER).hex() == abi.bytecode().hex() + by_name[LEDGER].split()[-1]
    rules, tasks = abi.decode(abi.constructor(), bytes.fromhex(by_name[LEDGER].split()[-1]))
    assert (LedgerRules(*rules), tasks) == (RULES, OTHER)
    assert by_name[JUDGE].endswith("none")
