"""A ledger with several tasks on it, as the contract keeps it, and their specs in content."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from protocol.canonical import encode
from protocol.messages.chain import DEFAULT_RULES
from protocol.messages.task import TaskSpec
from protocol.model.initialization import initial_parameters
from protocol.model.layout import Layout
from protocol.round.planning import terms_of
from storage.content.memory import MemoryStore
from storage.ledger.signer import Signer
from tests.reference_ledger.chain import MemoryChain
from tests.reference_ledger.ledger import MemoryLedger
from tests.samples import DOMAIN, private_key, sample_spec

MANUFACTURER = Signer(private_key("manufacturer"))


class Verified(MemoryLedger):
    """No code is here that could be another one."""

    def verify_contract(self) -> None:
        pass


class Directory:
    """``time``: seconds, moved by a test."""

    def __init__(self) -> None:
        self.time, self.store = 1_000, MemoryStore()
        held = {MANUFACTURER.address: 10**24}
        rules = replace(DEFAULT_RULES, claim_seconds=1_000)
        self.chain = MemoryChain(DOMAIN, lambda: self.time, held=held, rules=rules)
        self.ledger = Verified(self.chain, MANUFACTURER.address)

    def spec(self, **changes: Any) -> TaskSpec:
        spec = sample_spec(**changes)
        model = Layout.of(spec.model).to_safetensors(initial_parameters(spec.model))
        return replace(spec, initial_model=self.store.put(model).digest)

    def post(self, spec: TaskSpec, *, kept: bool = True) -> int:
        """The number of the task. ``kept``: its spec is in content."""
        if kept:
            self.store.put(encode(spec))
        self.ledger.post_task(terms_of(spec), spec.budget())
        return self.ledger.task_count()
