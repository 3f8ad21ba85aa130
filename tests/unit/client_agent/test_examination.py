"""What keeps a phone out of a task is said before its owner is asked anything, and while it waits to be let in."""

from __future__ import annotations

from pathlib import Path
from unittest import mock

import pytest

from client_agent.membership import RELAY_SECONDS
from client_agent.place import AccountBoundError, EnrolmentOverError
from protocol.messages.chain import Standing
from tests.unit.client_agent.scene_phone import Phone
from tests.unit.client_agent.scene_server import PHONE, PlayedServer


def test_an_account_that_is_enrolled_with_other_keys_is_refused(tmp_path: Path) -> None:
    server = PlayedServer()
    server.chain.enrol(PHONE.address, b"\1" * 32)
    phone = Phone(server, tmp_path)
    with pytest.raises(EnrolmentOverError, match="keys that are in another folder"):
        phone.steps(60)
    assert phone.told == [], "its owner was asked nothing"


def test_a_task_that_there_is_not_is_said_at_once(tmp_path: Path) -> None:
    server = PlayedServer()
    server.chain.blocks = [("a", 0, None)]
    with pytest.raises(EnrolmentOverError, match="no task 1 on ledger 0x"):
        Phone(server, tmp_path).steps(60)


def test_an_account_that_another_task_holds_is_told_so_before_it_is_asked(tmp_path: Path) -> None:
    server = PlayedServer()
    phone = Phone(server, tmp_path)
    with (
        mock.patch.object(server.chain, "standing", return_value=Standing(2, 0, 7, 0)),
        mock.patch("client_agent.place._require_free", side_effect=AccountBoundError("works for task 7 until ..")),
        pytest.raises(AccountBoundError, match="task 7"),
    ):
        phone.steps(60)
    assert (phone.told, server.windows) == ([], [])


def test_an_account_that_is_bound_after_it_asked_is_told_so_too(tmp_path: Path) -> None:
    """Its relay would be silent."""
    server = PlayedServer()
    phone = Phone(server, tmp_path)
    with mock.patch.object(server, "enrol"), pytest.raises(AccountBoundError):
        while phone.agent.journal.envelope is None:
            phone.steps(1)
        with mock.patch("client_agent.membership.require_place", side_effect=AccountBoundError("task 7")):
            phone.steps(2 * RELAY_SECONDS)
