"""What one transaction may take, whatever its endpoint says: an endpoint that lies can cost no more than this."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final

from protocol.identifiers import Range
from storage.ledger.interface import LedgerError


class GasLimitError(LedgerError):
    """The endpoint asks for more than the limits allow. Nothing was signed."""

    code = "E_GAS_LIMIT"


@dataclass(frozen=True, slots=True)
class GasLimits:
    """``max_price``: wei for a unit of gas, tip included. ``max_units``: of gas, as EIP-7825 bounds a transaction."""

    max_price: Annotated[int, Range(1, 10**15)] = 200 * 10**9
    max_units: Annotated[int, Range(21_000, 2**30)] = 2**24

    def check_price(self, price: int) -> None:
        """Raises GasLimitError."""
        if price > self.max_price:
            raise GasLimitError(f"a unit of gas costs {price} wei now; the limit is {self.max_price}")

    def offered(self, units: int, margin: int) -> int:
        """Units to offer for a call that takes so many. Raises GasLimitError."""
        if units > self.max_units:
            raise GasLimitError(f"the call takes {units} units of gas; the limit is {self.max_units}")
        return min(units + margin, self.max_units)


DEFAULT_GAS_LIMITS: Final = GasLimits()
