"""Slither over the contracts: ``python -m scripts.checks.slither``; fails unless every finding is answered.

Slither (Feist, Grieco and Groce 2019) runs in an environment of its own, made on demand, on the npm compiler. Findings
that touch nothing but OpenZeppelin's files are not ours to answer. The answers are in ``contracts/slither.toml``.
"""

from __future__ import annotations

import json
import sys
import tempfile
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from contracts.compiler import ROOT, write_compiler
from protocol.deployment import LEDGER, TASKS
from scripts.checks.locked_environment import locked_environment, run
from scripts.checks.node_tools import NODE_MODULES, ensure_packages

ANSWERS: Final = ROOT / "contracts" / "slither.toml"
_SOURCES: Final = "contracts/src"
_SECONDS: Final = 600

Place = tuple[str, str]  # check, and the function it is about


@dataclass(frozen=True, slots=True)
class Finding:
    place: Place
    description: str


def findings() -> list[Finding]:
    """What Slither says about our sources. Raises ProgramMissingError."""
    ensure_packages()
    python = locked_environment("slither")
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder)
        (made / "contracts").symlink_to(ROOT / "contracts")
        compiler = write_compiler(made, made, NODE_MODULES)
        (made / "question.json").write_text(json.dumps(_question()), encoding="utf-8")
        options = ["--compile-force-framework", "solc-json", "--solc", str(compiler), "--solc-disable-warnings"]
        command = [str(python), "-P", "-m", "slither", "question.json", *options]
        run("slither", [*command, "--json", "answer.json", "--fail-none"], _SECONDS, made)
        answer = json.loads((made / "answer.json").read_text(encoding="utf-8"))
    return [
        Finding(place_of(found), found["description"].strip())
        for found in answer["results"].get("detectors", [])
        if _is_ours(found)
    ]


def read_answers(path: Path = ANSWERS) -> list[Place]:
    answers = tomllib.loads(path.read_text(encoding="utf-8"))["answer"]
    assert all(answer["reason"] for answer in answers)
    return [(answer["check"], where) for answer in answers for where in answer["where"]]


def complaints(found: Sequence[Finding], answered: Sequence[Place]) -> list[str]:
    """Findings without an answer and answers without a finding."""
    places = {finding.place for finding in found}
    open_ones = [finding for finding in found if finding.place not in answered]
    return [
        *(f"not answered: {' in '.join(finding.place)}\n{finding.description}" for finding in open_ones),
        *(f"nothing asks for the answer to {' in '.join(place)}" for place in answered if place not in places),
    ]


def place_of(found: dict[str, Any]) -> Place:
    """The first of our files' elements says where: Contract.function, else its name."""
    first = next(element for element in found["elements"] if _stands_in_ours(element))
    parent = first.get("type_specific_fields", {}).get("parent", {})
    scope = f"{parent['name']}." if parent.get("type") == "contract" else ""
    return found["check"], scope + first["name"]


def _question() -> dict[str, Any]:
    """Standard JSON with paths from the root, so that Slither finds the files it speaks of."""
    names = [f"{_SOURCES}/{name}.sol" for name in (LEDGER, TASKS)]  # they import the others
    return {
        "language": "Solidity",
        "sources": {name: {"content": (ROOT / name).read_text(encoding="utf-8")} for name in names},
        "settings": {"evmVersion": "paris", "remappings": ["@openzeppelin/=contracts/node_modules/@openzeppelin/"]},
    }


def _is_ours(found: dict[str, Any]) -> bool:
    return any(_stands_in_ours(element) for element in found["elements"])


def _stands_in_ours(element: dict[str, Any]) -> bool:
    return str(element["source_mapping"]["filename_relative"]).startswith(_SOURCES)


def main() -> int:
    found = findings()
    told = complaints(found, read_answers())
    for line in told:
        print(line)
    print(f"slither: {len(found)} findings in {_SOURCES}, {sum(line.startswith('not') for line in told)} not answered")
    return 1 if told else 0


if __name__ == "__main__":
    sys.exit(main())
