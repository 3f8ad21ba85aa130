"""Money out of the ledger, and deposits on their way in and out: Payouts, Deposits and Disputes of contracts/src."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from protocol import merkle
from protocol.domain import entitlement_leaf
from protocol.errors import VerificationError
from protocol.identifiers import ZERO_DIGEST, Address, Digest
from protocol.messages.chain import (
    BondForfeited,
    BondPlaced,
    BondReturned,
    Claimed,
    Refunded,
    RoundFrozen,
    Withdrawn,
)
from protocol.messages.settlement import Entitlement
from protocol.round.state_table import RoundState
from tests.reference_ledger.books import RUNNING, Role, refuse, write
from tests.reference_ledger.judge import Judge
from tests.reference_ledger.standings import Standings

Leaf = tuple[int, Entitlement]  # with its index in the allocation
OUT_OF_BOUNDS: Final = 0x32  # of Solidity's panics


class Payouts(Standings):
    def claim(self, task: int, leaf: Leaf, proof: Sequence[Digest]) -> None:
        self.books.known(task)
        root, allocated = self._claimable(task)
        try:
            merkle.verify(root, entitlement_leaf(task, *leaf), proof)
        except VerificationError:
            refuse("ProofInvalid", task, leaf[1].client)
        if not self._settle(task, leaf[1], allocated):
            refuse("NothingToPay", task, leaf[1].client)

    def claim_many(self, task: int, leaves: Sequence[Leaf], proof: Sequence[Digest], flags: Sequence[bool]) -> None:
        self.books.known(task)
        root, allocated = self._claimable(task)
        if _multiproof_root([entitlement_leaf(task, *leaf) for leaf in leaves], proof, flags) != root:
            refuse("ProofInvalid", task, bytes(20))
        for _, entitlement in leaves:
            self._settle(task, entitlement, allocated)

    def refund(self, task: int) -> None:
        shown = self.books.known(task)
        if not self.ended(task):
            refuse("TooEarly", shown.task_until)
        owed = 0
        if self.now <= shown.claim_until:
            # a payout that may still be disputed is kept back, too
            owed = (shown.pending_allocated if shown.pending_round else shown.allocated) - shown.claimed
        amount = shown.escrow - owed
        if not amount:
            refuse("NothingToPay", task, shown.manufacturer)
        write(self.books.tasks, task, escrow=owed)
        self.emit(Refunded, task=task, manufacturer=shown.manufacturer, amount=amount)
        self.pay(task, shown.manufacturer, amount)

    def place_bond(self, task: int, holder: Address) -> None:
        shown, bond, terms = self.books.known(task), self.books.bonds[task, holder], self.books.terms[task]
        if bond.role == Role.NONE or bond.placed:
            refuse("BondUnexpected", task, holder)
        authority = bond.role == Role.AUTHORITY
        amount = terms.authority_bond if authority else terms.edge_bond
        self.receive(terms.token, amount)
        write(self.books.bonds, (task, holder), placed=True, amount=amount)
        write(self.books.tasks, task, deposits=shown.deposits + amount)
        if authority and self.books.authorities_missing[task]:
            self.books.authorities_missing[task] -= 1
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

    def dispute(self, proof: bytes) -> None:
        books = self.books
        task, number, culprit = Judge(self.domain, books, self.now).verdict(proof)
        shown, current, bond = books.tasks[task], books.rounds[task, number], books.bonds[task, culprit]
        undecided = number == shown.pending_round and self.now < shown.payable_from
        if current.state not in RUNNING and not undecided:
            refuse("RoundUnexpected", task, number, current.state)
        write(books.rounds, (task, number), state=RoundState.FROZEN)
        if undecided:
            void = {"pending_round": 0, "payable_from": 0, "pending_root": bytes(32), "pending_allocated": 0}
            write(books.tasks, task, **void)
        self.emit(RoundFrozen, task=task, round=number, culprit=culprit)
        write(books.bonds, (task, culprit), role=Role.NONE, amount=0)
        reward = bond.amount // 2
        # nothing is paid out at once: no payee and no token must stop a dispute
        write(books.tasks, task, deposits=shown.deposits - bond.amount, escrow=shown.escrow + bond.amount - reward)
        self.emit(BondForfeited, task=task, holder=culprit, reporter=self.sender, amount=bond.amount)
        self.credit(task, self.sender, reward)

    def _claimable(self, task: int) -> tuple[Digest, int]:
        shown = self.books.tasks[task]
        if self.now > shown.claim_until:
            refuse("TooLate", shown.claim_until)
        return shown.payable(self.now)

    def _settle(self, task: int, leaf: Entitlement, allocated: int) -> bool:
        """Pays what is not paid yet and takes the reputation over; false when there is nothing to do."""
        books, client = self.books, leaf.client
        shown, enrolment = books.tasks[task], books.enrolments[task, client]
        # whoever never signed up for this task must not get a reputation from its edge server
        if not any(enrolment.envelope):
            refuse("NotEnrolled", task, client)
        before, cumulative = enrolment.claimed, leaf.cumulative
        amount = max(cumulative - before, 0)
        freed = self._take_reputation(task, leaf, amount)
        if not amount and not freed:
            return False
        left = allocated - shown.claimed
        if amount > left:
            refuse("AllocationWrong", cumulative, before, before + left)
        write(books.enrolments, (task, client), claimed=before + amount)
        write(books.tasks, task, claimed=shown.claimed + amount, escrow=shown.escrow - amount)
        paid = {"amount": amount, "cumulative": cumulative, "reputation": leaf.reputation, "freed": freed}
        self.emit(Claimed, task=task, client=client, **paid)
        if freed and enrolment.staked:
            amount += self.unstake(task, client)
        self.pay(task, client, amount)
        return True

    def _take_reputation(self, task: int, leaf: Entitlement, amount: int) -> bool:
        """Of the client's current task only: a leaf of an older one says nothing new. True when it frees the client."""
        client = leaf.client
        if self.books.standings[client].task != task:
            return False
        if leaf.reputation > self.rules.maximum:
            refuse("ReputationWrong", client, leaf.reputation, 0, self.rules.maximum)
        freed = self.is_final(task, client)
        if freed or amount:
            self.settle_standing(task, leaf, freed)
        return freed


def _multiproof_root(leaves: Sequence[Digest], proof: Sequence[Digest], flags: Sequence[bool]) -> Digest:
    """As OpenZeppelin's MerkleProof, also for what is no multiproof: each flag takes the next of a queue of the leaves
    and then of what they hash to, and as its partner the one after it (true) or the next of the proof (false)."""
    if len(leaves) + len(proof) != len(flags) + 1:
        refuse("MerkleProofInvalidMultiproof")
    queue = [*leaves, *[ZERO_DIGEST] * len(flags)]
    place = sibling = 0
    for step, queued in enumerate(flags):
        if place + queued >= len(queue) or (not queued and sibling == len(proof)):
            refuse("Panic", OUT_OF_BOUNDS)
        partner = queue[place + 1] if queued else proof[sibling]
        queue[len(leaves) + step] = merkle.root([queue[place], partner])
        place, sibling = place + 1 + queued, sibling + (not queued)
    if flags and sibling != len(proof):
        refuse("MerkleProofInvalidMultiproof")
    return queue[-1] if queue else proof[0]
