"""What nobody can read any more: who may go on from before it, and what the audit can still tell."""

from __future__ import annotations

from dataclasses import replace

import pytest

from protocol.audit.report import Line, Report, Status
from protocol.content.cid import Cid
from protocol.identifiers import Digest, to_hex
from protocol.messages.chain import BatchCommitted, Event, RoundPublished
from scripts.commands.auditor import run_audit
from storage.ledger.signer import Signer
from tests.played_conduct import EXPIRED, Conduct
from tests.played_task import Player
from tests.samples import private_key, sample_spec
from tests.tiny_task import funded_ledger

SUBSTITUTE = Signer(private_key("substitute"))
DURATIONS = replace(sample_spec().durations, takeover_seconds=100)


class Task:
    """Round 2 is published; round 3 goes on from round 1, opened by the same server or by another one."""

    def __init__(self, replaced: bool, name: str) -> None:
        ledger = funded_ledger(name)
        self.player = player = Player(ledger, rounds=4, edge_substitutes=(SUBSTITUTE.address,), durations=DURATIONS)
        player.play(1, Conduct())
        past, trained, models = player.past, player.trained, [*player.models]
        player.play(2, Conduct())
        self.publisher = player.edge.sender
        if replaced:
            player.chain.fund(ledger, SUBSTITUTE.address)
            player.chain.pass_time(DURATIONS.commit_seconds + DURATIONS.settle_seconds + DURATIONS.roster_seconds + 101)
            player.edge = player.chain.ledger(ledger, SUBSTITUTE)
        player.past = replace(past, previous_label=player.past.previous_label)
        player.trained, player.models = trained, models
        player.play(3, Conduct())
        player.play(4, Conduct())

    def event(self, kind: type[Event], number: int) -> Event:
        events = self.player.reader.events(self.player.task)
        return next(event for event in events if isinstance(event, kind) and getattr(event, "round", 0) == number)

    def audit(self, *withheld: Digest) -> Report:
        store, kept = self.player.store, dict(self.player.store.objects)
        for digest in withheld:
            del store.objects[Cid("raw", digest).text]
        try:
            return run_audit(self.player.reader, store, self.player.task)
        finally:
            store.objects = kept


@pytest.fixture(scope="module")
def replaced() -> Task:
    return Task(True, "skipped")


def _of(report: Report, number: int, subject: str) -> Line:
    (line,) = [line for line in report.lines if (line.number, line.subject) == (number, subject)]
    return line


def test_a_substitute_may_go_on_from_before_a_round_of_another_server(replaced: Task) -> None:
    report = replaced.audit()
    assert report.status is Status.PASS, report.failed
    assert _of(report, 7, "round 3").detail == f"skips round 2, which {to_hex(replaced.publisher)} published"
    assert _of(report, 7, "round 4").detail == ""


def test_a_server_may_not_skip_a_round_of_its_own() -> None:
    report = Task(False, "own round skipped").audit()
    assert [(line.number, line.subject, line.status) for line in report.failed] == [(7, "round 3", Status.FAIL)]
    assert "skips round 2" in report.failed[0].detail


def test_a_model_that_is_withheld_leaves_the_later_rounds_known(replaced: Task) -> None:
    published = replaced.event(RoundPublished, 2)
    assert isinstance(published, RoundPublished)
    report = replaced.audit(published.model)
    assert [(line.number, line.subject, line.status) for line in report.failed] == [(18, "round 2", Status.UNKNOWN)]
    assert to_hex(replaced.publisher) in report.failed[0].detail, "its keeper"


def test_a_record_that_is_withheld_leaves_the_later_rounds_known(replaced: Task) -> None:
    """What round 2 allocated follows from its ciphertexts, and stands under the root on chain."""
    published = replaced.event(RoundPublished, 2)
    assert isinstance(published, RoundPublished)
    report = replaced.audit(published.record)
    assert report.status is Status.UNKNOWN
    assert {line.subject for line in report.failed} == {"round 2", "round 2 record", "round 2 average"}
    assert {line.number for line in report.failed} == {13, 14, 15, 16, 17, 18, 19, 20, 21, 25}


def test_a_batch_that_is_withheld_of_an_expired_round_is_all_that_is_unknown() -> None:
    player = Player(funded_ledger("batch withheld"), rounds=2)
    player.play(1, Conduct(direct=(1,), end=EXPIRED))
    player.play(2, Conduct())
    (batch, _) = [e.batch for e in player.reader.events(player.task) if isinstance(e, BatchCommitted)]
    del player.store.objects[Cid("raw", batch).text]
    report = run_audit(player.reader, player.store, player.task)
    assert [(line.number, line.subject, line.status) for line in report.failed] == [(10, "round 1", Status.UNKNOWN)]
