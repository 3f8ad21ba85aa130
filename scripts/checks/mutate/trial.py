"""One mutant after the other in a copy of the tree: compiled, then put before the contract tests until one fails."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from contracts import artifact
from contracts.compile import CONTRACTS, artifact_of, question_of
from contracts.compiler import ROOT
from scripts.checks.mutate.answering import Answering
from scripts.checks.mutate.mutants import Mutant
from scripts.checks.node_tools import NODE_MODULES

_TESTS: Final = "tests/contracts"
# Those that most likely notice come first; Foundry's, which take longest, last.
_FIRST: Final = {
    "Compensations.sol": "compensate",
    "Credits.sol": "credits",
    "Deposits.sol": "deposits token",
    "Disputes.sol": "dispute",
    "Enrolments.sol": "enrol vouchers enrol_late enrolment_terms reputation deposits",
    "HearthJudge.sol": "judge_batch judge_tree judge_words dispute",
    "HearthLedger.sol": "post_task enrol deposits dispute refund",
    "HearthTasks.sol": "post_task vouchers refund token deposits",
    "LedgerState.sol": "settlement refund reputation enrol dispute",
    "Payments.sol": "deposits token claim refund",
    "Payouts.sol": "claim claim_many reputation settlement",
    "Rosters.sol": "rosters",
    "Rounds.sol": "rounds screening settlement commitments takeover draw charge",
    "Standings.sol": "reputation",
    "Views.sol": "post_task rounds enrol",
    "libraries/CohortTree.sol": "commitments judge_batch",
    "libraries/Leaves.sol": "claim claim_many judge_tree",
    "libraries/TermsCheck.sol": "post_task",
    "libraries/Vouchers.sol": "vouchers",
}
_LAST: Final = "foundry"
# Gas and the deployment are those of the code that is deployed; the other two take a minute each time.
_EXCLUDED: Final = ("deployment", "gas", "side_by_side", "transitions")
_FAILED: Final = re.compile(r"^(?:FAILED|ERROR) tests/contracts/(\S+)", re.MULTILINE)


Function = tuple[str, str]  # a source file and the name of one of its functions


class TrialError(Exception):
    """The tests do not pass without a mutant, or did not run at all."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """``outcome``: killed (``by`` says by which test), survived, same code, or invalid (it does not compile)."""

    mutant: Mutant
    outcome: str
    by: str = ""


class Trial:
    """A copy of the tree below ``folder``: sources and tests are copied, everything else is linked.

    ``killers`` are the tests that noticed a mutant of a function before, which try the next one of it first; several
    trials may share them. A compiler and an interpreter stay loaded until :meth:`close`.
    """

    def __init__(self, folder: Path, killers: dict[Function, list[str]]) -> None:
        self._folder, self._killers = folder, killers
        ignored = shutil.ignore_patterns("node_modules", "__pycache__")
        for name in ("contracts", "tests"):
            shutil.copytree(ROOT / name, folder / name, ignore=ignored)
        for name in ("backend", "client_agent", "protocol", "scripts", "storage", "pyproject.toml"):
            (folder / name).symlink_to(ROOT / name)
        self._source = folder / "contracts" / "src"
        self._contracts = [replace(contract, source=self._source) for contract in CONTRACTS if contract.deployed]
        self._codes = {contract.name: artifact(contract.name)["bytecode"] for contract in self._contracts}
        program = Path(__file__).with_name("compile.js")
        self._compiler = Answering([os.environ.get("HEARTH_NODE", "node"), program, self._source, NODE_MODULES], folder)
        self._pytest = Answering([sys.executable, "-m", "scripts.checks.mutate.forked"], folder)

    def close(self) -> None:
        self._compiler.close()
        self._pytest.close()

    def check(self) -> None:
        """Raises TrialError when a test fails without a mutant."""
        self._write(self._compile())
        by = self._noticed_by("Payments.sol", [])
        if by:
            raise TrialError(f"without a mutant, {by} fails")

    def verdict_on(self, mutant: Mutant) -> Verdict:
        path = self._source / mutant.file
        original = path.read_text(encoding="utf-8")
        path.write_text(mutant.apply(original), encoding="utf-8")
        try:
            compiled = self._compile()
            if compiled is None:
                return Verdict(mutant, "invalid")
            self._write(compiled)
            killers = self._killers.setdefault((mutant.file, mutant.function), [])
            by = self._noticed_by(mutant.file, killers)
            if by:
                test = by.partition("[")[0]
                killers[:] = [test, *(other for other in killers if other != test)]
                return Verdict(mutant, "killed", by)
            optimised = self._compile(optimised=True) or {}
            same = {name: compiled["bytecode"] for name, compiled in optimised.items()} == self._codes
            return Verdict(mutant, "same code" if same else "survived")
        finally:
            path.write_text(original, encoding="utf-8")

    def _compile(self, optimised: bool = False) -> dict[str, dict[str, Any]] | None:
        """The artifacts by contract; None when the sources are wrong."""
        questions = [question_of(contract, optimised) for contract in self._contracts]
        question = questions[0]
        for other in questions[1:]:
            question["sources"] |= other["sources"]
            question["settings"]["outputSelection"] |= other["settings"]["outputSelection"]
        answer = json.loads(self._compiler.ask(question))
        if any(problem["severity"] == "error" for problem in answer.get("errors", [])):
            return None
        return {contract.name: artifact_of(contract, answer) for contract in self._contracts}

    def _write(self, artifacts: dict[str, dict[str, Any]] | None) -> None:
        for name, compiled in (artifacts or {}).items():
            path = self._folder / "contracts" / "artifacts" / f"{name}.json"
            path.write_text(json.dumps(compiled), encoding="utf-8")

    def _noticed_by(self, source: str, killers: list[str]) -> str:
        """The test that fails first. Most mutants fail by the first few, and to collect the others takes a second."""
        first, rest = _files(source)
        return self._first_failure([*(f"{_TESTS}/{killer}" for killer in killers), *first]) or self._first_failure(rest)

    def _first_failure(self, files: list[str]) -> str:
        """The test that fails first, or nothing."""
        output = self._folder / "output"
        options = [
            "-o",
            "addopts=--import-mode=importlib",
            "-p",
            "scripts.checks.mutate.large_code",
            "-q",
            "-x",
            "-rfE",
        ]
        code = int(self._pytest.ask(([*options, "--tb=no", "-k", "not cost", *files], str(output))))
        if code == 0:
            return ""
        if code == -signal.SIGALRM:
            return "a test that does not end"
        told = output.read_text(encoding="utf-8", errors="replace")
        failed = _FAILED.search(told)
        if failed is None:
            raise TrialError(f"the tests did not run:\n{told[-2000:]}")
        return failed[1]


def _files(source: str) -> tuple[list[str], list[str]]:
    """The contract tests that are fast and speak of behaviour: those of the source file first, then the others."""
    first = _FIRST[source].split()
    every = {path.stem.removeprefix("test_") for path in (ROOT / _TESTS).glob("test_*.py")}
    rest = sorted(every - {*first, _LAST, *_EXCLUDED})
    return [f"{_TESTS}/test_{name}.py" for name in first], [f"{_TESTS}/test_{name}.py" for name in (*rest, _LAST)]
