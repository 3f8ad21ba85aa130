"""What the page remembers: as it was after every kill, and no piece of news twice."""

from __future__ import annotations

from pathlib import Path

from client_agent.web.book import HomeBook, KeptTask, News, Noticed
from protocol.identifiers import sha256
from protocol.invitation import Invitation
from storage.records.journal import Journal
from tests.samples import DOMAIN

INVITATION = Invitation(DOMAIN, 7, bytes(32), ("http://edge.example",))


def test_everything_is_there_after_a_kill(tmp_path: Path) -> None:
    book = HomeBook(Journal(tmp_path / "page"))
    book.take(INVITATION, "/data")
    book.pause(7, True)
    book.leave(7, left=False)
    book.notice(Noticed(News.JOINED, 7, 3, at=5))
    book.pair(sha256(b"secret"))
    before = book.state
    book.close()
    again = HomeBook(Journal(tmp_path / "page"))
    assert again.state == before
    assert again.state.tasks[7] == KeptTask(INVITATION, "/data", paused=True, leaving=True)
    again.leave(7, left=True)
    assert again.state.tasks[7].left and not again.state.tasks[7].leaving
    again.close()


def test_news_is_told_once_whenever_it_was(tmp_path: Path) -> None:
    book = HomeBook(Journal(tmp_path / "page"))
    assert book.notice(Noticed(News.PAID, 7, 0, 100, at=5))
    assert not book.notice(Noticed(News.PAID, 7, 0, 100, at=6))
    assert book.notice(Noticed(News.PAID, 7, 0, 200, at=6))
    assert book.state.unread == 2
    book.read_notices(3)  # more than there are
    assert book.state.unread == 2
    book.read_notices(2)
    book.read_notices(1)
    assert book.state.unread == 0
    book.close()


def test_what_is_dropped_is_gone_and_can_come_back(tmp_path: Path) -> None:
    book = HomeBook(Journal(tmp_path / "page"))
    book.take(INVITATION, "/data")
    book.drop(7)
    book.pause(7, True)  # of a task that is not there
    assert book.state.tasks == {}
    book.take(INVITATION, "/other")
    assert book.state.tasks[7] == KeptTask(INVITATION, "/other")
    book.close()
