"""What follows from a breach, and from a round that was not published: Disputes and Compensations of contracts/src."""

from __future__ import annotations

from protocol.cohort import verify_place
from protocol.errors import VerificationError
from protocol.identifiers import Address
from protocol.messages.chain import BondForfeited, Compensated, RoundFrozen
from protocol.messages.round import CohortPlace
from protocol.messages.submission import BatchLeaf
from protocol.round.state_table import RoundState
from tests.reference_ledger.accounting import Accounting
from tests.reference_ledger.books import RUNNING, Role, refuse, write
from tests.reference_ledger.judge import Judge, is_batched


class Disputes(Accounting):
    def dispute(self, proof: bytes) -> None:
        books = self.books
        task, number, culprit = Judge(self.domain, books, self.now).verdict(proof)
        is_server = books.bonds[task, culprit].role == Role.EDGE_SERVER
        owed = self._freeze(task, number, culprit) if is_server else 0
        self.dismiss(task, culprit)
        amount = books.bonds[task, culprit].amount
        # the round's clients come first; so nobody gets anything out of accusing itself
        share = max(0, amount - owed) // 2
        write(books.bonds, (task, culprit), amount=0)
        shown = books.tasks[task]
        # nothing is paid out at once: no payee and no token must stop a dispute
        write(books.tasks, task, deposits=shown.deposits - amount, escrow=shown.escrow + amount - share)
        self.emit(BondForfeited, task=task, holder=culprit, reporter=self.sender, amount=amount, share=share)
        self.credit(task, self.sender, share)

    def compensate(self, task: int, number: int, client: Address, place: CohortPlace, leaf: BatchLeaf) -> None:
        books = self.books
        shown, current = books.known(task), books.rounds[task, number]
        if current.state not in (RoundState.EXPIRED, RoundState.FROZEN):
            refuse("RoundUnexpected", task, number, current.state)
        if self.now > shown.claim_until:
            refuse("TooLate", shown.claim_until)
        try:
            verify_place(current.cohort_root, current.cohort, client, place)
        except VerificationError:
            refuse("NotPlanned", task, client)
        if not books.committed[task, number, client]:
            self._require_batched(task, number, client, leaf)
        amount = self.compensation(task, number)
        if not amount or books.compensated[task, number, client]:
            refuse("NothingToPay", task, client)
        books.compensated[task, number, client] = True
        write(books.tasks, task, reserved=shown.reserved - amount, escrow=shown.escrow - amount)
        self.emit(Compensated, task=task, round=number, client=client, amount=amount)
        self.pay(task, client, amount)

    def _require_batched(self, task: int, number: int, client: Address, leaf: BatchLeaf) -> None:
        current, said = self.books.rounds[task, number], leaf.signed.commitment
        here = (said.task, said.round, said.label, said.client) == (task, number, current.label, client)
        if not here or not current.batched or not is_batched(current.batch_root, leaf):
            refuse("ProofInvalid", task, client)
        self.verify(task, said, client, leaf.signed.signature)

    def _freeze(self, task: int, number: int, culprit: Address) -> int:
        """What whoever committed in the round gets instead."""
        books = self.books
        shown, current = books.tasks[task], books.rounds[task, number]
        undecided = number == shown.pending_round and self.now < shown.payable_from
        if current.state not in RUNNING and not undecided:
            refuse("RoundUnexpected", task, number, current.state)
        write(books.rounds, (task, number), state=RoundState.FROZEN)
        if undecided:
            void = {"pending_round": 0, "payable_from": 0, "pending_root": bytes(32), "pending_allocated": 0}
            write(books.tasks, task, **void)
        owed = self.owed(task, number)
        write(books.tasks, task, reserved=shown.reserved + owed)
        self.emit(RoundFrozen, task=task, round=number, culprit=culprit)
        return owed
