"""What a chain of the OP stack says of its data fees: its oracle stands at the same address on each of them."""

from __future__ import annotations

from typing import Final

from protocol.keccak import keccak
from storage.ledger.ethereum.data_fees import DataPrices
from storage.ledger.ethereum.node import Node
from storage.ledger.interface import LedgerError, TransactionRevertedError

ORACLE: Final = bytes.fromhex("420000000000000000000000000000000000000f")  # GasPriceOracle


def data_prices(node: Node) -> DataPrices | None:
    """None for a chain that is none of the OP stack. Raises LedgerError, also before the Fjord upgrade."""
    if not node.code(ORACLE):
        return None
    try:
        names = ("l1BaseFee", "blobBaseFee", "baseFeeScalar", "blobBaseFeeScalar")
        is_fjord, base_fee, blob_base_fee, scalar, blob_scalar = (_asked(node, name) for name in ("isFjord", *names))
    except TransactionRevertedError as error:
        raise LedgerError("the chain's fee oracle is of another kind than the OP stack's") from error
    if not is_fjord:
        raise LedgerError("a chain of the OP stack before its Fjord upgrade: its data fees are not known here")
    return DataPrices(base_fee, blob_base_fee, scalar, blob_scalar)


def _asked(node: Node, name: str) -> int:
    answer = node.call(ORACLE, keccak(f"{name}()".encode())[:4])
    if len(answer) != 32:
        raise LedgerError(f"the chain's fee oracle does not know {name}")
    return int.from_bytes(answer, "big")
