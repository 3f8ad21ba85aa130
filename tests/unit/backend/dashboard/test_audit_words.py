"""What an audit says is in the reader's language wherever it has a number or a name; the rest is marked as English."""

from __future__ import annotations

import re

import pytest

from backend.dashboard.subjects import parts_of
from protocol.audit.report import CHECKS
from tests.tracked import ROOT
from tests.unit.backend.dashboard.scene_dashboard import text
from tests.unit.backend.dashboard.scene_many import HOSTILE, Many
from tests.unit.backend.dashboard.test_pages import many_pages

PLACE = re.compile(r"\{[^{}]*\}")
ABOUT = re.compile(r"check\(\s*\d+,\s*f?\"([^\"]+)\"")
VALUES = {"to_hex": "0x" + "ab" * 20, "subject": "round 1"}  # of a place, by what is in it; else a number


def subjects() -> set[str]:
    """Each that a check has, as the sources write it."""

    def filled(place: re.Match[str]) -> str:
        return next((value for name, value in VALUES.items() if name in place[0]), "7")

    files = (ROOT / "protocol" / "audit").glob("*.py"), (ROOT / "scripts" / "commands").glob("auditor.py")
    found = [subject for some in files for file in some for subject in ABOUT.findall(file.read_text())]
    return {PLACE.sub(filled, subject) for subject in found}


def test_every_subject_is_taken_apart() -> None:
    assert len(subjects()) > 15
    assert {subject for subject in subjects() if not all(part.word for part in parts_of(subject))} == set()
    assert [(part.word, part.text) for part in parts_of(f"claim of 0x{'ab' * 20} in block 7")] == [
        ("claim of", ""),
        ("address", "0x" + "ab" * 20),
        ("in", ""),
        ("block", "7"),
    ]


def test_what_is_no_known_subject_is_shown_as_it_is() -> None:
    assert [(part.word, part.text) for part in parts_of("round 2 of the moon")] == [
        ("round", "2"),
        ("", "of the moon"),
    ]


def failed(*details: str) -> Many:
    many = Many()
    many.audited(1, *details)
    return many


def test_every_check_is_named_as_the_audit_names_it() -> None:
    page = text(many_pages(failed()), "/tasks/1/audits/1?lang=en")
    assert [number for number, claim in CHECKS.items() if f"{number}. {claim}</th>" not in page] == []


def test_a_failure_in_german() -> None:
    page = text(many_pages(failed("the ciphertext is another one")), "/tasks/1/audits/1?lang=de")
    assert "<strong>Runde 1:</strong> jedes Chiffrat ist das, das seine Festlegung nennt." in page
    assert "Das stimmt nicht:" in page and '<span lang="en">the ciphertext is another one.</span>' in page
    assert not [claim for claim in CHECKS.values() if claim in page]


@pytest.mark.parametrize("language", ["en", "de"])
def test_what_a_finding_quotes_is_text(language: str) -> None:
    page = text(many_pages(failed(HOSTILE)), f"/tasks/1/audits/1?lang={language}")
    assert "<img src=x" not in page and "&lt;img src=x" in page


def test_an_error_of_the_api_is_told_by_its_code() -> None:
    page = text(many_pages(Many(fail="E_LEDGER")), "/tasks/1?lang=de", 503)
    assert "Die Chain ist gerade nicht erreichbar." in page and '<p class="fine" lang="en">&lt;img src=x' in page
    page = text(many_pages(Many(fail="E_ODD")), "/tasks/1?lang=de", 503)
    assert "Das geht gerade nicht." in page
