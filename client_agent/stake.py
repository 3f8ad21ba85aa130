"""A phone's own money in a task: sent with its enrolment, back with its last claim, or fetched when there is none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import structlog

from client_agent.instants import instant
from protocol.errors import HearthError
from protocol.identifiers import Address
from protocol.messages.submission import SignedEnrolment
from storage.ledger.deposits import bring, money, require_funds
from storage.ledger.interface import Ledger, TransactionRevertedError, UnansweredError

log = structlog.get_logger()


@dataclass(frozen=True)
class Stake:
    """What one enrolment brings."""

    amount: int
    token: Address
    ledger: Ledger
    tell: Callable[[str], None]

    def check(self) -> None:
        """Before anything is drawn or sent. Raises FundsError."""
        require_funds(self.ledger, self.token, self.amount)

    def enrol(self, signed: SignedEnrolment, voucher_key: bytes = b"") -> None:
        """Sends the enrolment with its stake, for a client that the chain does not know yet.

        ``voucher_key``: the task's, where it needs vouchers.

        A transaction of an earlier life that is still on its way makes no second stake: the ledger refuses to enrol a
        client twice, and then takes nothing.
        """
        task, client = signed.enrolment.task, signed.enrolment.client
        try:
            self.ledger.enrol([signed], bring(self.ledger, self.token, self.amount), voucher_key)
        except TransactionRevertedError as error:
            if self.ledger.enrolment(task, client).envelope != signed.enrolment.envelope:
                raise
            log.info("enrolled before", task=task, error=str(error))
        self.tell(f"enrolled, with a stake of {money(self.amount, self.token)}")


def fetch_stake(ledger: Ledger, task: int, client: Address, tell: Callable[[str], None]) -> None:
    """Has the ledger return the stake if it is still there, and tells the owner where it is. Raises UnansweredError: to
    be tried again."""
    if not ledger.enrolment(task, client).staked:
        tell("the stake is back")
        return
    try:
        ledger.return_stake(task, client)
        tell("the stake is back")
    except TransactionRevertedError as error:
        if error.name == "NothingToPay":  # somebody else was faster
            tell("the stake is back")
            return
        until = instant(ledger.task(task).claim_until, ledger.now())
        tell(f"the stake comes back with this account's last claim, or when claims end, {until}: {error}")
    except UnansweredError:
        raise
    except HearthError as error:  # no gas, most likely
        tell(f"the stake is not back yet: {error}")
