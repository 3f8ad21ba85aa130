"""Mutants of a small contract; trying them on the real ones takes too long for a test."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from contracts.compiler import ROOT
from scripts.checks.mutate.__main__ import line_of, summary_of
from scripts.checks.mutate.answering import Answering
from scripts.checks.mutate.equivalent import without_equivalent
from scripts.checks.mutate.functions import functions
from scripts.checks.mutate.mutants import Mutant, all_mutants, mutants_of, sample
from scripts.checks.mutate.trial import _FIRST, Verdict, _files
from scripts.checks.node_tools import NODE_MODULES, ensure_packages

SOURCE = """contract Small {
    uint32 private constant _MOST = 1_000;

    /// @notice Not a line to change: a < b.
    function pay(uint256 task, uint256 amount)
        external
        nonReentrant
        known(task)
    {
        if (amount > _paid[task]) revert TooMuch();
        for (uint256 i = 0; i < 3; ++i) {
            _left[i] -= amount / 2;
        }
        // amount == 0
        uint256 rest = _open(task) ? 0 : amount;
        emit Paid(task, true);
    }

    function nothing() external view returns (uint256);
}
"""


def changes(line: int) -> set[tuple[str, str]]:
    """Kind and the changed line, stripped."""
    return {(mutant.kind, mutant.after.strip()) for mutant in mutants_of("Small.sol", SOURCE) if mutant.line == line}


def test_functions_have_heads_and_bodies() -> None:
    lines = SOURCE.split("\n")
    most, pay = functions(SOURCE)
    assert (most.name, lines[most.start].strip()) == ("_MOST", "uint32 private constant _MOST = 1_000;")
    assert (pay.name, lines[pay.body].strip(), lines[pay.end - 1].strip()) == (
        "pay", "if (amount > _paid[task]) revert TooMuch();", "emit Paid(task, true);",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (2, {("constant", "uint32 private constant _MOST = 1001;")}),
        (4, set()),
        (7, {("modifier", "")}),
        (8, {("modifier", "")}),
        (10, {("drop", "// dropped"), ("comparison", "if (amount >= _paid[task]) revert TooMuch();")}),
        (11, set()),
        (
            12,
            {
                ("drop", "// dropped"),
                ("arithmetic", "_left[i] += amount / 2;"),
                ("arithmetic", "_left[i] -= amount * 2;"),
                ("constant", "_left[i] -= amount / 3;"),
            },
        ),
        (14, set()),
        (15, {("constant", "uint256 rest = _open(task) ? 1 : amount;")}),
        (16, {("drop", "// dropped"), ("constant", "emit Paid(task, false);")}),
    ],
)
def test_a_line_is_changed_in_every_way_at_one_place(line: int, expected: set[tuple[str, str]]) -> None:
    assert changes(line) == expected


def test_a_mutant_changes_its_line_alone() -> None:
    for mutant in mutants_of("Small.sol", SOURCE):
        before, after = SOURCE.split("\n"), mutant.apply(SOURCE).split("\n")
        assert [number for number, line in enumerate(before, 1) if line != after[number - 1]] == [mutant.line]


def test_a_sample_holds_every_function_and_is_drawn_by_its_seed() -> None:
    mutants = all_mutants(ROOT / "contracts" / "src")
    places = {(mutant.file, mutant.function) for mutant in mutants}
    drawn = sample(mutants, len(places), 1)
    assert {(mutant.file, mutant.function) for mutant in drawn} == places
    assert sample(mutants, len(places), 1) == drawn != sample(mutants, len(places), 2)
    assert set(sample(mutants, len(mutants), 1)) == set(mutants)


def test_every_function_of_the_contracts_has_mutants() -> None:
    found = {(mutant.file, mutant.function) for mutant in all_mutants(ROOT / "contracts" / "src")}
    for path in sorted((ROOT / "contracts" / "src").glob("*.sol")):
        for name in ("dispute", "enrol", "leave", "postTask", "claim", "refund", "openRound", "placeBond", "_verify"):
            passes_on = path.name == "HearthLedger.sol"
            if f"    function {name}(" in path.read_text(encoding="utf-8") and not passes_on:
                assert (Path(path).name, name) in found


def test_what_makes_no_difference_is_left_out_and_every_answer_is_of_a_mutant(tmp_path: Path) -> None:
    mutants = all_mutants(ROOT / "contracts" / "src")
    assert 0 < len(mutants) - len(without_equivalent(mutants)) < len(mutants) / 20
    answers = tmp_path / "mutants.toml"
    of = '[[equivalent]]\nfile = "Small.sol"\nfunction = "pay"\nbefore = "a;"\nafter = "b;"\nreason = "%s"\n'
    small = Mutant("Small.sol", "pay", 10, "drop", "  a;", "  b;")
    answers.write_text(of % "so")
    assert without_equivalent([small], answers) == []
    with pytest.raises(ValueError, match="no mutant"):
        without_equivalent([replace(small, after="  c;")], answers)
    answers.write_text(of % "")
    with pytest.raises(ValueError, match="no reason"):
        without_equivalent([small], answers)


def test_a_loaded_interpreter_runs_pytest_again_and_again(tmp_path: Path) -> None:
    runner = Answering([sys.executable, "-m", "scripts.checks.mutate.forked"], ROOT)
    output, test = tmp_path / "output", tmp_path / "test_it.py"
    try:
        for holds in (True, False, True):
            test.write_text(f"def test_it() -> None:\n    assert {holds}\n")
            assert runner.ask((["-q", "-rf", "--rootdir", str(tmp_path), str(test)], str(output))) == f"{1 - holds}\n"
            assert ("test_it.py::test_it" in output.read_text()) is not holds, "the test that failed is named"
    finally:
        runner.close()
    with pytest.raises((ValueError, OSError)):
        runner.ask("who is not there any more")


def test_a_loaded_compiler_says_what_is_wrong_and_goes_on(tmp_path: Path) -> None:
    ensure_packages()
    program = ROOT / "scripts" / "checks" / "mutate" / "compile.js"
    compiler = Answering([os.environ.get("HEARTH_NODE", "node"), program, tmp_path, NODE_MODULES], ROOT)
    (tmp_path / "Other.sol").write_text("contract Other {}")
    question = {"language": "Solidity", "settings": {"outputSelection": {"*": {"*": ["evm.bytecode.object"]}}}}
    try:
        for source, errors in (('import "./Other.sol"; contract It is Other {}', 0), ("contract It is Nobody {}", 1)):
            answer = json.loads(compiler.ask(question | {"sources": {"It.sol": {"content": source}}}))
            assert sum(problem["severity"] == "error" for problem in answer.get("errors", [])) == errors
    finally:
        compiler.close()


def test_verdicts_are_counted_and_told() -> None:
    mutant = Mutant("Small.sol", "pay", 10, "drop", "  x = 1;", "  // dropped")
    verdicts = [Verdict(mutant, "killed", "test_claim.py::test_x"), Verdict(mutant, "survived")]
    assert summary_of(verdicts) == "2 mutants in 1 functions: 1 killed, 1 survived, 0 same code, 0 invalid"
    told = "killed    Small.sol:10 pay (drop): x = 1;  ->  // dropped  by test_claim.py::test_x"
    assert line_of(verdicts[0]) == told


def test_every_source_has_tests_that_come_first() -> None:
    sources = ROOT / "contracts" / "src"
    names = {
        path.relative_to(sources).as_posix() for path in sources.rglob("*.sol") if path.parent.name != "interfaces"
    }
    assert _FIRST.keys() == names
    for name in names:
        for file in _files(name)[0]:
            assert (ROOT / file).is_file(), f"{name}: no {file}"
