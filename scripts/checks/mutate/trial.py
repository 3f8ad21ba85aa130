"""One mutant after the other in a copy of the tree: compiled, then put before the contract tests until one fails."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from solcx.exceptions import SolcError

from contracts.compile import CONTRACTS, compile_contract
from contracts.compiler import ROOT
from scripts.checks.mutate.mutants import Mutant
from scripts.checks.node_tools import NODE_MODULES

_TIMEOUT: Final = 900
_TESTS: Final = "tests/contracts"
# Those that most likely notice come first; Foundry's, which take longest, last.
_FIRST: Final = {
    "Deposits.sol": "deposits token",
    "Disputes.sol": "dispute",
    "Enrolments.sol": "enrol reputation deposits",
    "HearthJudge.sol": "dispute",
    "HearthLedger.sol": "post_task enrol deposits dispute refund",
    "HearthTasks.sol": "post_task refund token deposits",
    "LedgerState.sol": "settlement refund reputation enrol dispute",
    "Payments.sol": "deposits token claim refund",
    "Payouts.sol": "claim claim_many reputation settlement",
    "Rounds.sol": "rounds settlement commitments takeover",
    "Views.sol": "post_task rounds enrol",
    "libraries/TermsCheck.sol": "post_task",
}
_LAST: Final = "foundry"
# Gas and the deployment are those of the code that is deployed; the other two take a minute each time.
_EXCLUDED: Final = ("deployment", "gas", "side_by_side", "transitions")
_FAILED: Final = re.compile(r"^(?:FAILED|ERROR) tests/contracts/(\S+)", re.MULTILINE)


class TrialError(Exception):
    """The tests do not pass without a mutant, or did not run at all."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """``outcome``: killed (``by`` says by which test), survived, same code, or invalid (it does not compile)."""

    mutant: Mutant
    outcome: str
    by: str = ""


class Trial:
    """A copy of the tree below ``folder``: sources and tests are copied, everything else is linked."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        ignored = shutil.ignore_patterns("node_modules", "__pycache__")
        for name in ("contracts", "tests"):
            shutil.copytree(ROOT / name, folder / name, ignore=ignored)
        for name in ("backend", "client_agent", "protocol", "scripts", "storage", "pyproject.toml"):
            (folder / name).symlink_to(ROOT / name)
        self._ledger = CONTRACTS[0]
        self._source = folder / "contracts" / "src"
        self._code = self._compile()
        by = self._first_failure(_files("Payments.sol"))
        if by:
            raise TrialError(f"without a mutant, {by} fails")

    def verdict_on(self, mutant: Mutant) -> Verdict:
        path = self._source / mutant.file
        original = path.read_text(encoding="utf-8")
        path.write_text(mutant.apply(original), encoding="utf-8")
        try:
            code = self._compile()
        except SolcError:
            return Verdict(mutant, "invalid")
        finally:
            path.write_text(original, encoding="utf-8")
        if code == self._code:
            return Verdict(mutant, "same code")
        by = self._first_failure(_files(mutant.file))
        return Verdict(mutant, "killed" if by else "survived", by)

    def _compile(self) -> str:
        """Writes the artifact of what the copy's sources say now; its code."""
        contract = type(self._ledger)(self._ledger.name, self._source, self._folder / "contracts" / "artifacts")
        compiled = compile_contract(contract, NODE_MODULES, fast=True)
        (contract.artifacts / f"{contract.name}.json").write_text(json.dumps(compiled), encoding="utf-8")
        code: str = compiled["bytecode"]
        return code

    def _first_failure(self, files: list[str]) -> str:
        """The test that fails first, or nothing."""
        options = [
            "-o",
            "addopts=--import-mode=importlib",
            "-p",
            "scripts.checks.mutate.large_code",
            "-q",
            "-x",
            "-rfE",
        ]
        command = [sys.executable, "-m", "pytest", *options, "--tb=no", "-k", "not cost", *files]
        try:
            ran = subprocess.run(
                command,
                cwd=self._folder,
                env=os.environ | {"HEARTH_NODE_MODULES": str(NODE_MODULES)},
                capture_output=True,
                text=True,
                timeout=_TIMEOUT,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return "a test that does not end"
        if ran.returncode == 0:
            return ""
        failed = _FAILED.search(ran.stdout)
        if failed is None:
            raise TrialError(f"the tests did not run:\n{ran.stdout[-2000:]}{ran.stderr[-2000:]}")
        return failed[1]


def _files(source: str) -> list[str]:
    """The contract tests that are fast and speak of behaviour, in the order in which they are worth running."""
    first = _FIRST[source].split()
    every = {path.stem.removeprefix("test_") for path in (ROOT / _TESTS).glob("test_*.py")}
    rest = sorted(every - {*first, _LAST, *_EXCLUDED})
    return [f"{_TESTS}/test_{name}.py" for name in (*first, *rest, _LAST)]
