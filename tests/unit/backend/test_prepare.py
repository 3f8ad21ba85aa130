"""A spec that cannot run, here or anywhere, is not prepared."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import pytest
from fastapi.testclient import TestClient

from backend.api.app import edge_app
from backend.rounds.driver import Driver
from protocol.canonical import encode
from protocol.messages.task import TaskSpec
from storage.content.memory import MemoryStore
from storage.ledger.signer import Signer
from tests.ports.reference_chain import DOMAIN, ReferenceChain
from tests.samples import private_key, sample_spec

SPEC = sample_spec()
IMPOSSIBLE = {
    "task.suite": replace(SPEC, suite="FE65"),
    "privacy.epsilon_budget": replace(SPEC, privacy=replace(SPEC.privacy, epsilon_budget_micro=1)),
    "reputation.maximum": replace(SPEC, reputation=replace(SPEC.reputation, maximum=6)),
}


def _prepared(seconds: int, spec: TaskSpec) -> tuple[int, str, int]:
    """Status, what it says, and how much is stored, on a chain with a block in so many seconds."""
    chain, store = ReferenceChain(), MemoryStore()
    for _ in range(60):
        chain.pass_time(seconds)
    app = edge_app(chain.ledger(DOMAIN.ledger, Signer(private_key("edge"))), store, cast(Driver, None))
    with TestClient(app) as client:
        answer = client.post("/api/v1/tasks/prepare", content=encode(spec))
    return answer.status_code, answer.json().get("detail", ""), len(store.objects)


@pytest.mark.parametrize(("seconds", "status"), [(1, 200), (12, 200), (60, 400)])
def test_phases_too_short_for_the_chain_are_not_prepared(seconds: int, status: int) -> None:
    found, said, stored = _prepared(seconds, SPEC)
    assert (found, stored) == (status, status == 200)
    assert status == 200 or "objection_seconds: 30: where a block takes 60 s" in said


@pytest.mark.parametrize("line", IMPOSSIBLE)
def test_what_cannot_run_is_refused_by_its_line(line: str) -> None:
    found, said, stored = _prepared(1, IMPOSSIBLE[line])
    assert (found, said.split(": ")[0], stored) == (400, line, 0)
