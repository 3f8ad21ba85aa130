"""A task that adapts its local steps, or stops early, as its phone sees it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from protocol.messages.chain import Left
from protocol.messages.round import RoundPlan
from protocol.messages.submission import SignedLeave
from protocol.messages.task import ControlTerms
from protocol.model.trained import Control
from protocol.round.adaptation import with_steps
from protocol.task.stopping import stopped_after
from tests.unit.client_agent.scene_phone import UNTIL_BATCH, Phone, owed, play_round
from tests.unit.client_agent.scene_server import COMMIT_SECONDS, PHONE, PlayedServer


class StoppingServer(PlayedServer):
    """Relays what phones ask for when they leave."""

    left = False

    def leave(self, signed: SignedLeave) -> None:
        assert signed.leave.client == PHONE.address
        if not self.left:
            self.chain.mine(Left, client=PHONE.address, signature=signed.signature)
        self.left = True


def _steps(number: int) -> Callable[[RoundPlan], RoundPlan]:
    """A plan with so many local steps."""
    return lambda plan: replace(plan, learning=with_steps(plan.learning, number))


@pytest.mark.parametrize(("steps", "joins"), [(4, True), (3, False), (5, False), (9, False)])
def test_a_phone_trains_as_many_steps_as_the_model_says(steps: int, joins: bool, tmp_path: Path) -> None:
    """It has the model anyway; a plan with others is not the task's, and costs it nothing."""
    server = PlayedServer(control=ControlTerms(max_local_steps=5))
    phone = Phone(server, tmp_path)
    phone.steps(60)
    server.control = Control(4, 0.5, 1.0, 1.0)
    play_round(phone)
    server.open(said=_steps(steps))
    phone.steps(UNTIL_BATCH)
    assert (2 in server.submitted) is joins
    charges = phone.agent.privacy.spending().charged.items()
    charged = sorted(use.mechanism.local_steps for use, numbers in charges for _ in numbers)
    assert charged == ([1, 4] if joins else [1])


def test_a_phone_leaves_a_task_that_stopped_early_and_is_paid_at_once(tmp_path: Path) -> None:
    """The ledger would go on: until the task's time is over it frees only who left."""
    server = StoppingServer(control=ControlTerms(patience=1))
    phone = Phone(server, tmp_path)
    phone.steps(60)
    play_round(phone)
    assert not server.left
    play_round(phone)
    assert stopped_after(phone.agent.followed.state) == 2
    phone.steps(2 * COMMIT_SECONDS)
    assert server.left
    assert phone.paid() == owed(server, 2) > 0


def test_a_phone_joins_no_round_after_the_stop(tmp_path: Path) -> None:
    server = StoppingServer(control=ControlTerms(patience=1))
    phone = Phone(server, tmp_path)
    phone.steps(60)
    play_round(phone)
    server.left = True  # nobody relays: the phone is in the task still
    play_round(phone)
    server.open()
    phone.steps(UNTIL_BATCH)
    assert sorted(server.submitted) == [1, 2]
