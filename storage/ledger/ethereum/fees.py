"""What a transaction offers for its gas: EIP-1559 where blocks have a base fee, the legacy price elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from web3.eth import Eth

from storage.ledger.ethereum.decoding import whole
from storage.ledger.ethereum.node_answers import checked_answers
from storage.ledger.ethereum.rpc import RpcRefusedError

DEFAULT_TIP_WEI: Final = 10**9
MAX_WEI: Final = 2**128


@dataclass(frozen=True, slots=True)
class Fees:
    """Wei per gas; ``tip`` is None on a chain without EIP-1559, where ``price`` is the legacy gas price."""

    price: int
    tip: int | None

    def fields(self) -> dict[str, int]:
        if self.tip is None:
            return {"gasPrice": self.price}
        return {"type": 2, "maxFeePerGas": self.price, "maxPriorityFeePerGas": self.tip}

    def raised(self) -> Fees:
        """A quarter more of both: nodes replace a waiting transaction only for at least a tenth more."""
        return Fees(_more(self.price), None if self.tip is None else _more(self.tip))

    def at_least(self, other: Fees) -> Fees:
        """The higher of both, member by member; the kind is that of ``self``."""
        return Fees(max(self.price, other.price), None if self.tip is None else max(self.tip, other.tip or 0))


def current_fees(eth: Eth) -> Fees:
    """What gets into one of the next blocks as the node sees it. Raises LedgerError."""
    with checked_answers("eth_getBlockByNumber"):
        base = eth.get_block("latest").get("baseFeePerGas")
    if base is None:
        with checked_answers("eth_gasPrice"):
            return Fees(whole(eth.gas_price, MAX_WEI), None)
    try:
        with checked_answers("eth_maxPriorityFeePerGas"):
            tip = whole(eth.max_priority_fee, MAX_WEI)
    except RpcRefusedError:
        tip = DEFAULT_TIP_WEI
    return Fees(2 * whole(base, MAX_WEI) + tip, tip)  # holds for six full blocks in a row


def _more(wei: int) -> int:
    return wei + wei // 4 + 1
