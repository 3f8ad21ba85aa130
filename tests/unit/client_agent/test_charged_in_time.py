"""A round is charged to the privacy budget only where it can still be made, by block time."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from protocol.messages.chain import DirectCommitted
from protocol.model.layout import PARAMETER_BOUND
from protocol.task.margins import margins
from tests.unit.client_agent.scene_phone import Phone, play_round
from tests.unit.client_agent.scene_server import COMMIT_SECONDS, PlayedServer


def test_too_late_for_a_round_nothing_is_charged(tmp_path: Path) -> None:
    server = PlayedServer()
    phone = Phone(server, tmp_path)
    phone.steps(60)
    server.open()
    server.chain.time += COMMIT_SECONDS + 1
    phone.steps(10)
    assert phone.charged() == set()
    server.expire()
    play_round(phone)
    assert phone.charged() == {2}


def test_a_round_that_a_slow_store_used_up_is_not_charged(tmp_path: Path) -> None:
    """Nor one that the machine slept through: what counts is the block time when it would be charged."""
    server = PlayedServer()
    phone = Phone(server, tmp_path)
    phone.steps(60)
    server.open()
    get = server.store.get

    def slow(*arguments: Any) -> bytes:
        server.chain.time += COMMIT_SECONDS // 2
        return get(*arguments)

    with mock.patch.object(server.store, "get", slow):
        phone.steps(10)
    assert phone.charged() == set()
    assert server.submitted == {}
    assert any(line.startswith("round 1: left out, and nothing is charged") for line in phone.told)
    server.chain.time += 4 * COMMIT_SECONDS
    server.expire()
    play_round(phone)
    assert phone.charged() == {2}


def test_a_round_that_only_gas_could_bring_in_is_left_out(tmp_path: Path) -> None:
    """A phone that wakes up when the server waits for nobody any more."""
    server = PlayedServer()
    phone = Phone(server, tmp_path)
    phone.steps(60)
    server.open()
    opened = phone.agent.followed.refresh().rounds[0].opened
    due = margins(server.spec, opened, phone.agent.followed.state.times).batch_due
    phone.deadline = float(due - server.spec.schedule.training_seconds + 1)
    phone.steps(10 * COMMIT_SECONDS)
    assert phone.charged() == set()
    assert not any(isinstance(event, DirectCommitted) for event in server.chain.events())


def test_a_model_beyond_the_bound_is_not_trained_and_not_charged(tmp_path: Path) -> None:
    server = PlayedServer()
    phone = Phone(server, tmp_path)
    phone.steps(60)
    usual = server.model
    beyond = np.nextafter(np.full_like(server.parameters, PARAMETER_BOUND), np.float32(np.inf))
    server.model = server.put(server.layout.to_safetensors(beyond))
    server.open()
    phone.steps(2 * COMMIT_SECONDS)
    assert phone.charged() == set()
    assert server.submitted == {}
    server.expire()
    server.model = usual
    play_round(phone)
    assert phone.charged() == {2}
