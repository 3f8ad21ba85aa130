"""Slither's findings and their answers; Slither itself runs in scripts/test."""

from __future__ import annotations

from typing import Any

from scripts.checks.slither import ANSWERS, Finding, Place, complaints, place_of, read_answers

ANSWERED: Place = ("timestamp", "Rounds.openRound")


def element(name: str, file: str, contract: str | None = None) -> dict[str, Any]:
    parent = {"parent": {"type": "contract", "name": contract}} if contract else {}
    return {"name": name, "type_specific_fields": parent, "source_mapping": {"filename_relative": file}}


def test_what_is_answered_is_no_complaint() -> None:
    assert complaints([Finding(ANSWERED, "deadline")], [ANSWERED]) == []


def test_a_finding_without_an_answer_is_one() -> None:
    other = Finding(("timestamp", "Rounds.expireRound"), "deadline")
    (told,) = complaints([Finding(ANSWERED, "deadline"), other], [ANSWERED])
    assert told == "not answered: timestamp in Rounds.expireRound\ndeadline"


def test_an_answer_to_nothing_is_one() -> None:
    assert complaints([], [ANSWERED]) == ["nothing asks for the answer to timestamp in Rounds.openRound"]


def test_a_finding_stands_where_it_touches_our_files() -> None:
    library = element("tryRecover", "contracts/node_modules/@openzeppelin/ECDSA.sol", "ECDSA")
    ours = element("openRound", "contracts/src/Rounds.sol", "Rounds")
    assert place_of({"check": "timestamp", "elements": [library, ours]}) == ANSWERED
    assert place_of({"check": "pragma", "elements": [element("0.8.37", "contracts/src/Money.sol")]})[1] == "0.8.37"


def test_no_question_is_answered_twice() -> None:
    answers = read_answers()
    assert len(answers) == len(set(answers)) > 0
    assert "slither-disable" not in "".join(
        path.read_text(encoding="utf-8") for path in (ANSWERS.parent / "src").rglob("*.sol")
    )
