"""Compiles the contracts into their artifacts: ``python -m contracts.compile [--check] [--node-modules FOLDER]``.

Beside the artifacts of the deployed contracts are their metadata, and the ledger's standard JSON input, which has the
sources of all three: what a block explorer verifies them with. The compiler is the npm package ``solc`` at the version
of ``package-lock.json``, run by Node; py-solc-x speaks to it.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import solcx

from contracts.compiler import ROOT, default_node_modules, write_compiler
from contracts.sources import verification_input, with_imports


@dataclass(frozen=True, slots=True)
class Contract:
    """``<name>.sol`` below ``source`` becomes ``<name>.json`` in ``artifacts``."""

    name: str
    source: Path
    artifacts: Path
    deployed: bool = True  # by us: explorers are to verify it


CONTRACTS: Final = (
    Contract("HearthLedger", ROOT / "contracts" / "src", ROOT / "contracts" / "artifacts"),
    Contract("HearthTasks", ROOT / "contracts" / "src", ROOT / "contracts" / "artifacts"),
    Contract("HearthJudge", ROOT / "contracts" / "src", ROOT / "contracts" / "artifacts"),
    Contract("Reentrant", ROOT / "tests" / "contracts", ROOT / "tests" / "contracts", deployed=False),
    Contract("TestToken", ROOT / "tests" / "contracts", ROOT / "tests" / "contracts", deployed=False),
    Contract("TestWallet", ROOT / "tests" / "contracts", ROOT / "tests" / "contracts", deployed=False),
)


def compile_contract(contract: Contract, node_modules: Path) -> dict[str, dict[str, Any]]:
    """What is written for it, by file name. Raises solcx's SolcError."""
    question = with_imports(question_of(contract), contract.source, node_modules)
    answer = _run(question, contract.source, node_modules)
    written = {f"{contract.name}.json": artifact_of(contract, answer)}
    if contract.deployed:
        compiled = answer["contracts"][f"{contract.name}.sol"][contract.name]
        written[f"{contract.name}.metadata.json"] = metadata = json.loads(compiled["metadata"])
        if not metadata["sources"].keys() <= question["sources"].keys():
            raise SystemExit(f"{contract.name}: an import that contracts/sources.py did not find")
    if contract.name == "HearthLedger":
        written[f"{contract.name}.input.json"] = verification_input(_question_of_all(node_modules))
    return written


def _question_of_all(node_modules: Path) -> dict[str, Any]:
    """The sources of every deployed contract: the ledger's own do not name the others."""
    asked = [
        with_imports(question_of(contract), contract.source, node_modules)
        for contract in CONTRACTS
        if contract.deployed
    ]
    sources = {name: text for question in asked for name, text in question["sources"].items()}
    return {**asked[0], "sources": dict(sorted(sources.items()))}


def question_of(contract: Contract, optimised: bool = True) -> dict[str, Any]:
    """In standard JSON. Not ``optimised`` is made fast, and is too large to be deployed."""
    name, file = contract.name, f"{contract.name}.sol"
    sources = {file: {"content": (contract.source / file).read_text(encoding="utf-8")}}
    settings = {
        "optimizer": {"enabled": optimised, "runs": 200},
        "evmVersion": "paris",
        "viaIR": optimised,  # a fifth smaller: a contract may have 24,576 bytes
        "metadata": {"bytecodeHash": "none"},
        "outputSelection": {
            file: {name: ["abi", "evm.bytecode.object", "evm.deployedBytecode", "storageLayout", "metadata"]},
            "*": {"": ["ast"]},
        },
    }
    return {"language": "Solidity", "sources": sources, "settings": settings}


def artifact_of(contract: Contract, answer: dict[str, Any]) -> dict[str, Any]:
    """ABI, byte codes, where the deployed code has each immutable (starts of 32 bytes, by name), and the storage."""
    compiled = answer["contracts"][f"{contract.name}.sol"][contract.name]
    deployed = compiled["evm"]["deployedBytecode"]
    names = dict(_immutables(answer["sources"]))
    return {
        "abi": compiled["abi"],
        "bytecode": "0x" + compiled["evm"]["bytecode"]["object"],
        "deployedBytecode": "0x" + deployed["object"],
        "immutables": {
            names[number]: sorted(place["start"] for place in places)
            for number, places in deployed["immutableReferences"].items()
        },
        "storage": _storage(compiled["storageLayout"]),
    }


def _storage(layout: dict[str, Any]) -> dict[str, Any]:
    """``variables``: where each stands, and its type's name; ``types`` by name: bytes, the members of a struct, key and
    value of a mapping. solc's own identifiers of types are of one compilation, so none is kept."""
    names = {identifier: kind["label"] for identifier, kind in (layout["types"] or {}).items()}
    types: dict[str, Any] = {}
    for kind in (layout["types"] or {}).values():
        types[kind["label"]] = {"bytes": int(kind["numberOfBytes"])}
        types[kind["label"]] |= {part: names[kind[part]] for part in ("key", "value") if part in kind}
        if "members" in kind:
            types[kind["label"]]["members"] = _places(kind["members"], names)
    return {"variables": _places(layout["storage"], names), "types": types}


def _places(entries: list[dict[str, Any]], names: dict[str, str]) -> dict[str, Any]:
    return {
        entry["label"]: {"slot": int(entry["slot"]), "offset": entry["offset"], "type": names[entry["type"]]}
        for entry in entries
    }


def _immutables(node: Any) -> Iterator[tuple[str, str]]:
    """Number and name of every immutable that a syntax tree declares."""
    if isinstance(node, list):
        for part in node:
            yield from _immutables(part)
    elif isinstance(node, dict):
        if node.get("mutability") == "immutable":
            yield str(node["id"]), node["name"]
        for part in node.values():
            yield from _immutables(part)


def _run(question: dict[str, Any], source: Path, node_modules: Path) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        program = write_compiler(Path(folder), source, node_modules)
        answer: dict[str, Any] = solcx.compile_standard(question, solc_binary=program)
        return answer


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="fail when a committed artifact is stale; write nothing")
    parser.add_argument("--node-modules", type=Path, default=default_node_modules())
    arguments = parser.parse_args()
    stale = []
    for contract in CONTRACTS:
        for file, content in compile_contract(contract, arguments.node_modules).items():
            path, text = contract.artifacts / file, json.dumps(content, indent=1, sort_keys=True) + "\n"
            if not arguments.check:
                path.write_text(text, encoding="utf-8")
            elif not path.is_file() or path.read_text(encoding="utf-8") != text:
                stale.append(path.relative_to(ROOT).as_posix())
    for name in stale:
        print(f"{name} is not what its source compiles to: run python -m contracts.compile")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
