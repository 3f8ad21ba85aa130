"""Rounds whose key was requested: by a server that is replaced, or by one that keeps the sum for itself.

given a round that was requested and expired
    when nobody asks the authorities
        should pass, with a remark that names the round and the server
    when a quorum of them says that it issued the key
        should fail, and name the server
    when fewer do, or nothing that they signed arrives
        should pass, with a remark
    when one of them issued a key for another request
        should fail, and name the authority
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from protocol.audit.issued_checks import NOT_ASKED, Answer
from protocol.audit.report import Line, Status
from protocol.canonical import encode
from protocol.identifiers import sha256, to_hex
from protocol.messages.chain import KeyRequested, RoundOpened
from protocol.messages.issued import IssuedRecord, IssuedStatement, SignedIssued
from protocol.messages.keys import KeyRequest
from protocol.messages.settlement import UNAVAILABLE, Rejection, Verdict
from protocol.model.trained import TrainedModel
from protocol.signing import address_of, sign
from scripts.cli import app
from scripts.commands.auditor import run_audit
from tests.played_conduct import EXPIRED, Conduct
from tests.played_servers import take_over
from tests.played_task import Player
from tests.samples import private_key
from tests.tiny_task import SUBSTITUTE_KEYS, authority_key, funded_ledger
from tests.unit.scripts.issuing import issuing


@pytest.mark.parametrize("goes_on", [True, False])
def test_a_substitute_goes_on_with_the_requested_set_or_fails(goes_on: bool) -> None:
    """The server before it left a client out of its request: nobody can tell later whether it could read its update."""
    player = Player(funded_ledger(f"goes on {goes_on}"), rounds=1, substitutes=1)

    def replaced(model: TrainedModel) -> TrainedModel:
        take_over(player)
        return model

    def fewer(verdict: Verdict) -> Verdict:
        first, *others = verdict.accepted
        return replace(verdict, accepted=tuple(others), rejected=(Rejection(first, UNAVAILABLE),))

    def without(request: KeyRequest) -> KeyRequest:
        return replace(request, entries=request.entries[1:])

    lie = {"verdict": fewer} if goes_on else {"request": without}
    player.play(1, Conduct(lies={"model": replaced, **lie}))
    assert player.reader.task(player.task).edge_server == address_of(SUBSTITUTE_KEYS[0])
    report = run_audit(player.reader, player.store, player.task)
    failed = {line.number for line in report.lines if line.status is Status.FAIL}
    assert (14 in failed, bool(failed)) == (not goes_on, not goes_on), report.failed


class Opened:
    """Round 1 was requested and expired, round 2 published."""

    def __init__(self) -> None:
        self.player = Player(funded_ledger("opened in private"), rounds=2)
        self.player.play(1, Conduct(end=EXPIRED))
        self.player.play(2, Conduct())

    def statement(self, number: int, j: int, **changes: Any) -> IssuedStatement:
        """Of what authority ``j`` issued in a round, for the request on chain."""
        events = [
            event for event in self.player.reader.events(self.player.task) if getattr(event, "round", 0) == number
        ]
        (label,) = (event.label for event in events if isinstance(event, RoundOpened))
        (request,) = (event.request for event in events if isinstance(event, KeyRequested))
        said = IssuedStatement(self.player.task, number, label, request, address_of(authority_key(j)))
        return replace(said, **changes)

    def record(self, *statements: IssuedStatement, key: bytes) -> IssuedRecord:
        return IssuedRecord(tuple(SignedIssued(said, sign(self.player.domain, said, key)) for said in statements))

    def honest(self, number: int, *authorities: int) -> dict[str, Answer]:
        return {f"http://{j}": self.record(self.statement(number, j), key=authority_key(j)) for j in authorities}

    def audit(self, answers: Mapping[str, Answer]) -> Line:
        """The line of check 28; nothing else fails."""
        report = run_audit(self.player.reader, self.player.store, self.player.task, issued=answers)
        assert {line.number for line in report.failed} <= {28}, report.failed
        (line,) = [line for line in report.lines if line.number == 28]
        return line


@pytest.fixture(scope="module")
def opened() -> Opened:
    return Opened()


def test_without_the_authorities_it_is_named_and_passes(opened: Opened) -> None:
    line, server = opened.audit({}), to_hex(opened.player.edge.sender)
    assert line.status is Status.PASS
    assert line.detail == f"{NOT_ASKED}; round 1 was requested by {server} and not published"


def test_a_quorum_that_issued_the_key_tells_of_the_server(opened: Opened) -> None:
    line = opened.audit(opened.honest(1, 1, 3))
    assert line.status is Status.FAIL
    assert f"issued the key of round 1 to {to_hex(opened.player.edge.sender)}" in line.detail
    assert "edge server" in line.detail, "whose fault it is"


def test_the_command_asks_them(opened: Opened, tmp_path: Path) -> None:
    player = opened.player
    for text, data in player.store.objects.items():
        (tmp_path / text).write_bytes(data)
    path, records = f"/api/v1/tasks/{player.task}/issued", [opened.honest(1, j)[f"http://{j}"] for j in (1, 3)]
    with issuing({f"/{place}{path}": encode(record) for place, record in enumerate(records)}) as url:
        asked = [option for place in range(2) for option in ("--authority", f"{url}/{place}")]
        where = ["--rpc-url", player.chain.rpc_url, "--ledger", str(player.domain), "--store", str(tmp_path)]
        done = CliRunner().invoke(app, ["audit", *where, "--task", str(player.task), *asked])
    assert done.exit_code == 1, done.output
    assert [line for line in done.output.splitlines() if line.startswith("FAIL 28")], done.output


def test_fewer_than_a_quorum_could_not_open_it(opened: Opened) -> None:
    twice = {"http://a": opened.honest(1, 1)["http://1"], "http://b": opened.honest(1, 1)["http://1"]}
    for answers in (opened.honest(1, 1), twice, {"http://1": IssuedRecord(()), **opened.honest(1, 2)}):
        line = opened.audit(answers)
        assert (line.status, "1 of 3 authorities" in line.detail) == (Status.PASS, True), line.detail


def test_a_published_round_may_have_been_issued(opened: Opened) -> None:
    assert opened.audit(opened.honest(2, 1, 2, 3)).status is Status.PASS


@pytest.mark.parametrize("change", [{"request": sha256(b"another")}, {"label": sha256(b"another")}])
def test_a_key_for_another_request_tells_of_the_authority(opened: Opened, change: dict[str, bytes]) -> None:
    said = opened.statement(2, 2, **change)
    line = opened.audit({"http://2": opened.record(said, key=authority_key(2))})
    assert (line.status, to_hex(said.authority) in line.detail) == (Status.FAIL, True)


def test_what_is_not_signed_by_an_authority_is_a_remark(opened: Opened) -> None:
    stranger = private_key("stranger")
    theirs = {"http://1": opened.record(opened.statement(1, 1), key=stranger), **opened.honest(1, 3)}
    outsider = opened.record(opened.statement(1, 1, authority=address_of(stranger)), key=stranger)
    mixed = IssuedRecord(tuple(one for j in (1, 2) for one in _issued(opened.honest(1, j))))
    for answers in (theirs, {"http://1": outsider, **opened.honest(1, 3)}, {"http://1": mixed, **opened.honest(1, 3)}):
        line = opened.audit(answers)
        assert (line.status, "http://1: " in line.detail) == (Status.PASS, True), line.detail


def test_who_does_not_answer_is_a_remark(opened: Opened) -> None:
    line = opened.audit({"http://away": "does not answer", **opened.honest(1, 1)})
    assert (line.status, "http://away: does not answer" in line.detail) == (Status.PASS, True)


def test_a_round_that_the_audited_block_does_not_know_says_nothing(opened: Opened) -> None:
    said = opened.statement(1, 1, round=3)
    assert opened.audit({"http://1": opened.record(said, key=authority_key(1))}).status is Status.PASS


def test_a_key_of_another_task_says_nothing(opened: Opened) -> None:
    said = [opened.statement(1, j, task=2) for j in (1, 2)]
    answers = {f"http://{j}": opened.record(one, key=authority_key(j)) for j, one in enumerate(said, start=1)}
    assert opened.audit(answers).status is Status.PASS


def _issued(answers: Mapping[str, Answer]) -> list[SignedIssued]:
    return [one for answer in answers.values() if isinstance(answer, IssuedRecord) for one in answer.issued]
