"""The JSON-RPC methods of the in-process chain: parameters from hex, results to hex, nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from scripts.chain.development import CHAIN_ID, GAS_LIMIT, DevelopmentChain, Mined, RefusedError
from scripts.chain.proofs import proof_of

TIP_WEI: Final = 10**9
MAX_FEE_HISTORY: Final = 1024
_LATEST: Final = ("latest", "pending", "safe", "finalized")


def as_refusal(error: Exception) -> RefusedError:
    """What the caller is told: wrong parameters surface as ordinary Python errors of the conversion."""
    if isinstance(error, RefusedError):
        return error
    if isinstance(error, TypeError | ValueError | LookupError | AttributeError):
        return RefusedError(-32602, f"invalid parameters: {error}")
    return RefusedError(-32603, f"internal error: {type(error).__name__}: {error}")


class ChainMethods:
    def __init__(self, chain: DevelopmentChain) -> None:
        self._chain = chain
        self._methods: dict[str, Callable[..., Any]] = {
            "web3_clientVersion": lambda: "HearthDevelopmentChain/py-evm",
            "net_version": lambda: str(CHAIN_ID),
            "net_listening": lambda: True,
            "eth_syncing": lambda: False,
            "eth_accounts": list,
            "eth_chainId": lambda: hex(CHAIN_ID),
            "eth_blockNumber": lambda: hex(chain.height),
            "eth_gasPrice": lambda: hex(self._base_fee() + TIP_WEI),
            "eth_maxPriorityFeePerGas": lambda: hex(TIP_WEI),
            "eth_feeHistory": self._fee_history,
            "eth_getBalance": lambda who, at="latest": hex(chain.balance(_address(who), self._state_at(at))),
            "eth_getTransactionCount": lambda who, at="latest": hex(chain.nonce(_address(who), self._state_at(at))),
            "eth_getCode": lambda who, at="latest": _hex(chain.code(_address(who), self._state_at(at))),
            "eth_getProof": self._proof,
            "eth_call": lambda call, at="latest": _hex(chain.call(_call(call), self._state_at(at))),
            "eth_estimateGas": lambda call, at="latest": hex(chain.estimate_gas(_call(call))),
            "eth_sendRawTransaction": lambda raw: _hex(chain.send_raw_transaction(_bytes(raw))),
            "eth_getTransactionByHash": self._transaction_by_hash,
            "eth_getTransactionReceipt": self._receipt,
            "eth_getBlockByNumber": self._block_by_number,
            "eth_getBlockByHash": self._block_by_hash,
            "eth_getLogs": self._logs,
            "evm_snapshot": lambda: hex(chain.snapshot()),
            "evm_revert": lambda snapshot: chain.revert(_number(snapshot)),
            "evm_increaseTime": lambda seconds: chain.increase_time(_number(seconds)),
            "evm_mine": self._mine,
        }

    def run(self, method: str, parameters: list[Any]) -> Any:
        if method not in self._methods:
            raise RefusedError(-32601, f"the method {method} does not exist")
        return self._methods[method](*parameters)

    def _mine(self, *_: object) -> str:
        self._chain.mine()
        return "0x0"

    def _base_fee(self) -> int:
        return int(self._chain.blocks[-1].header.base_fee_per_gas)

    def _height(self, tag: object) -> int:
        """Block number of a tag; beyond the latest block there is nothing."""
        if tag in _LATEST:
            return self._chain.height
        height = 0 if tag == "earliest" else _number(tag)
        if height > self._chain.height:
            raise RefusedError(-32000, "unknown block")
        return height

    def _state_at(self, tag: object) -> int | None:
        return None if tag in _LATEST else self._height(tag)

    def _proof(self, who: str, slots: list[str], at: object = "latest") -> dict[str, Any]:
        root = self._chain.blocks[self._height(at)].header.state_root
        keys = [_number(slot).to_bytes(32, "big") for slot in slots]
        return proof_of(self._chain.database, root, _address(who), keys)

    def _fee_history(self, count: object, newest: object, _percentiles: object = None) -> dict[str, Any]:
        last = self._height(newest)
        first = max(0, last + 1 - min(_number(count), MAX_FEE_HISTORY))
        headers = [mined.header for mined in self._chain.blocks[first : last + 1]]
        return {
            "oldestBlock": hex(first),
            "baseFeePerGas": [hex(header.base_fee_per_gas) for header in (*headers, headers[-1])],
            "gasUsedRatio": [header.gas_used / header.gas_limit for header in headers],
        }

    def _block_by_number(self, tag: object, full: bool = False) -> dict[str, Any] | None:
        if tag == "pending":
            return self._pending_block()
        try:
            return self._block(self._height(tag), full)
        except RefusedError:
            return None

    def _pending_block(self) -> dict[str, Any]:
        """An empty one of this moment, which has no hash yet."""
        latest = self._block(self._chain.height, False)
        unknown = dict.fromkeys(("hash", "nonce", "miner", "logsBloom"))
        made = {"number": hex(self._chain.height + 1), "parentHash": latest["hash"], "transactions": []}
        return {**latest, **unknown, **made, "timestamp": hex(self._chain.timestamp())}

    def _block_by_hash(self, digest: str, full: bool = False) -> dict[str, Any] | None:
        wanted = _bytes(digest)
        for height, mined in enumerate(self._chain.blocks):
            if mined.header.hash == wanted:
                return self._block(height, full)
        return None

    def _block(self, height: int, full: bool) -> dict[str, Any]:
        mined = self._chain.blocks[height]
        header, transactions = mined.header, []
        if mined.transaction:
            transactions = [self._transaction(height) if full else _hex(mined.transaction.hash)]
        return {
            "number": hex(height),
            "hash": _hex(header.hash),
            "parentHash": _hex(header.parent_hash),
            "nonce": _hex(header.nonce),
            "sha3Uncles": _hex(header.uncles_hash),
            "logsBloom": _hex(header.bloom.to_bytes(256, "big")),
            "transactionsRoot": _hex(header.transaction_root),
            "stateRoot": _hex(header.state_root),
            "receiptsRoot": _hex(header.receipt_root),
            "miner": _hex(header.coinbase),
            "mixHash": _hex(header.mix_hash),
            "difficulty": hex(header.difficulty),
            "extraData": _hex(header.extra_data),
            "size": "0x0",
            "gasLimit": hex(header.gas_limit),
            "gasUsed": hex(header.gas_used),
            "timestamp": hex(header.timestamp),
            "baseFeePerGas": hex(header.base_fee_per_gas),
            "withdrawalsRoot": _hex(header.withdrawals_root),
            "withdrawals": [],
            "transactions": transactions,
            "uncles": [],
        }

    def _transaction_by_hash(self, digest: str) -> dict[str, Any] | None:
        height = self._chain.by_transaction.get(_bytes(digest))
        return None if height is None else self._transaction(height)

    def _transaction(self, height: int) -> dict[str, Any]:
        mined = self._chain.blocks[height]
        transaction = mined.transaction
        return {
            "hash": _hex(transaction.hash),
            "type": hex(getattr(transaction, "type_id", None) or 0),
            "nonce": hex(transaction.nonce),
            "blockHash": _hex(mined.header.hash),
            "blockNumber": hex(height),
            "transactionIndex": "0x0",
            "from": _hex(transaction.sender),
            "to": _hex(transaction.to) if transaction.to else None,
            "value": hex(transaction.value),
            "gas": hex(transaction.gas),
            "gasPrice": hex(_price(mined)),
            "input": _hex(transaction.data),
        }

    def _receipt(self, digest: str) -> dict[str, Any] | None:
        height = self._chain.by_transaction.get(_bytes(digest))
        if height is None:
            return None
        mined = self._chain.blocks[height]
        transaction, receipt = mined.transaction, mined.receipt
        return {
            "transactionHash": _hex(transaction.hash),
            "transactionIndex": "0x0",
            "blockHash": _hex(mined.header.hash),
            "blockNumber": hex(height),
            "from": _hex(transaction.sender),
            "to": _hex(transaction.to) if transaction.to else None,
            "contractAddress": _hex(mined.contract) if mined.contract else None,
            "cumulativeGasUsed": hex(receipt.gas_used),
            "gasUsed": hex(receipt.gas_used),
            "effectiveGasPrice": hex(_price(mined)),
            "logs": self._block_logs(height),
            "logsBloom": _hex(receipt.bloom.to_bytes(256, "big")),
            "status": hex(int(receipt.state_root == b"\x01")),
            "type": hex(getattr(transaction, "type_id", None) or 0),
        }

    def _block_logs(self, height: int) -> list[dict[str, Any]]:
        mined = self._chain.blocks[height]
        return [
            {
                "address": _hex(log.address),
                "topics": [_hex(topic.to_bytes(32, "big")) for topic in log.topics],
                "data": _hex(log.data),
                "blockNumber": hex(height),
                "blockHash": _hex(mined.header.hash),
                "transactionHash": _hex(mined.transaction.hash),
                "transactionIndex": "0x0",
                "logIndex": hex(index),
                "removed": False,
            }
            for index, log in enumerate(mined.receipt.logs if mined.receipt else ())
        ]

    def _logs(self, query: dict[str, Any]) -> list[dict[str, Any]]:
        first = query.get("fromBlock", "latest")
        last = query.get("toBlock", "latest")
        start = self._chain.height if first in _LATEST else 0 if first == "earliest" else _number(first)
        end = self._chain.height if last in _LATEST else min(self._height(last), self._chain.height)
        addresses = query.get("address")
        wanted = None if addresses is None else [addresses] if isinstance(addresses, str) else addresses
        allowed = None if wanted is None else {address.lower() for address in wanted}
        topics = query.get("topics") or []
        return [
            log
            for height in range(start, end + 1)
            for log in self._block_logs(height)
            if (allowed is None or log["address"] in allowed) and _matches(log["topics"], topics)
        ]


def _matches(topics: list[str], pattern: list[Any]) -> bool:
    if len(pattern) > len(topics):
        return False
    for topic, allowed in zip(topics, pattern, strict=False):
        choices = [allowed] if isinstance(allowed, str) else allowed
        if choices and topic not in {choice.lower() for choice in choices}:
            return False
    return True


def _price(mined: Mined) -> int:
    transaction, base = mined.transaction, int(mined.header.base_fee_per_gas)
    return min(int(transaction.max_fee_per_gas), base + int(transaction.max_priority_fee_per_gas))


def _call(call: dict[str, Any]) -> dict[str, Any]:
    parsed: dict[str, Any] = {"data": _bytes(call.get("input") or call.get("data") or "0x")}
    for name in ("from", "to"):
        if call.get(name):
            parsed[name] = _address(call[name])
    if call.get("value"):
        parsed["value"] = _number(call["value"])
    if call.get("gas"):
        parsed["gas"] = min(_number(call["gas"]), GAS_LIMIT)
    return parsed


def _hex(data: bytes) -> str:
    return "0x" + bytes(data).hex()


def _bytes(text: str) -> bytes:
    if not text.startswith("0x"):
        raise ValueError(f"not hex: {text[:20]!r}")
    return bytes.fromhex(text[2:])


def _address(text: str) -> bytes:
    address = _bytes(text)
    if len(address) != 20:
        raise ValueError("an address has 20 bytes")
    return address


def _number(value: object) -> int:
    if isinstance(value, str):
        return int(value, 16)
    if type(value) is int and value >= 0:
        return value
    raise ValueError(f"not a quantity: {value!r:.40}")
