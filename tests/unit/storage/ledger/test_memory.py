"""What the ledger in this process adds to the contract's rules: blocks, money and calls that are none."""

from __future__ import annotations

from dataclasses import replace

import pytest

from protocol.domain import Domain
from protocol.identifiers import NATIVE_COIN
from protocol.messages.chain import DEFAULT_RULES
from storage.ledger.ethereum.calls import encode_call
from storage.ledger.interface import LedgerError, PreparedTransaction, TransactionRevertedError
from tests.contracts.crowd import TERMS
from tests.contracts.rebuilt import RULES
from tests.contracts.scene import escrow_of
from tests.reference_ledger.chain import MemoryChain
from tests.reference_ledger.ledger import MemoryLedger

RICH, POOR, TOKEN = b"\x01" * 20, b"\x02" * 20, b"\x03" * 20
DOMAIN = Domain(5, b"\x1e" * 20)
ESCROW = escrow_of(TERMS)


@pytest.fixture
def chain() -> MemoryChain:
    return MemoryChain(DOMAIN, lambda: 1_000.9, held={RICH: 10**9}, rules=RULES)


def test_a_call_brings_the_blocks_that_it_waits_for(chain: MemoryChain) -> None:
    receipt = MemoryLedger(chain, RICH).confirmed(3).post_task(TERMS, ESCROW)
    ledger = MemoryLedger(chain, POOR)
    assert (receipt.block, ledger.block_number(), receipt.gas_used) == (1, 4, 0)
    assert [ledger.block_timestamp(number) for number in range(5)] == [1_000] * 5


def test_a_reorganisation_takes_back_what_happened(chain: MemoryChain) -> None:
    ledger = MemoryLedger(chain, RICH)
    chain.mine()
    before = ledger.block_hash(1)
    ledger.post_task(TERMS, ESCROW)
    seen = ledger.block_hash(2)
    chain.forget(1)
    assert (ledger.block_hash(1), ledger.block_hash(2), ledger.task_count()) == (before, None, 0)
    assert ledger.balance(RICH) == 10**9
    chain.mine()
    assert ledger.block_hash(2) not in (None, seen)
    with pytest.raises(LedgerError):
        ledger.block_timestamp(3)


def test_a_call_is_told_the_hashes_of_the_last_256_blocks(chain: MemoryChain) -> None:
    for _ in range(300):
        chain.mine()
    number, ledger = chain.number(), MemoryLedger(chain, RICH)
    hashes = [ledger.block_hash(number - back) for back in range(1, 257)]
    assert [chain.hash_of(number - back) for back in range(-1, 258)] == [bytes(32)] * 2 + hashes + [bytes(32)]
    assert len(set(hashes)) == 256


def test_nobody_spends_what_it_does_not_have(chain: MemoryChain) -> None:
    poor = MemoryLedger(chain, POOR)
    with pytest.raises(LedgerError):
        poor.post_task(TERMS, ESCROW)
    with pytest.raises(LedgerError):
        poor.transfer(RICH, 1)
    assert poor.block_number() == 0
    MemoryLedger(chain, RICH).transfer(POOR, ESCROW)
    poor.post_task(TERMS, ESCROW)
    assert poor.balance(POOR) == 0
    assert poor.balance(DOMAIN.ledger) == ESCROW


def test_a_token_is_fetched_as_far_as_it_is_allowed(chain: MemoryChain) -> None:
    chain.issue(TOKEN, {RICH: ESCROW})
    rich, terms = MemoryLedger(chain, RICH), replace(TERMS, token=TOKEN)
    rich.approve(TOKEN, ESCROW - 1)
    with pytest.raises(TransactionRevertedError) as refusal:
        rich.post_task(terms, ESCROW)
    assert (refusal.value.name, refusal.value.arguments) == ("EscrowWrong", (0, ESCROW))
    rich.approve(TOKEN, ESCROW)
    rich.post_task(terms, ESCROW)
    assert (rich.balance(RICH, TOKEN), rich.balance(DOMAIN.ledger, TOKEN)) == (0, ESCROW)
    assert rich.balance(DOMAIN.ledger, NATIVE_COIN) == 0


@pytest.mark.parametrize(
    ("to", "data", "value"),
    [
        (TOKEN, encode_call("refund", 1), 0),
        (DOMAIN.ledger, encode_call("refund", 1), 1),
        (DOMAIN.ledger, encode_call("taskOf", 1), 0),
        (DOMAIN.ledger, encode_call("refund", 1)[:-1], 0),
        (DOMAIN.ledger, b"", 0),
    ],
)
def test_what_is_no_call_of_the_contract_is_said(chain: MemoryChain, to: bytes, data: bytes, value: int) -> None:
    with pytest.raises(LedgerError):
        MemoryLedger(chain, RICH).send_prepared(PreparedTransaction(to, data, value))


@pytest.mark.parametrize(("change", "term"), [({"floor": 6}, "floor"), ({"waiting_seconds": 0}, "waitingSeconds")])
def test_rules_that_no_contract_takes(change: dict[str, int], term: str) -> None:
    with pytest.raises(TransactionRevertedError, match=f"TermsInvalid.*{term}"):
        MemoryChain(DOMAIN, lambda: 0, held={}, rules=replace(DEFAULT_RULES, **change))
