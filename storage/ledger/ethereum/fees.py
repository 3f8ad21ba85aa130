"""What a transaction offers for its gas: EIP-1559 where blocks have a base fee, the legacy price elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from web3.eth import Eth

from storage.ledger.ethereum.decoding import whole
from storage.ledger.ethereum.node_answers import checked_answers
from storage.ledger.ethereum.rpc import RpcRefusedError
from storage.ledger.gas_limits import GasLimits

DEFAULT_TIP_WEI: Final = 10**9  # what needs no evidence
HISTORY_BLOCKS: Final = 20
TIMES_THE_HIGHEST: Final = 2  # of what the middle transaction of a block has paid
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

    def raised(self, most: int) -> Fees:
        """A quarter more of both, at most ``most``: nodes replace a waiting transaction only for a tenth more."""
        return Fees(min(_more(self.price), most), None if self.tip is None else min(_more(self.tip), most))

    def at_least(self, other: Fees) -> Fees:
        """The higher of both, member by member; the kind is that of ``self``."""
        return Fees(max(self.price, other.price), None if self.tip is None else max(self.tip, other.tip or 0))


def current_fees(eth: Eth, limits: GasLimits) -> Fees:
    """What gets into one of the next blocks as the node sees it. Raises LedgerError, GasLimitError among them."""
    with checked_answers("eth_getBlockByNumber"):
        base = eth.get_block("latest").get("baseFeePerGas")
    if base is None:
        with checked_answers("eth_gasPrice"):
            price = whole(eth.gas_price, MAX_WEI)
        limits.check_price(price)
        return Fees(price, None)
    burnt, tip = whole(base, MAX_WEI), _tip(eth)
    limits.check_price(burnt + tip)
    return Fees(min(2 * burnt + tip, limits.max_price), tip)  # holds for six full blocks in a row


def _tip(eth: Eth) -> int:
    """Of a transaction only its tip is paid as offered, so the node's word on it is held against the last blocks."""
    try:
        with checked_answers("eth_maxPriorityFeePerGas"):
            tip = whole(eth.max_priority_fee, MAX_WEI)
    except RpcRefusedError:
        return DEFAULT_TIP_WEI
    if tip <= DEFAULT_TIP_WEI:
        return tip
    try:
        with checked_answers("eth_feeHistory"):
            rewards = eth.fee_history(HISTORY_BLOCKS, "latest", [50.0]).get("reward") or []
            highest = max((whole(reward[0], MAX_WEI) for reward in rewards), default=0)
    except RpcRefusedError:
        highest = 0
    return min(tip, max(DEFAULT_TIP_WEI, TIMES_THE_HIGHEST * highest))


def _more(wei: int) -> int:
    return wei + wei // 4 + 1
