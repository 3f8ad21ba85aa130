"""Whoever leaves a task was in it; else it is told so, and nothing is sent."""

from __future__ import annotations

from typing import cast
from unittest import mock

import pytest

from client_agent.departure import leave_task
from client_agent.place import EnrolmentOverError
from storage.ledger.interface import Ledger
from tests.unit.client_agent.scene_server import PHONE, PlayedServer


def test_an_account_that_is_in_no_task_leaves_none() -> None:
    server = PlayedServer()
    edge = mock.Mock(spec_set=())
    with pytest.raises(EnrolmentOverError, match="is not enrolled in task 1"):
        leave_task(1, PHONE, cast(Ledger, server.chain), edge)
