"""Bringing a deposit to the ledger from one's own account: in the chain's coin along with the call, or as an ERC-20."""

from __future__ import annotations

from typing import Final

from protocol.errors import HearthError
from protocol.identifiers import NATIVE_COIN, Address, to_hex
from storage.ledger.interface import Ledger

# With the margin that the sender adds to its estimates; an enrolment in a token is the dearest call with a deposit.
CALL_GAS: Final = 250_000
APPROVAL_GAS: Final = 80_000


class FundsError(HearthError):
    """The account is too poor for a deposit and the gas that brings it."""

    code = "E_FUNDS"


def money(amount: int, token: Address) -> str:
    """For people: how much of what."""
    return f"{amount} wei" if token == NATIVE_COIN else f"{amount} of the smallest units of token {to_hex(token)}"


def require_funds(ledger: Ledger, token: Address, amount: int) -> None:
    """Raises FundsError when this account cannot bring ``amount``; sends nothing."""
    owner, native = ledger.sender, token == NATIVE_COIN
    approvals = 0 if native else len(_approvals(ledger.allowance(token, owner), amount))
    fee = ledger.fee_wei(CALL_GAS + approvals * APPROVAL_GAS)
    required, held = fee + (amount if native else 0), ledger.balance(owner)
    if held < required:
        deposit = f"the deposit of {amount} wei and " if native else ""
        raise FundsError(f"{to_hex(owner)} holds {held} wei; {deposit}up to {fee} wei for gas are needed")
    if not native and (tokens := ledger.balance(owner, token)) < amount:
        raise FundsError(f"{to_hex(owner)} holds {money(tokens, token)}; {amount} are needed")


def bring(ledger: Ledger, token: Address, amount: int) -> int:
    """Makes ``amount`` ready for the call that comes next, and gives the value in wei to send along with it.

    A token is approved for exactly that much, unless it is already: what was approved for something else must not be
    fetched by a task that asks for more than it told. Raises FundsError before anything is sent.
    """
    require_funds(ledger, token, amount)
    if token == NATIVE_COIN:
        return amount
    allow(ledger, token, amount)
    return 0


def allow(ledger: Ledger, token: Address, amount: int) -> None:
    """Lets the ledger fetch exactly ``amount`` of the token from this account."""
    for step in _approvals(ledger.allowance(token, ledger.sender), amount):
        ledger.approve(token, step)


def _approvals(standing: int, wanted: int) -> tuple[int, ...]:
    """Tokens such as USDT change an allowance from zero or to zero only."""
    if standing == wanted:
        return ()
    return (0, wanted) if standing and wanted else (wanted,)
