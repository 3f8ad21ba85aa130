"""Mistakes made on purpose: one small change in one line of a contract, as a hurried person would make it.

The kinds are the classical ones (DeMillo, Lipton and Sayward 1978; for Solidity, vertigo and Gambit): a statement
dropped, a comparison or a connective turned, a sum changed, a constant changed, a modifier dropped.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Final

from scripts.checks.mutate.functions import functions


@dataclass(frozen=True, slots=True)
class Mutant:
    """``line`` counts from 1; ``before`` and ``after`` are the whole line."""

    file: str
    function: str
    line: int
    kind: str
    before: str
    after: str

    def apply(self, source: str) -> str:
        lines = source.split("\n")
        assert lines[self.line - 1] == self.before
        lines[self.line - 1] = self.after
        return "\n".join(lines)


_COMPARISONS: Final = {"<=": "<", ">=": ">", "<": "<=", ">": ">=", "==": "!=", "!=": "=="}
_SUMS: Final = {"+=": "-=", "-=": "+=", "+": "-", "-": "+", "*": "+", "/": "*"}
_NAMES: Final = {
    "RoundState.None": "RoundState.Expired",
    "RoundState.Open": "RoundState.Requested",
    "RoundState.Requested": "RoundState.Open",
    "RoundState.Published": "RoundState.Abandoned",
    "RoundState.Abandoned": "RoundState.Published",
    "RoundState.Expired": "RoundState.Abandoned",
    "RoundState.Frozen": "RoundState.Expired",
    "Role.None": "Role.Authority",
    "Role.EdgeServer": "Role.Authority",
    "Role.Authority": "Role.EdgeServer",
    "true": "false",
    "false": "true",
}
_TURNED: Final = (
    ("comparison", re.compile(r" (<=|>=|<|>|==|!=) "), _COMPARISONS),
    ("connective", re.compile(r"(&&|\|\|)"), {"&&": "||", "||": "&&"}),
    ("arithmetic", re.compile(r" (\+=|-=|\+|-|\*|/) "), _SUMS),
    ("negation", re.compile(r"(!)[\w(]"), {"!": ""}),
    ("constant", re.compile(r"\b(RoundState\.\w+|Role\.\w+|true|false)\b"), _NAMES),
)
_MODIFIER: Final = re.compile(r"(?<= )(nonReentrant|known\([\w.]+\)) ?")
_NUMBER: Final = re.compile(r"(?<![\w.\"])(\d[\d_]*)(?![\w\"])")
_DROPPED: Final = re.compile(
    r"^ +(if \(.*\) revert |revert |emit |\+\+|--|_\w+\(|[\w.\[\]]+ [-+]?= |\([\w., \[\]]+\) = ).*;$"
)


def mutants_of(file: str, source: str) -> Iterator[Mutant]:
    """All mutants of one source file, each once, in the order of its lines."""
    lines = source.split("\n")
    for function in functions(source):
        for number in range(function.start, function.end):
            before = lines[number]
            changes = _changes(before, head=number < function.body) if not before.lstrip().startswith("//") else ()
            for kind, after in dict.fromkeys(changes):
                yield Mutant(file, function.name, number + 1, kind, before, after)


def all_mutants(folder: Path) -> list[Mutant]:
    """Of every contract and library below ``folder``; interfaces have nothing to change."""
    paths = sorted(path for path in folder.rglob("*.sol") if path.parent.name != "interfaces")
    return [
        mutant
        for path in paths
        for mutant in mutants_of(path.relative_to(folder).as_posix(), path.read_text(encoding="utf-8"))
    ]


def sample(mutants: Sequence[Mutant], size: int, seed: int) -> list[Mutant]:
    """``size`` of them, drawn by the seed: first one of every function, then a second one, and so on."""

    def drawn(mutant: Mutant) -> bytes:
        return hashlib.sha256(f"{seed}:{mutant}".encode()).digest()

    by_function: dict[tuple[str, str], list[Mutant]] = defaultdict(list)
    for mutant in sorted(mutants, key=drawn):
        by_function[mutant.file, mutant.function].append(mutant)
    rows = zip_longest(*by_function.values())
    return [mutant for row in rows for mutant in row if mutant is not None][:size]


def _changes(line: str, head: bool) -> Iterator[tuple[str, str]]:
    if head:
        for found in _MODIFIER.finditer(line):
            yield "modifier", line[: found.start()] + line[found.end() :]
        return
    if line.lstrip().startswith("for ("):  # a loop that never ends says nothing about the tests
        return
    if _DROPPED.match(line):
        yield "drop", line[: len(line) - len(line.lstrip())] + "// dropped"
    for kind, pattern, turned in _TURNED:
        for found in pattern.finditer(line):
            yield kind, line[: found.start(1)] + turned[found[1]] + line[found.end(1) :]
    for found in _NUMBER.finditer(line):
        yield "constant", line[: found.start()] + str(int(found[1].replace("_", "")) + 1) + line[found.end() :]
