"""Requests are counted by kind, across restarts, and no trouble with the count stops one."""

from __future__ import annotations

from pathlib import Path

import pytest

from client_agent.sent_requests import SAVE_SECONDS, Asked, Counted, Requests


def test_they_are_counted_across_restarts(tmp_path: Path) -> None:
    now = 0.0
    requests = Requests(tmp_path / "requests", lambda: now)
    requests.add(Asked.NEXT_ROUND, 70)
    requests.add(Asked.ENROLMENT, 900)
    assert not (tmp_path / "requests").exists(), "polls are too many to write each"
    now = SAVE_SECONDS
    requests.add(Asked.NEXT_ROUND, 71)
    requests.add(Asked.CHAIN, 5)
    again = Requests(tmp_path / "requests", lambda: now)
    assert again.counts() == (Counted("enrolment", 1, 900), Counted("next round", 2, 141))
    requests.save()
    assert Requests(tmp_path / "requests", lambda: now).counts() == requests.counts()


@pytest.mark.parametrize("broken", [b"", b"{}", b'{"kinds":[{"count":-1,"kind":"x","size":0}]}', b"x" * 70_000])
def test_a_broken_file_begins_the_count_anew(tmp_path: Path, broken: bytes) -> None:
    (tmp_path / "requests").write_bytes(broken)
    requests = Requests(tmp_path / "requests", lambda: 0.0)
    assert requests.counts() == ()
    requests.add(Asked.CLAIM, 1)
    requests.save()
    assert Requests(tmp_path / "requests", lambda: 0.0).counts() == (Counted("claim", 1, 1),)


def test_a_folder_that_cannot_be_written_stops_no_request(tmp_path: Path) -> None:
    requests = Requests(tmp_path / "absent" / "requests", lambda: 0.0)
    requests.add(Asked.CLAIM, 1)
    requests.save()
    assert requests.counts() == (Counted("claim", 1, 1),)
