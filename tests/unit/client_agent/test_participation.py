"""A phone trains on what follows from chain and content, not on what its edge server says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import numpy.typing as npt
import pytest

from client_agent.journal import AgentJournal
from protocol.cohort import place_of, sum_of, verify_place
from protocol.messages.chain import Left, TakenOver, TaskPosted
from protocol.messages.rosters import runs_of
from protocol.messages.round import RoundPlan
from protocol.round.planning import choose_index_set
from protocol.round.scheme import RoundScheme
from protocol.round.sealing import encrypt_update
from protocol.round.training import Assignment, Training
from protocol.sparse.quantization import dequantise
from protocol.task.documents import Kind
from tests.samples import client_address, sample_spec
from tests.unit.client_agent.scene_phone import UNTIL_BATCH, Phone, play_round
from tests.unit.client_agent.scene_server import COMMIT_SECONDS, OTHERS, PHONE, PlayedServer, SmallTrainer

OTHER_SERVER, QUANTISER = client_address(7), sample_spec().learning.quantiser


def _enrolled(tmp_path: Path, server: PlayedServer) -> Phone:
    phone = Phone(server, tmp_path)
    phone.steps(60)
    return phone


def _model(server: PlayedServer) -> Callable[[RoundPlan], RoundPlan]:
    """One that nobody published."""
    return lambda plan: replace(plan, model=server.put(server.layout.to_safetensors(server.parameters + np.float32(3))))


def _initial_model(server: PlayedServer) -> Callable[[RoundPlan], RoundPlan]:
    """As if the server had never published another one."""
    return lambda plan: replace(plan, model=server.spec.initial_model)


def _dimension(server: PlayedServer) -> Callable[[RoundPlan], RoundPlan]:
    """Fewer coordinates than the task sends."""
    return lambda plan: replace(plan, dimension=plan.dimension - 1)


def _sum(server: PlayedServer) -> Callable[[RoundPlan], RoundPlan]:
    """The phone's share seems smaller."""
    return lambda plan: replace(plan, cohort=replace(plan.cohort, total=plan.cohort.total + 1))


@pytest.mark.parametrize("lie", [_model, _initial_model, _dimension, _sum], ids=lambda lie: lie.__name__.strip("_"))
@pytest.mark.parametrize("number", [1, 2])
def test_a_plan_that_does_not_follow_gets_no_update(lie: Any, number: int, tmp_path: Path) -> None:
    server = PlayedServer()
    phone = _enrolled(tmp_path, server)
    if number == 2:
        play_round(phone)
    server.open(said=lie(server))
    phone.steps(UNTIL_BATCH)
    assert (number in server.submitted) is (lie is _initial_model and number == 1)


@pytest.mark.parametrize("case", ["listed", "too few", "refused", "left"])
def test_a_plan_of_others_than_the_rosters_allow_gets_no_update(case: str, tmp_path: Path) -> None:
    server = PlayedServer()
    phone = _enrolled(tmp_path, server)
    if case == "left":
        server.chain.mine(Left, client=OTHERS[0], signature=bytes(65))
    clients, first = [*OTHERS, PHONE.address], {OTHERS[0]}
    held = {"too few": runs_of(clients, set(clients) - first)}.get(case, runs_of(clients, set(clients)))
    server.rosters = held, runs_of(clients, first) if case == "refused" else b""
    server.open()
    phone.steps(UNTIL_BATCH)
    assert (1 in server.submitted) is (case == "listed")


@pytest.mark.parametrize("said", [{"cohort_root": b"\1" * 32}, {"cohort": 2}], ids=["root", "count"])
def test_a_cohort_on_chain_that_is_not_the_plans_gets_no_update(said: dict[str, Any], tmp_path: Path) -> None:
    """Against that root this phone could not prove its place."""
    server = PlayedServer()
    phone = _enrolled(tmp_path, server)
    server.open(**said)
    phone.steps(UNTIL_BATCH)
    assert server.submitted == {}


def test_terms_on_chain_that_are_not_the_spec_s_get_no_keys(tmp_path: Path) -> None:
    server = PlayedServer()
    fork, time, posted = server.chain.blocks[0]
    assert isinstance(posted, TaskPosted)
    server.chain.blocks[0] = fork, time, replace(posted, terms=replace(posted.terms, threshold=3))
    phone = Phone(server, tmp_path)
    with pytest.raises(Exception, match="terms on chain"):
        phone.steps(60)
    assert phone.agent.journal.envelope is None and not phone.agent.journal.has_keys


@pytest.mark.parametrize("gone", [True, False])
def test_a_plan_may_skip_a_model_that_is_gone(gone: bool, tmp_path: Path) -> None:
    server = PlayedServer((Kind.MODEL, 1) if gone else None)
    phone = _enrolled(tmp_path, server)
    play_round(phone, model_goes_on=False)
    server.open()
    phone.steps(UNTIL_BATCH)
    assert (2 in server.submitted) is gone


@pytest.mark.parametrize("model", ["initial", "invented"])
def test_a_plan_may_skip_what_another_server_published(model: str, tmp_path: Path) -> None:
    server = PlayedServer()
    phone = _enrolled(tmp_path, server)
    play_round(phone)
    server.chain.mine(TakenOver, edge_server=OTHER_SERVER)
    server.model = server.spec.initial_model
    server.open(said=(lambda plan: plan) if model == "initial" else _model(server))
    phone.steps(UNTIL_BATCH)
    assert (2 in server.submitted) is (model == "initial")


class Places(SmallTrainer):
    """Moves each coordinate by its parameter and a tenth of its place."""

    def train(self, assignment: Assignment) -> Training:
        sent = assignment.sent.indices
        return Training(assignment.parameters[sent].astype(np.float64) + sent / 10, ())


def test_a_round_that_was_missed_leaves_nothing_behind(tmp_path: Path) -> None:
    """What the phone sends in round 3 is what one sends that took part in nothing before: no state to carry on."""
    server, sent = PlayedServer(), list[npt.NDArray[np.int64]]()

    def encrypt(scheme: RoundScheme, values: npt.NDArray[np.int64], *rest: Any) -> tuple[bytes, bytes]:
        sent.append(values)
        return encrypt_update(scheme, values, *rest)

    phone = Phone(server, tmp_path, household=Places())
    phone.steps(60)
    with mock.patch("client_agent.participation.encrypt_update", encrypt):
        play_round(phone)
        server.open()
        server.publish()
        server.chain.time += COMMIT_SECONDS
        play_round(phone)
    assert sorted(server.submitted) == [1, 3]
    for number, values in zip((1, 3), sent, strict=True):
        indices, found = choose_index_set(server.spec, number).indices, dequantise(values, QUANTISER)
        np.testing.assert_allclose(found, number - 1 + indices / 10, atol=1e-3)  # the model has moved by one a round


def test_the_proof_of_a_place_is_kept_with_the_update(tmp_path: Path) -> None:
    """A server that takes the plan away keeps nobody from committing directly, not even after a restart."""
    server = PlayedServer()
    phone = _enrolled(tmp_path, server)
    server.open()
    phone.steps(UNTIL_BATCH)
    plan, place = server.plans[1], AgentJournal(phone.records).sealed[1].place
    assert place == place_of(plan.weights, PHONE.address)
    assert verify_place(plan.cohort.root, len(OTHERS) + 1, PHONE.address, place) == sum_of(plan.weights)
