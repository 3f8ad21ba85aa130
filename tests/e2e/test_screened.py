"""A whole screened task: phones, server and authorities compare updates that nobody sees, and the auditor agrees."""

from __future__ import annotations

from pathlib import Path

from protocol.canonical import decode
from protocol.messages.chain import KeyRequested, ScreeningRequested, TaskPosted
from protocol.messages.task import MAX_SPEC_BYTES, TaskSpec
from storage.content.interface import get_document
from tests.e2e.conftest import CLIENTS, ROUNDS, run_demo_command


def test_a_screened_task_from_end_to_end(tmp_path: Path) -> None:
    kept = run_demo_command(tmp_path / "screened", "--suite", "screened")  # the usual one, which others leave
    figures = kept.figures
    assert (figures["suite"], figures["screening"]) == ("PAD/1", "krum")
    assert (figures["audit"]["verdict"], figures["all_claimed"]) == ("PASS", True)
    assert len(figures["accuracy"]) == ROUNDS and len(figures["rewards"]) == CLIENTS
    events = kept.reader.events()
    for kind in (ScreeningRequested, KeyRequested):
        assert [event.round for event in events if isinstance(event, kind)] == [*range(1, ROUNDS + 1)]
    (posted,) = (event for event in events if isinstance(event, TaskPosted))
    spec = decode(TaskSpec, get_document(kept.store, posted.terms.spec, MAX_SPEC_BYTES))
    assert spec.screening.on
