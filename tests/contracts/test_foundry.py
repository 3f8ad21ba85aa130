"""Foundry's tests of the committed artifacts: fuzz tests, and the invariants over any sequence of calls.

given the Solidity tests of foundry/
    when forge runs them with its fixed seed
        should pass all of them, and run every file
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from contracts.compiler import ROOT, default_node_modules, write_compiler
from scripts.checks.node_tools import ensure_forge, ensure_node

FOLDER = Path(__file__).parent / "foundry"


def test_should_pass_the_fuzz_tests_and_hold_the_invariants(pytestconfig: pytest.Config) -> None:
    assert pytestconfig.cache is not None
    made = pytestconfig.cache.mkdir("foundry")
    compiler = write_compiler(made, ROOT, default_node_modules())
    surroundings = os.environ | {
        "PATH": f"{ensure_node()}{os.pathsep}{os.environ['PATH']}",
        "FOUNDRY_SOLC": str(compiler),
        "FOUNDRY_OUT": str(made / "out"),
        "FOUNDRY_CACHE_PATH": str(made / "cache"),
        "FOUNDRY_TEST_FAILURES_FILE": str(made / "failures"),
        "FOUNDRY_FUZZ_FAILURE_PERSIST_DIR": str(made / "fuzz"),
        "FOUNDRY_INVARIANT_FAILURE_PERSIST_DIR": str(made / "invariant"),
    }
    command = [str(ensure_forge()), "test", "--json"]
    ran = subprocess.run(command, cwd=FOLDER, env=surroundings, capture_output=True, text=True, check=False)
    assert ran.stdout.startswith("{"), ran.stdout[-4000:] + ran.stderr[-4000:]
    suites = json.loads(ran.stdout)
    failed = {
        name: (result["reason"], result["counterexample"])
        for suite in suites.values()
        for name, result in suite["test_results"].items()
        if result["status"] != "Success"
    }
    assert failed == {}
    assert ran.returncode == 0
    assert {name.partition(":")[0] for name in suites} == {path.name for path in FOLDER.glob("*.t.sol")}
