"""The owner is told everything before anything is sent, and a no is a no."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from client_agent.agent import Agent
from client_agent.consent import disclosure
from client_agent.journal import AgentJournal
from protocol.canonical import encode
from protocol.privacy.renyi import epsilon_micro
from storage.content.memory import MemoryStore
from storage.ledger.signer import Signer
from tests.samples import DOMAIN, private_key, sample_spec

SPEC = sample_spec()


def test_says_what_is_sent_kept_public_and_left() -> None:
    text = disclosure(SPEC, 7, examples=42, rounds_charged=1)
    for part in ("sent in every round", "never sent", "becomes public, for ever", "budget 20.000", "leave at any time"):
        assert part in text
    assert "42 examples" in text
    spent = epsilon_micro(SPEC.learning.mechanism, 1, 5) / 1e6
    assert f"spent so far {spent:.3f}, left {20 - spent:.3f}" in text
    assert "11 of 21 numbers" in text  # half of the model's coordinates
    assert max(len(line) for line in text.splitlines()) <= 240


class _Forbidden:
    """Whoever touches this has sent something."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"{name} was used without consent")


class _Ledger:
    domain = DOMAIN

    def __init__(self, digest: bytes) -> None:
        self._digest = digest

    def task(self, _: int) -> Any:
        return type("View", (), {"spec": self._digest})


def test_without_consent_nothing_is_sent_or_kept(tmp_path: Path) -> None:
    store, told = MemoryStore(), list[str]()
    digest = store.put(encode(SPEC)).digest
    before = dict(store.objects)
    journal = AgentJournal(tmp_path)
    anything: Any = _Forbidden()
    ledger: Any = _Ledger(digest)
    agent = Agent(
        task=1,
        signer=Signer(private_key("client")),
        ledger=ledger,
        store=store,
        edge=anything,
        journal=journal,
        proofs=tmp_path,
        make_trainer=anything,
        randomness=anything,
        tell=told.append,
        agree=lambda: False,
        examples=3,
    )
    assert agent.run() is False
    assert len(told) == 1
    assert store.objects == before
    assert not journal.has_keys
    assert journal.envelope is None
    journal.close()
