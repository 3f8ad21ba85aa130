"""Whatever a file of the repository cites, a reader of the repository can open."""

from __future__ import annotations

import re
from pathlib import Path

from tests.tracked import ROOT, tracked

TEXTS = {path: path.read_text() for path in tracked(".py", ".md", ".toml", ".sol", ".mjs") if path != Path(__file__)}
PAGES = {path.name: path for path in [*(ROOT / "docs").rglob("*.md"), *ROOT.glob("*.md")]}
PAGE = re.compile(r"(?<![\w/{.*-])((?:[\w.-]+/)*[\w-]+\.md)\b")
LINK = re.compile(r"\]\(([^)#\s:]+)\)")
SECTION = re.compile(r"([a-z-]+\.md)(?:``|`|\))?,? (?:sections? )?(\d+(?:\.\d+)*)")
IN_ENCRYPTION = re.compile(r"\((?:``encryption\.md`` )?(\d\.\d+)[,)]")  # its files cite no other page by a number alone
DECISION = re.compile(r"\bADR (\d+)")


def sections(page: str) -> set[str]:
    """Numbers of headings and of the items of lists."""
    return set(re.findall(r"^(?:#+ )?(\d+(?:\.\d+)*)\.? ", PAGES[page].read_text(), re.MULTILINE))


def test_cited_pages_are_here() -> None:
    for path, text in TEXTS.items():
        for cited in PAGE.findall(text):
            places = [ROOT / cited, path.parent / cited, PAGES.get(cited)]
            assert any(place is not None and place.is_file() for place in places), f"{path}: {cited}"


def test_links_of_pages_lead_somewhere() -> None:
    for path, text in TEXTS.items():
        if path.suffix == ".md":
            assert [link for link in LINK.findall(text) if not (path.parent / link).exists()] == [], path


def test_cited_decisions_are_here() -> None:
    numbers = {path.name[:4] for path in (ROOT / "docs" / "adr").glob("*.md")}
    for path, text in TEXTS.items():
        assert [n for n in DECISION.findall(text) if f"{int(n):04}" not in numbers] == [], path


def test_cited_sections_are_here() -> None:
    found = 0
    for path, text in TEXTS.items():
        cited = SECTION.findall(text)
        if "encryption" in path.relative_to(ROOT).parts and path.suffix == ".py":
            cited += [("encryption.md", number) for number in IN_ENCRYPTION.findall(text)]
        found += len(cited)
        assert [place for place in cited if place[1] not in sections(place[0])] == [], path
    assert found > 30
