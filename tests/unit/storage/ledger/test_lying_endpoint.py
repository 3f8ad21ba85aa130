"""An endpoint that lies about fees, gas or the chain costs an account no more than its limits, and no signature."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from protocol.domain import Domain
from protocol.identifiers import Address
from protocol.signing import domain_separator
from storage.ledger.ethereum.fees import DEFAULT_TIP_WEI
from storage.ledger.ethereum.ledger import EthereumLedger, deploy
from storage.ledger.ethereum.rpc import RpcRefusedError
from storage.ledger.gas_limits import DEFAULT_GAS_LIMITS, GasLimitError, GasLimits
from storage.ledger.interface import LedgerError, WrongChainError
from storage.ledger.signer import Signer
from tests.samples import DOMAIN, private_key
from tests.unit.storage.ledger.node import by_method, node, result
from tests.unit.storage.ledger.scene_sender import TO, PlayedNode, fields, refuse, sender

HALF_A_COIN = 5 * 10**17 // 50_000  # for each unit of gas
GWEI = 10**9
CHEAP = GasLimits(max_price=100 * GWEI, max_units=100_000)


class _Watched(Signer):
    """Notes what it was asked to sign."""

    def __init__(self) -> None:
        super().__init__(private_key("watched"))
        self.signed: list[Any] = []

    def sign_transaction(self, transaction: Any) -> bytes:
        self.signed.append(transaction)
        return super().sign_transaction(transaction)


def _history(*medians: int) -> dict[str, Any]:
    return {
        "oldestBlock": "0x1",
        "baseFeePerGas": [hex(100)] * (len(medians) + 1),
        "gasUsedRatio": [0.5] * len(medians),
        "reward": [[hex(median)] for median in medians],
    }


def _tip(**answers: Callable[..., Any]) -> int:
    """That was signed."""
    played = PlayedNode(**answers)
    sender(played).send(TO, b"")
    return fields(played.sent[0])[2]


def test_a_false_tip_is_held_against_the_last_blocks() -> None:
    """Half a coin for one call is what the endpoint asks for; the blocks paid two gwei."""

    def asked() -> str:
        return hex(HALF_A_COIN)

    paid = _history(GWEI, 2 * GWEI, GWEI)
    assert _tip(eth_maxPriorityFeePerGas=asked, eth_feeHistory=lambda *_: paid) == 4 * GWEI


def test_a_tip_that_the_last_blocks_have_paid_is_offered() -> None:
    paid = _history(30 * GWEI, 40 * GWEI)
    assert _tip(eth_maxPriorityFeePerGas=lambda: hex(50 * GWEI), eth_feeHistory=lambda *_: paid) == 50 * GWEI


@pytest.mark.parametrize("history", [_history(), _history(0, 0), {"baseFeePerGas": [], "gasUsedRatio": []}])
def test_without_evidence_the_tip_is_the_usual_one(history: dict[str, Any]) -> None:
    asked = hex(HALF_A_COIN)
    assert _tip(eth_maxPriorityFeePerGas=lambda: asked, eth_feeHistory=lambda *_: history) == DEFAULT_TIP_WEI
    unknown: Callable[..., Any] = lambda *_: refuse("the method does not exist")  # noqa: E731
    assert _tip(eth_maxPriorityFeePerGas=lambda: asked, eth_feeHistory=unknown) == DEFAULT_TIP_WEI


@pytest.mark.parametrize(
    "answers",
    [
        {"eth_getBlockByNumber": lambda *_: {"baseFeePerGas": hex(HALF_A_COIN)}},
        {"eth_getBlockByNumber": lambda *_: {}, "eth_gasPrice": lambda: hex(HALF_A_COIN)},
        {
            "eth_maxPriorityFeePerGas": lambda: hex(HALF_A_COIN),
            "eth_feeHistory": lambda *_: _history(HALF_A_COIN),
        },
        {"eth_estimateGas": lambda *_: hex(DEFAULT_GAS_LIMITS.max_units + 1)},
    ],
)
def test_whoever_lies_about_everything_gets_no_signature(answers: dict[str, Callable[..., Any]]) -> None:
    played = PlayedNode(**answers)
    with pytest.raises(GasLimitError, match="limit"):
        sender(played).send(TO, b"")
    assert "eth_sendRawTransaction" not in played.asked


def test_what_is_offered_stays_within_the_limits() -> None:
    played = PlayedNode(
        eth_getBlockByNumber=lambda *_: {"baseFeePerGas": hex(80 * GWEI)}, eth_estimateGas=lambda *_: hex(90_000)
    )
    sender(played, CHEAP).send(TO, b"")
    assert fields(played.sent[0])[3:] == [CHEAP.max_price, CHEAP.max_units]


def test_a_node_that_always_wants_more_gets_no_more_than_the_limit() -> None:
    offers: list[int] = []

    def send(raw: str) -> str:
        offers.append(fields(bytes.fromhex(raw[2:]))[3])
        raise RpcRefusedError("eth_sendRawTransaction", -32000, "transaction underpriced")

    played = PlayedNode(eth_getBlockByNumber=lambda *_: {"baseFeePerGas": hex(45 * GWEI)}, eth_sendRawTransaction=send)
    with pytest.raises(LedgerError, match="no price that the node takes"):
        sender(played, CHEAP).send(TO, b"")
    assert max(offers) == CHEAP.max_price


def test_a_transaction_that_nobody_mines_is_offered_no_more_than_the_limit() -> None:
    played = PlayedNode(
        eth_getBlockByNumber=lambda *_: {"baseFeePerGas": hex(45 * GWEI)},
        eth_getTransactionReceipt=lambda _: None,
        eth_getTransactionCount=lambda *_: hex(5),
    )
    with pytest.raises(LedgerError, match="nothing heard"):
        sender(played, CHEAP).send(TO, b"")
    assert max(fields(raw)[3] for raw in played.sent) == CHEAP.max_price


def test_a_market_beyond_the_limits_leaves_what_was_sent() -> None:
    """The price rose after it was sent: it waits at the price that was allowed."""
    prices = iter([10 * GWEI])
    played = PlayedNode(
        eth_getBlockByNumber=lambda *_: {"baseFeePerGas": hex(next(prices, HALF_A_COIN))},
        eth_getTransactionReceipt=lambda _: None,
        eth_getTransactionCount=lambda *_: hex(5),
    )
    with pytest.raises(LedgerError, match="nothing heard"):
        sender(played, CHEAP).send(TO, b"")
    assert len(set(played.sent)) == 1


def _said(domain: Domain) -> dict[str, Any]:
    """A whole node, consistent in its claim to be of this chain."""
    played = PlayedNode()
    methods = ("eth_estimateGas", "eth_getBlockByNumber", "eth_maxPriorityFeePerGas", "eth_getTransactionCount")
    answers = {method: result(getattr(played, method)(None)) for method in methods if method != methods[2]}
    return {
        **answers,
        "eth_maxPriorityFeePerGas": result("0x7"),
        "eth_chainId": result(hex(domain.chain_id)),
        "eth_call": result("0x" + domain_separator(domain).hex()),
    }


@pytest.mark.parametrize("named", [1, 10, 31338])
def test_nothing_is_signed_for_a_chain_that_was_not_named(named: int) -> None:
    """The same account has money on the other chain, and the ledger's address there is somebody else's."""
    signer = _Watched()
    with node(by_method(**_said(Domain(named, DOMAIN.ledger)))) as url:
        ledger = EthereumLedger(url, DOMAIN, signer)
        to: Address = TO
        for send in (
            lambda: ledger.transfer(to, 1),
            lambda: ledger.approve(to, 1),
            lambda: ledger.return_stake(1, signer.address),
            lambda: ledger.domain,
        ):
            with pytest.raises(WrongChainError, match=f"chain {named}, and not of chain 31337"):
                send()
        with pytest.raises(WrongChainError):
            deploy(url, DOMAIN.chain_id, signer)
        ledger.close()
    assert signer.signed == []
