"""A server's own bonds: placed within its operator's limit when a task asks for one, taken back at its end."""

from __future__ import annotations

from collections.abc import Iterable

import structlog

from protocol.identifiers import NATIVE_COIN, Address, to_hex
from protocol.task.ending import task_over
from storage.ledger.deposits import bring, money
from storage.ledger.interface import Ledger, TransactionRevertedError

log = structlog.get_logger()


class BondKeeper:
    """Of the account that sends. What it knows is on chain, so a restarted one goes on where the last one was."""

    def __init__(self, ledger: Ledger, limit_wei: int) -> None:
        self._ledger, self._limit = ledger, limit_wei
        self._left_to_operator: set[int] = set()
        self._over: set[int] = set()

    def place(self, task: int, token: Address, amount: int, others: Iterable[int]) -> bool:
        """True once nothing is missing for this account to act; False when the operator has to place the bond.

        Anybody can post a task, with any bond and for any time, so by itself it places only what keeps all its bonds
        in the chain's own coin, those in ``others`` and this one, within the limit, and never a token: its units, and
        the gas that its code burns, are whatever somebody made them. Raises FundsError, LedgerError.
        """
        own = self._ledger.sender
        if amount == 0 or self._ledger.bond(task, own).placed or task_over(self._ledger.task(task), self._ledger.now()):
            return True
        if task in self._left_to_operator:
            return False
        affordable = token == NATIVE_COIN and amount <= self._limit
        if affordable:
            affordable = amount + sum(self._ledger.bond(other, own).amount for other in others) <= self._limit
        if not affordable:
            command = f"hearth bond place --task {task} --holder {to_hex(own)}"
            log.warning("bond not placed", task=task, bond=money(amount, token), limit_wei=self._limit, command=command)
            self._left_to_operator.add(task)
            return False
        self._ledger.place_bond(task, own, bring(self._ledger, token, amount))
        log.info("bond placed", task=task, bond=money(amount, token))
        return True

    def take_back(self, task: int) -> bool:
        """True once the task is over and the ledger holds no bond of this account in it."""
        if task in self._over:
            return True
        own, view, now = self._ledger.sender, self._ledger.task(task), self._ledger.now()
        if now < view.payable_from or not task_over(view, now):
            return False
        if amount := self._ledger.bond(task, own).amount:
            try:
                self._ledger.return_bond(task, own)
                log.info("bond returned", task=task, amount=amount)
            except TransactionRevertedError as error:
                if error.name == "TooEarly":  # the last round still runs
                    return False
                if error.name != "NothingToPay":  # somebody else was faster
                    raise
        self._over.add(task)
        return True
