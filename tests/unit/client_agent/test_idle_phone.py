"""A phone asks its chain for the head once a block, however often it looks at its task."""

from __future__ import annotations

from typing import cast
from unittest import mock

from client_agent.followed_task import FollowedTask
from storage.content.memory import MemoryStore
from storage.ledger.interface import LedgerReader
from storage.ledger.polling import Polling
from tests.unit.client_agent.scene_chain import PlayedChain

BLOCK_SECONDS = 12.0


def test_many_looks_within_one_block_are_one_question() -> None:
    chain, running = PlayedChain(), [0.0]
    ledger = cast(LedgerReader, chain)
    phone = FollowedTask(ledger, MemoryStore(), 1, bytes(20), Polling(ledger, BLOCK_SECONDS, lambda: running[0]).head)
    with mock.patch.object(chain, "head", wraps=chain.head) as asked:
        for _ in range(10):
            chain.mine()
            running[0] += BLOCK_SECONDS
            for _ in range(20):
                phone.refresh()
    assert asked.call_count == 10
