"""What an authority follows is not asked for again; everything else is, and whatever it has not seen yet."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from backend.key_authority.followed import FollowedTasks
from backend.key_authority.following_reader import FollowingReader
from protocol.messages.chain import Enrolled, EnrolmentView
from protocol.task.fold import fold
from storage.ledger.interface import TransactionRevertedError
from tests.unit.protocol.task.told_task import ToldTask, event_of

STRANGER = b"\x77" * 20
TOLD = ToldTask()
ENROLLED = next(event for event in TOLD.events if isinstance(event, Enrolled))


class Asked:
    """A chain that tells what it is asked."""

    def __init__(self) -> None:
        self.questions = list[str]()

    def __getattr__(self, name: str) -> Any:
        def answer(*arguments: object) -> object:
            self.questions.append(name)
            if name == "enrolment":
                return EnrolmentView(b"\5" * 32, 0, 0, 2, False, False)
            return (name, *arguments)

        return answer


def _reading(asked: Asked) -> FollowingReader:
    looked = list[int]()
    followed = SimpleNamespace(
        look=lambda: looked.append(1),
        state=lambda task: fold(task, TOLD.events),
        events=lambda task: TOLD.events if looked else (),
    )
    return FollowingReader(cast(Any, asked), cast(FollowedTasks, followed))


def test_an_enrolment_that_was_followed_is_no_question() -> None:
    asked = Asked()
    view = _reading(asked).enrolment(1, ENROLLED.client)
    assert (view.envelope, view.reputation) == (ENROLLED.envelope, ENROLLED.reputation)
    assert asked.questions == []


def test_whoever_is_not_known_yet_is_asked_for() -> None:
    asked = Asked()
    assert _reading(asked).enrolment(1, STRANGER).envelope == b"\5" * 32
    assert _reading(asked).enrolment(2, ENROLLED.client).envelope == b"\5" * 32, "in another task"
    assert asked.questions == ["enrolment", "enrolment"]

    def refuse(*_: object) -> EnrolmentView:
        raise TransactionRevertedError("TaskUnknown", (1,))

    cast(Any, asked).enrolment = refuse
    with pytest.raises(TransactionRevertedError):
        _reading(asked).enrolment(1, STRANGER)


def test_events_are_those_of_a_look_now() -> None:
    asked = Asked()
    assert _reading(asked).events(1) == list(TOLD.events)
    late = event_of(
        Enrolled, client=STRANGER, envelope=bytes(32), reputation=2, signer=STRANGER, deadline=9, signature=b""
    )
    assert _reading(asked).events(1, late.block) == [event for event in TOLD.events if event.block >= late.block]
    assert asked.questions == []


def test_everything_else_is_asked() -> None:
    asked = Asked()
    reader = _reading(asked)
    reader.now(), reader.task(1), reader.round(1, 2, 3), reader.bond(1, STRANGER), reader.events(None)
    reader.block_timestamp(9), reader.block_hash(9)
    assert asked.questions == ["now", "task", "round", "bond", "events", "block_timestamp", "block_hash"]
