"""Rewards to clients, fees to servers and authorities: Payouts of contracts/src."""

from __future__ import annotations

from collections.abc import Sequence

from protocol import merkle
from protocol.domain import entitlement_leaf
from protocol.errors import VerificationError
from protocol.identifiers import Digest
from protocol.messages.chain import Claimed
from protocol.messages.settlement import Entitlement
from tests.reference_ledger.books import Role, refuse, write
from tests.reference_ledger.multiproof import multiproof_root
from tests.reference_ledger.standings import Standings

Leaf = tuple[int, Entitlement]  # with its index in the allocation


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
        if multiproof_root([entitlement_leaf(task, *leaf) for leaf in leaves], proof, flags) != root:
            refuse("ProofInvalid", task, bytes(20))
        for _, entitlement in leaves:
            self._settle(task, entitlement, allocated)

    def _claimable(self, task: int) -> tuple[Digest, int]:
        shown = self.books.tasks[task]
        if self.now > shown.claim_until:
            refuse("TooLate", shown.claim_until)
        return shown.payable(self.now)

    def _settle(self, task: int, leaf: Entitlement, allocated: int) -> bool:
        """Pays what is not paid yet and takes the reputation over; false when there is nothing to do."""
        books, client = self.books, leaf.client
        shown, enrolment = books.tasks[task], books.enrolments[task, client]
        # the others of a tree are servers and authorities, with their fees; nobody else gets anything
        if not any(enrolment.envelope) and books.bonds[task, client].role == Role.NONE:
            return False
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
