"""Questions to an Ethereum node with their answers checked, for those who only read.

Execution API of ethereum/execution-apis: a quantity is ``0x`` and hexadecimal digits, data are ``0x`` and whole bytes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from protocol.identifiers import Address, Digest, to_hex
from protocol.keccak import keccak
from protocol.text import in_words
from storage.ledger.ethereum.header import Header, hashed_header
from storage.ledger.ethereum.reverts import revert_of
from storage.ledger.ethereum.rpc import NodeProvider, RpcRefusedError
from storage.ledger.interface import LedgerError, WrongChainError

WORD_LIMIT: Final = 2**256
_QUANTITY: Final = re.compile("0x[0-9a-fA-F]+")
_DATA: Final = re.compile("0x([0-9a-fA-F]{2})*")
_FOR_DEVELOPMENT: Final = ("hearthdevelopmentchain/", "anvil/", "ganache/", "ethereumjs testrpc/", "hardhatnetwork/")
A = TypeVar("A")
Block = int | str  # a number or a tag of the API: ``latest``, ``pending``


@dataclass(frozen=True, slots=True)
class BlockHead:
    number: int
    hash: Digest
    timestamp: int  # seconds
    parent: Digest = b""
    bloom: bytes = b""  # of who said something in it, and what; empty where the node gives none

    def is_without(self, contract: Address, sets_blooms: bool = False) -> bool:
        """Whether the bloom (Yellow Paper, 4.3.1) shows that the contract said nothing in it.

        One without any bit shows nothing unless the chain is known to set them: there are some that never do.
        """
        bits, digest = int.from_bytes(self.bloom), keccak(contract)
        places = (int.from_bytes(digest[at : at + 2]) % 2048 for at in (0, 2, 4))
        return (bits > 0 or (sets_blooms and bool(self.bloom))) and not all(bits >> place & 1 for place in places)


class Node:
    """Raises LedgerError for every answer that is not what was asked for."""

    def __init__(self, provider: NodeProvider) -> None:
        self._provider = provider

    def chain_id(self) -> int:
        return self._ask(quantity, "eth_chainId")

    def require_chain(self, chain_id: int) -> int:
        """The same number. Raises WrongChainError when the node is of another chain."""
        found = self.chain_id()
        if found != chain_id:
            raise WrongChainError(f"the endpoint is of chain {found}, and not of chain {chain_id}")
        return found

    def is_for_development(self) -> bool:
        """By the name of its program; False where the endpoint does not tell it."""
        try:
            name = self._ask(str, "web3_clientVersion").lower()
        except RpcRefusedError:
            return False
        return name.startswith(_FOR_DEVELOPMENT)

    def block_number(self) -> int:
        return self._ask(_number, "eth_blockNumber")

    def block(self, block: Block) -> BlockHead | None:
        """None when there is no such block (any more)."""
        return self._ask(_head, "eth_getBlockByNumber", _tag(block), False)

    def pending_timestamp(self, latest: int) -> int | None:
        """Of the block that the node would make now; None when it shows none later than number ``latest``."""
        return self._ask(lambda answer: _pending(answer, latest), "eth_getBlockByNumber", "pending", False)

    def header(self, block: Digest) -> Header | None:
        """With its hash computed anew; None when there is no such block (any more)."""
        return self._ask(
            lambda answer: answer and hashed_header(_members(answer)), "eth_getBlockByHash", to_hex(block), False
        )

    def proof(self, account: Address, slots: Sequence[int], block: Block) -> tuple[list[bytes], list[list[bytes]]]:
        """Nodes of the tries that lead to the account, and of its storage those that lead to each slot."""
        keys = [to_hex(slot.to_bytes(32, "big")) for slot in slots]
        return self._ask(
            lambda answer: _proof(_members(answer), len(keys)), "eth_getProof", to_hex(account), keys, _tag(block)
        )

    def code(self, contract: Address, block: Block = "latest") -> bytes:
        return self._ask(data, "eth_getCode", to_hex(contract), _tag(block))

    def balance(self, account: Address, block: Block = "latest") -> int:
        """In wei."""
        return self._ask(quantity, "eth_getBalance", to_hex(account), _tag(block))

    def transaction_count(self, account: Address, block: Block = "latest") -> int:
        return self._ask(_number, "eth_getTransactionCount", to_hex(account), _tag(block))

    def call(self, to: Address, call: bytes, block: Block = "latest") -> bytes:
        """What the contract returns. Raises TransactionRevertedError where it refuses."""
        question = {"to": to_hex(to), "data": to_hex(call)}
        try:
            return self._ask(data, "eth_call", question, _tag(block))
        except RpcRefusedError as error:
            revert = revert_of(error)
            if revert is None:
                raise
            raise revert from error

    def gas_used(self, transaction: Digest) -> int:
        """Of a mined transaction."""
        return self._ask(
            lambda receipt: _number(_members(receipt)["gasUsed"]), "eth_getTransactionReceipt", to_hex(transaction)
        )

    def logs(
        self, contract: Address, start: int, end: Block, topics: Sequence[str | list[str] | None] | None = None
    ) -> list[dict[str, Any]]:
        """Of one contract, as :func:`storage.ledger.ethereum.decoding.decode_logs` takes them."""
        query = {"address": to_hex(contract), "fromBlock": _tag(start), "toBlock": _tag(end)}
        return self._ask(_logs, "eth_getLogs", query if topics is None else {**query, "topics": list(topics)})

    def _ask(self, read: Callable[[Any], A], method: str, *parameters: object) -> A:
        answer = self._provider.make_request(method, list(parameters))["result"]
        try:
            return read(answer)
        except (ValueError, TypeError, LookupError) as error:
            raise LedgerError(
                f"{method}: malformed answer ({in_words(type(error).__name__)}: {error!s:.200})"
            ) from error


def quantity(value: str, limit: int = WORD_LIMIT) -> int:
    """Raises ValueError or TypeError unless it is one below ``limit``."""
    if not _QUANTITY.fullmatch(value) or (number := int(value, 16)) >= limit:
        raise ValueError(f"not a number in range: {value!r:.40}")
    return number


def data(value: str) -> bytes:
    """Raises ValueError or TypeError unless these are whole bytes."""
    if not _DATA.fullmatch(value):
        raise ValueError(f"not data: {value!r:.40}")
    return bytes.fromhex(value[2:])


def _number(value: str) -> int:
    return quantity(value, 2**63)


def _tag(block: Block) -> str:
    return hex(block) if isinstance(block, int) else block


def _members(value: Mapping[str, Any]) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise TypeError(f"not an object: {value!r:.40}")
    return value


def _head(value: Mapping[str, Any] | None) -> BlockHead | None:
    if value is None:
        return None
    block = _members(value)
    digest = data(block["hash"])
    if len(digest) != 32:
        raise ValueError("not the hash of a block")
    parent, bloom = data(block.get("parentHash") or "0x"), data(block.get("logsBloom") or "0x")
    return BlockHead(_number(block["number"]), digest, _number(block["timestamp"]), parent, bloom)


def _pending(value: Mapping[str, Any] | None, latest: int) -> int | None:
    if value is None:
        return None
    block = _members(value)  # it has no hash yet
    return _number(block["timestamp"]) if _number(block["number"]) > latest else None


def _proof(value: Mapping[str, Any], slots: int) -> tuple[list[bytes], list[list[bytes]]]:
    proofs = [[data(node) for node in entry["proof"]] for entry in value["storageProof"]]
    if len(proofs) != slots:
        raise ValueError("not a proof for each slot")
    return [data(node) for node in value["accountProof"]], proofs


def _logs(value: list[dict[str, Any]]) -> list[dict[str, Any]]:
    if not isinstance(value, list):
        raise TypeError("not a list of logs")
    return [_log(_members(log)) for log in value]


def _log(log: Mapping[str, Any]) -> dict[str, Any]:
    """With bytes and integers in place of text."""
    return {
        "address": log["address"],
        "topics": [data(topic) for topic in log["topics"]],
        "data": data(log["data"]),
        "blockNumber": _number(log["blockNumber"]),
        "logIndex": _number(log["logIndex"]),
        "transactionHash": data(log["transactionHash"]),
        "removed": log.get("removed"),
    }
