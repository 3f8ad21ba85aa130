"""Compiles the contracts into ``contracts/artifacts``: ``python -m contracts.compile [--check]``.

The compiler is the npm package ``solc`` at the version of ``package-lock.json``, run by Node; py-solc-x speaks to it.
"""

from __future__ import annotations

import argparse
import json
import os
import stat
import sys
import tempfile
from pathlib import Path
from typing import Any

import solcx

FOLDER = Path(__file__).resolve().parent
CONTRACTS = ("HearthLedger",)
NODE_MODULES = FOLDER / "node_modules"


def compile_contract(name: str, node_modules: Path = NODE_MODULES) -> dict[str, Any]:
    """ABI, byte codes and the places of immutables in the deployed code as (start, length)."""
    sources = {
        path.relative_to(FOLDER / "src").as_posix(): {"content": path.read_text()}
        for path in sorted((FOLDER / "src").rglob("*.sol"))
    }
    settings = {
        "optimizer": {"enabled": True, "runs": 200},
        "evmVersion": "paris",
        "metadata": {"bytecodeHash": "none"},
        "outputSelection": {f"{name}.sol": {name: ["abi", "evm.bytecode.object", "evm.deployedBytecode"]}},
    }
    output = _run({"language": "Solidity", "sources": sources, "settings": settings}, node_modules)
    compiled = output["contracts"][f"{name}.sol"][name]
    deployed = compiled["evm"]["deployedBytecode"]
    places = [place for places in deployed["immutableReferences"].values() for place in places]
    return {
        "abi": compiled["abi"],
        "bytecode": "0x" + compiled["evm"]["bytecode"]["object"],
        "deployedBytecode": "0x" + deployed["object"],
        "immutables": sorted([place["start"], place["length"]] for place in places),
    }


def _run(question: dict[str, Any], node_modules: Path) -> dict[str, Any]:
    """py-solc-x wants one executable; solcjs answers standard JSON when it is told to."""
    with tempfile.TemporaryDirectory() as folder:
        binary = Path(folder) / "solc"
        node = os.environ.get("HEARTH_NODE", "node")
        script = node_modules / "solc" / "solc.js"
        paths = f'--base-path "{FOLDER / "src"}" --include-path "{node_modules}"'
        # solcjs cannot read a pipe that is empty for a moment, cuts off what it writes to one, and chats about SMT
        run = f'cat | "{node}" "{script}" {paths} "$@" > "$0.out" || exit $?'
        binary.write_text(f'#!/bin/sh\n{run}\ngrep -v "^>>>" "$0.out"\n')
        binary.chmod(binary.stat().st_mode | stat.S_IXUSR)
        answer: dict[str, Any] = solcx.compile_standard(question, solc_binary=binary)
        return answer


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="fail when a committed artifact is stale; write nothing")
    parser.add_argument("--node-modules", type=Path, default=NODE_MODULES)
    arguments = parser.parse_args()
    stale = []
    for name in CONTRACTS:
        path = FOLDER / "artifacts" / f"{name}.json"
        text = json.dumps(compile_contract(name, arguments.node_modules), indent=1, sort_keys=True) + "\n"
        if arguments.check:
            stale += [] if path.is_file() and path.read_text() == text else [name]
        else:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
    for name in stale:
        print(f"contracts/artifacts/{name}.json is not what contracts/src compiles to: run python -m contracts.compile")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
