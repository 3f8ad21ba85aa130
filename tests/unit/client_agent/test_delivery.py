"""An update goes the direct way as soon as the edge server gives no word that it takes it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from client_agent.delivery import Delivery
from client_agent.edge_client import EdgeClient
from protocol.errors import VerificationError
from protocol.messages.submission import SignedReceipt
from storage.content.memory import MemoryStore
from tests.samples import sample_spec

BODY = b"ciphertext"
RECEIPT = SignedReceipt(bytes(20), bytes(65))


class _Server:
    """Answers a submission with ``receipt``; an inclusion proof never comes."""

    def __init__(self, receipt: SignedReceipt | None) -> None:
        self.answer, self.polls = receipt, 0

    def submit(self, *_: Any) -> SignedReceipt | None:
        return self.answer

    def inclusion_proof(self, *_: Any) -> None:
        self.polls += 1


def _keep(_: Any, receipt: SignedReceipt | None) -> None:
    if receipt != RECEIPT:
        raise VerificationError("no receipt of the round's edge server")


@pytest.mark.parametrize(("receipt", "polls"), [(None, 0), (SignedReceipt(b"\1" * 20, bytes(65)), 0), (RECEIPT, 1)])
def test_without_a_good_receipt_nothing_is_waited_for(receipt: SignedReceipt | None, polls: int) -> None:
    server, store, sent = _Server(receipt), MemoryStore(), list[Any]()
    clock = iter([0, 99])  # a moment after the start, then just before the commit phase is over
    ledger = SimpleNamespace(
        now=lambda: next(clock), has_committed_directly=lambda *_: False, commit_direct=sent.append
    )
    digest = store.put(BODY, 32_768).digest
    commitment = SimpleNamespace(task=1, round=1, client=bytes(20), nonce=bytes(16), ciphertext=digest)
    signed = SimpleNamespace(commitment=commitment, signature=bytes(65))
    delivery = Delivery(
        cast(Any, ledger),
        store,
        cast(EdgeClient, server),
        cast(Any, SimpleNamespace(body=lambda _: BODY)),
        cast(Any, SimpleNamespace(keep_receipt=_keep)),
        tell=lambda _: None,
        poll_seconds=20,
        direct_margin_seconds=10,
        sleep=lambda _: None,
    )
    delivery.deliver(sample_spec(), cast(Any, SimpleNamespace(commitment=signed)), 100)
    assert (sent, server.polls) == ([signed], polls)
