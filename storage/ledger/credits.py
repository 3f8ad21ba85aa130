"""What the ledger could not pay to an account when it was due, and owes to it."""

from __future__ import annotations

from storage.ledger.interface import Ledger


def collect(ledger: Ledger, task: int) -> int:
    """Has the ledger pay what the task owes to this account; how much, in smallest units.

    Raises TransactionRevertedError ``PaymentFailed`` while it cannot be paid, LedgerError.
    """
    amount = ledger.credit(task, ledger.sender)
    if amount:
        ledger.withdraw(task, ledger.sender, ledger.sender)
    return amount
