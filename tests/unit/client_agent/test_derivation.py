"""A phone trains on what follows from chain and content, not on what its edge server says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from client_agent.journal import AgentJournal
from protocol.cohort import place_of, sum_of, verify_place
from protocol.messages.chain import Left, TakenOver, TaskPosted
from protocol.messages.rosters import bits_of
from protocol.messages.round import RoundPlan
from protocol.sparse.codec import decode_index_set, encode_index_set
from protocol.task.documents import Kind
from storage.content.interface import get_document
from tests.samples import client_address
from tests.unit.client_agent.scene_phone import UNTIL_BATCH, Phone, play_round
from tests.unit.client_agent.scene_server import OF_AN_INDEX_SET, OTHERS, PHONE, PlayedServer

OTHER_SERVER = client_address(7)


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


def _index_set(server: PlayedServer) -> Callable[[RoundPlan], RoundPlan]:
    """Of the right size, and of the server's choice."""

    def said(plan: RoundPlan) -> RoundPlan:
        dimension = server.layout.dimension
        honest = decode_index_set(get_document(server.store, plan.index_set, 4 * dimension), dimension)
        free = np.setdiff1d(np.arange(dimension, dtype=np.uint32), honest)
        chosen = np.sort(np.append(honest[1:], free[-1:])).astype(np.uint32)
        return replace(plan, index_set=server.put(encode_index_set(chosen)))

    return said


def _sum(server: PlayedServer) -> Callable[[RoundPlan], RoundPlan]:
    """The phone's share seems smaller."""
    return lambda plan: replace(plan, cohort=replace(plan.cohort, total=plan.cohort.total + 1))


@pytest.mark.parametrize("lie", [_model, _initial_model, _index_set, _sum], ids=lambda lie: lie.__name__.strip("_"))
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
    held = {"too few": bits_of(clients, set(clients) - first)}.get(case, bits_of(clients, set(clients)))
    server.rosters = held, bits_of(clients, first) if case == "refused" else b""
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


@pytest.mark.parametrize("kind", OF_AN_INDEX_SET)
@pytest.mark.parametrize("honest", [True, False])
def test_no_document_that_is_withheld_lets_anybody_choose(kind: Kind, honest: bool, tmp_path: Path) -> None:
    """Then the index set is the one that follows from enrolment alone."""
    server = PlayedServer((kind, 1))
    phone = _enrolled(tmp_path, server)
    play_round(phone)
    server.open(said=(lambda plan: plan) if honest else _index_set(server))
    phone.steps(UNTIL_BATCH)
    assert (2 in server.submitted) is honest


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
    history = replace(server.history, model=server.spec.initial_model, published=None)
    server.history, server.model = history, history.model
    server.open(said=(lambda plan: plan) if model == "initial" else _model(server))
    phone.steps(UNTIL_BATCH)
    assert (2 in server.submitted) is (model == "initial")


def test_the_proof_of_a_place_is_kept_with_the_update(tmp_path: Path) -> None:
    """A server that takes the plan away keeps nobody from committing directly, not even after a restart."""
    server = PlayedServer()
    phone = _enrolled(tmp_path, server)
    server.open()
    phone.steps(UNTIL_BATCH)
    plan, place = server.plans[1], AgentJournal(phone.records).sealed[1].place
    assert place == place_of(plan.weights, PHONE.address)
    assert verify_place(plan.cohort.root, len(OTHERS) + 1, PHONE.address, place) == sum_of(plan.weights)
