"""What the edge server may not forget."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from backend.rounds.journal import EdgeJournal
from protocol.errors import HearthError
from protocol.messages.settlement import Verdict
from tests.unit.backend.rounds.scene_round import CLIENTS, PlannedRound


def test_everything_survives_a_restart(tmp_path: Path) -> None:
    scene, journal = PlannedRound(), EdgeJournal(tmp_path)
    verdict = Verdict(scene.plan.label(), tuple(CLIENTS[:2]), ())
    assert journal.keep_submission(1, 1, scene.submission(0))
    journal.keep_word(1, b"\x0a" * 20, {CLIENTS[0]}, {CLIENTS[1]})
    journal.keep_verdict(1, 1, verdict)
    journal.close()
    again = EdgeJournal(tmp_path)
    assert again.submissions(1, 1) == {CLIENTS[0]: scene.submission(0)}
    assert again.submissions(1, 2) == {}
    assert again.acceptances(1, CLIENTS[0]) == {b"\x0a" * 20}
    assert [again.refused(1, client) for client in CLIENTS] == [False, True, False]
    assert again.verdict(1, 1) == verdict
    assert again.verdict(1, 2) is None
    again.close()


def test_the_first_submission_of_a_client_stands(tmp_path: Path) -> None:
    scene, journal = PlannedRound(), EdgeJournal(tmp_path)
    first = scene.submission(0)
    assert journal.keep_submission(1, 1, first) == first
    assert journal.keep_submission(1, 1, first) == first
    assert journal.keep_submission(1, 1, replace(first, nonce=b"\x09" * 16)) == first
    assert journal.submissions(1, 1) == {CLIENTS[0]: first}
    journal.close()


def test_a_changed_verdict_is_noticed(tmp_path: Path) -> None:
    scene, journal = PlannedRound(), EdgeJournal(tmp_path)
    journal.keep_verdict(1, 1, Verdict(scene.plan.label(), tuple(CLIENTS), ()))
    (path,) = tmp_path.rglob("verdict-1-1.json")
    path.write_bytes(path.read_bytes().replace(CLIENTS[0].hex().encode(), CLIENTS[1].hex().encode()))
    with pytest.raises(HearthError, match="not the one"):
        journal.verdict(1, 1)
    journal.close()
