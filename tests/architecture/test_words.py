"""The words of docs/glossary.md that a program can check, in code, messages and texts."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.tracked import ROOT, tracked

OWN = (ROOT / "docs" / "glossary.md", Path(__file__))
# Amounts that are always of the chain's own coin.
OF_THE_COIN = {"amount_wei", "data_wei", "fee_wei", "limit_wei", "max_bond_wei", "value_wei"}


def found(pattern: str, *exempt: str) -> list[str]:
    """Lines of tracked files with the pattern, outside of the folders that are exempt."""
    expression = re.compile(pattern)
    return [
        f"{name}:{number}: {line.strip()}"
        for path in tracked(".py", ".md", ".sol", ".toml")
        if path not in OWN and not (name := path.relative_to(ROOT).as_posix()).startswith(exempt)
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if expression.search(line)
    ]


@pytest.mark.parametrize(
    "pattern",
    [
        r"(?i)\breceipts? \(inclusion|inclusion[ _]receipts?\b|receipt: InclusionProof|[\"']receipt: ",
        r"(?i)\btrusted third part|\bTPA\b",
        r"(?i)\bthe papers\b",
        r"(?i)\b(job|participant|requester)s?\b",
        r"\bopen_sums?\b|\bopened\.(sums|max_residual)|(?i:\bopened sum)",  # a sum is decrypted, a round is opened
    ],
)
def test_words_of_the_other_column(pattern: str) -> None:
    assert found(pattern) == []


def test_the_judge_is_a_contract() -> None:
    assert found(r"\bdef judge\b", "storage/ledger/", "tests/reference_ledger/") == []


def test_an_edge_server_acts() -> None:
    assert found(r"\bin[ _]charge\b(?!\.)", "contracts/", "tests/contracts/", "tests/reference_ledger/") == []


def test_only_amounts_of_the_coin_are_in_wei() -> None:
    names = {name for line in found(r"\b\w+_wei\b") for name in re.findall(r"\b(\w+_wei)\b", line)}
    assert names <= OF_THE_COIN
