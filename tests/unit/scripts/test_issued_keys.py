"""What comes of asking an authority what it issued: its record, or one line that says why there is none."""

from __future__ import annotations

import pytest

from protocol.canonical import encode
from protocol.messages.issued import IssuedRecord, IssuedStatement, SignedIssued
from scripts.commands import issued_keys
from scripts.commands.issued_keys import ask_authorities
from tests.unit.scripts.issuing import issuing
from tests.unit.storage.gateway import gateway

RECORD = IssuedRecord((SignedIssued(IssuedStatement(7, 1, b"\1" * 32, b"\2" * 32, b"\3" * 20), bytes(65)),))
PATH = "/api/v1/tasks/7/issued"


def test_each_authority_is_asked_for_the_task() -> None:
    with issuing({f"/one{PATH}": encode(RECORD), f"/two{PATH}": encode(IssuedRecord(()))}) as url:
        asked = ask_authorities([f"{url}/one", f"{url}/two/"], 7)
    assert asked == {f"{url}/one": RECORD, f"{url}/two/": IssuedRecord(())}


def test_whoever_gives_none_is_a_line() -> None:
    with issuing({f"/odd{PATH}": b"[1, 2]", f"/none{PATH}": b""}) as url:
        asked = ask_authorities([f"{url}/odd", f"{url}/none", f"{url}/away", "http://127.0.0.1:1", "not a url"], 7)
    lines = [str(answer) for answer in asked.values()]
    assert all(isinstance(answer, str) for answer in asked.values())
    starts = ["no record: ", "no record: ", "status 404", "does not answer: ", "does not answer: "]
    assert [line[: len(start)] for line, start in zip(lines, starts, strict=True)] == starts


@pytest.mark.parametrize(("limit", "value"), [("MAX_ISSUED_BYTES", 10), ("MOST_SECONDS", -1.0)])
def test_an_answer_has_limits(monkeypatch: pytest.MonkeyPatch, limit: str, value: float) -> None:
    monkeypatch.setattr(issued_keys, limit, value)
    with issuing({PATH: encode(RECORD)}) as url:
        assert str(ask_authorities([url], 7)[url]).startswith("more than ")


def test_an_authority_that_is_busy_is_asked_again_and_not_for_ever() -> None:
    pauses = list[float]()
    with gateway() as busy:
        busy.status, busy.headers, busy.body = 503, {"Retry-After": "2"}, b"<html>"
        asked = ask_authorities([busy.url], 7, pauses.append)
    assert asked == {busy.url: "status 503 Service Unavailable: a web page"}
    assert pauses == [2.0] * 3 and len(busy.asked) == 4
