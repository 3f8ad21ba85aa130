"""Deposits on their way in and out, and what could not be paid: Deposits and Credits of contracts/src."""

from __future__ import annotations

from protocol.identifiers import Address
from protocol.messages.chain import BondPlaced, BondReturned, Withdrawn
from tests.reference_ledger.accounting import Accounting
from tests.reference_ledger.books import Role, refuse, write


class Deposits(Accounting):
    def place_bond(self, task: int, holder: Address) -> None:
        shown, bond, terms = self.books.known(task), self.books.bonds[task, holder], self.books.terms[task]
        if bond.role == Role.NONE or bond.placed:
            refuse("BondUnexpected", task, holder)
        authority = bond.role == Role.AUTHORITY
        amount = terms.authority_bond if authority else terms.edge_bond
        self.receive(terms.token, amount)
        write(self.books.bonds, (task, holder), placed=True, amount=amount)
        write(self.books.tasks, task, deposits=shown.deposits + amount)
        self.books.bonded[task] += authority
        self.emit(BondPlaced, task=task, holder=holder, amount=amount)

    def return_bond(self, task: int, holder: Address) -> None:
        shown = self.books.known(task)
        if not self.ended(task):
            refuse("TooEarly", shown.task_until)
        if self.now < shown.payable_from:
            refuse("TooEarly", shown.payable_from)
        amount = self.books.bonds[task, holder].amount
        if not amount:
            refuse("NothingToPay", task, holder)
        write(self.books.bonds, (task, holder), amount=0)
        write(self.books.tasks, task, deposits=shown.deposits - amount)
        self.emit(BondReturned, task=task, holder=holder, amount=amount)
        self.pay(task, holder, amount)

    def return_stake(self, task: int, client: Address) -> None:
        self.books.known(task)
        if not self.books.enrolments[task, client].staked:
            refuse("NothingToPay", task, client)
        if self.owes_leaf(task, client):
            refuse("ReputationPending", client, task)
        self.pay(task, client, self.unstake(task, client))

    def withdraw(self, task: int, holder: Address, to: Address) -> None:
        shown, amount = self.books.known(task), self.books.credits[task, holder]
        if self.sender != holder != to:
            refuse("NotHolder", self.sender, holder)
        if not amount:
            refuse("NothingToPay", task, holder)
        self.books.credits[task, holder] = 0
        write(self.books.tasks, task, deposits=shown.deposits - amount)
        self.emit(Withdrawn, task=task, holder=holder, to=to, amount=amount)
        if not self.books.move(shown.token, self.domain.ledger, to, amount):
            refuse("PaymentFailed", to, amount)
