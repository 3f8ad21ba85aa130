"""A spec that its chain leaves no time for is not prepared."""

from __future__ import annotations

from typing import cast

import pytest
from fastapi.testclient import TestClient

from backend.api.app import edge_app
from backend.rounds.driver import Driver
from protocol.canonical import encode
from storage.content.memory import MemoryStore
from storage.ledger.signer import Signer
from tests.ports.reference_chain import DOMAIN, ReferenceChain
from tests.samples import private_key, sample_spec


@pytest.mark.parametrize(("seconds", "status"), [(1, 200), (12, 200), (60, 400)])
def test_phases_too_short_for_the_chain_are_not_prepared(seconds: int, status: int) -> None:
    chain, store = ReferenceChain(), MemoryStore()
    for _ in range(40):
        chain.pass_time(seconds)
    app = edge_app(chain.ledger(DOMAIN.ledger, Signer(private_key("edge"))), store, cast(Driver, None))
    with TestClient(app) as client:
        answer = client.post("/api/v1/tasks/prepare", content=encode(sample_spec()))
    assert answer.status_code == status
    if status != 200:
        assert "objection_seconds 30: where a block takes 60 s" in answer.json()["detail"]
        assert not store.objects
