"""A node that a sender of transactions plays against, with its own clock."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from eth_account.typed_transactions.typed_transaction import TypedTransaction
from hexbytes import HexBytes

from protocol.keccak import keccak
from storage.ledger.ethereum.pace import Pace
from storage.ledger.ethereum.rpc import NodeProvider, RpcRefusedError
from storage.ledger.ethereum.transactions import (
    TransactionSender,
)
from storage.ledger.gas_limits import DEFAULT_GAS_LIMITS, GasLimits
from storage.ledger.signer import Signer
from tests.samples import private_key

TO = b"\x11" * 20


class PlayedNode(NodeProvider):
    """Mines everything it takes at once; a test replaces single answers."""

    def __init__(self, **answers: Callable[..., Any]) -> None:
        super().__init__()
        self.count = 5
        self.asked: list[str] = []
        self.sent: list[bytes] = []
        self.answers = answers

    def make_request(self, method: str, params: Any) -> dict[str, Any]:
        self.asked.append(method)
        answer = self.answers.get(method) or getattr(self, method)
        return {"jsonrpc": "2.0", "id": 1, "result": answer(*params)}

    def eth_estimateGas(self, call: Any, *_: Any) -> str:
        return hex(40_000)

    def eth_getBlockByNumber(self, *_: Any) -> dict[str, Any]:
        return {"baseFeePerGas": hex(100)}

    def eth_maxPriorityFeePerGas(self) -> str:
        return hex(7)

    def eth_getTransactionCount(self, *_: Any) -> str:
        return hex(self.count)

    def eth_sendRawTransaction(self, raw: str) -> str:
        self.sent.append(bytes.fromhex(raw[2:]))
        self.count += 1
        return "0x" + keccak(self.sent[-1]).hex()

    def eth_getTransactionReceipt(self, digest: str) -> dict[str, Any]:
        return {"transactionHash": digest, "blockNumber": "0x1", "status": "0x1", "gasUsed": "0x5208", "logs": []}

    def eth_getTransactionByHash(self, digest: str) -> None:
        return None


class _Clock:
    def __init__(self) -> None:
        self.time = 0.0

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds


def sender(node: NodeProvider, limits: GasLimits = DEFAULT_GAS_LIMITS) -> TransactionSender:
    clock = _Clock()
    signer = Signer(private_key("sender"))
    pace = Pace(receipt_seconds=60, stuck_seconds=15, monotonic=clock.now, sleep=clock.sleep)
    return TransactionSender(node, signer, lambda: 31337, pace, limits)


def fields(raw: bytes) -> list[int]:
    """Chain id, nonce, tip, fee and gas of an EIP-1559 transaction."""
    decoded = TypedTransaction.from_bytes(HexBytes(raw)).as_dict()
    return [int(decoded[name]) for name in ("chainId", "nonce", "maxPriorityFeePerGas", "maxFeePerGas", "gas")]


def refuse(message: str, data: object = None) -> Any:
    raise RpcRefusedError("eth_x", -32000, message, data)
