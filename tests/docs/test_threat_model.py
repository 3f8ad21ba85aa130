"""Every claim of docs/threat-model.md leads to a test or a decision that exists."""

from __future__ import annotations

import re
from math import comb, log2
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"
INTRODUCTION, *SECTIONS = re.split(r"^## .*$", (DOCS / "threat-model.md").read_text(), flags=re.MULTILINE)
TEST = r"^(def test_|class Test|Test\w+ = |    function test)"
LINK = re.compile(r"\]\(([^)]+)\)")


def claims(section: str) -> list[str]:
    """The items of a section; everything in it is one."""
    items = re.split(r"^\* ", section, flags=re.MULTILINE)
    assert not items[0].strip(), "text that is no claim"
    return [" ".join(item.split()) for item in items[1:]]


CLAIMS = [claim for section in SECTIONS for claim in claims(section)]


@pytest.mark.parametrize("claim", CLAIMS)
def test_every_sentence_of_a_claim_has_a_link_that_leads_somewhere(claim: str) -> None:
    for sentence in re.split(r"(?<=\.) (?=[A-Z*])", claim):
        links = LINK.findall(sentence)
        assert links, sentence
        for link in links:
            target = (DOCS / link).resolve()
            assert target.is_file(), link
            place = target.relative_to(DOCS.parent).as_posix()
            assert place.startswith(("tests/", "docs/adr/")), "neither a test nor a decision"
            assert not place.startswith("tests/") or re.search(TEST, target.read_text(), re.MULTILINE), place


@pytest.mark.parametrize(("drop_outs", "clients"), [(5, 100), (10, 100), (10, 1000), (100, 1000)])
def test_the_bits_that_guessing_the_set_costs(drop_outs: int, clients: int) -> None:
    bits = round(log2(sum(comb(clients, k) for k in range(drop_outs + 1))))
    decision = " ".join((DOCS / "adr" / "0012-what-fe64-does-not-prove.md").read_text().split())
    assert re.search(rf"{bits} (bits )?for {drop_outs} (drop-outs )?of {clients}\b", decision), bits


def test_there_is_something_to_check() -> None:
    assert len(SECTIONS) == 7
    assert len(CLAIMS) > 30
    assert "](" not in INTRODUCTION
