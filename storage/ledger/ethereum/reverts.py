"""Which custom error a refused call ended in, whatever way the node reports it."""

from __future__ import annotations

from typing import Final

from storage.ledger.ethereum import abi
from storage.ledger.ethereum.rpc import RpcRefusedError
from storage.ledger.interface import LedgerError, TransactionRevertedError

PREFIX: Final = "HearthLedger_"
_BUILT_IN: Final = {
    bytes.fromhex("08c379a0"): ("Error", ("string",)),
    bytes.fromhex("4e487b71"): ("Panic", ("uint256",)),
}


def revert_of(error: RpcRefusedError) -> TransactionRevertedError | None:
    """None when the node refused for another reason than the contract's refusal.

    geth and anvil give the revert data as a hex string, ganache as a string or inside an object under ``result``.
    """
    data = _data(error.data)
    if data:
        return decode_revert(data)
    if "revert" in error.reason.lower():
        return TransactionRevertedError("Reverted")
    return None


def decode_revert(data: bytes) -> TransactionRevertedError:
    """``Error`` and ``Panic`` are Solidity's own; data of no known error becomes ``Unknown`` with the data itself."""
    selector, arguments = data[:4], data[4:]
    entry = abi.errors().get(selector)
    if entry is not None:
        name, types = entry.name.removeprefix(PREFIX).removeprefix("HearthJudge_"), entry.inputs
    elif selector in _BUILT_IN:
        name, types = _BUILT_IN[selector]
    else:
        return TransactionRevertedError("Unknown", (data,))
    try:
        return TransactionRevertedError(name, abi.decode(types, arguments))
    except LedgerError:
        return TransactionRevertedError("Unknown", (data,))


def _data(value: object, depth: int = 0) -> bytes:
    if isinstance(value, dict) and depth < 3:
        for key in ("result", "data", "originalError"):
            if found := _data(value.get(key), depth + 1):
                return found
    if isinstance(value, str) and value.startswith("0x"):
        try:
            return bytes.fromhex(value[2:])
        except ValueError:
            return b""
    return b""
