"""Who works for a task, and what its authorities say of them: Enrolments and Rosters of contracts/src."""

from __future__ import annotations

from collections.abc import Sequence

from protocol.errors import Party, VerificationError
from protocol.identifiers import Address
from protocol.keccak import keccak
from protocol.messages.chain import Enrolled, EnrolmentFull, EnrolmentView, Left, VoucherShown
from protocol.messages.rosters import RosterPosted
from protocol.messages.submission import Enrolment, Leave
from protocol.messages.vouchers import MODULUS_BYTES
from protocol.vouchers.blinding import Statement, verify_voucher
from storage.ledger.interface import TransactionRevertedError
from tests.reference_ledger.accounting import signed_by
from tests.reference_ledger.books import Role, refuse, write
from tests.reference_ledger.standings import Standings


class Enrolments(Standings):
    def enrol(self, enrolments: Sequence[Enrolment], signatures: Sequence[bytes], vouchers: bytes = b"") -> None:
        """Alone a refusal says why; among others it must not stop them."""
        if not enrolments or len(enrolments) != len(signatures):
            refuse("TermsInvalid", "signatures")
        task, books = enrolments[0].task, self.books
        self._require_vouchers(task, vouchers, len(enrolments))
        stake, skipped = books.terms[task].stake, 0
        self.receive(books.terms[task].token, len(enrolments) * stake)
        for place, (enrolment, signature) in enumerate(zip(enrolments, signatures, strict=True)):
            try:
                reputation = self._admit(task, enrolment, signature)
                if vouchers:
                    self._show(task, enrolment.client, vouchers, place)
            except TransactionRevertedError:
                if len(enrolments) == 1:
                    raise
                skipped += 1
            else:
                self._enter(task, enrolment, signature, reputation)
        if stake:
            stakes = (len(enrolments) - skipped) * stake
            write(books.tasks, task, deposits=books.tasks[task].deposits + stakes)
            self.pay(task, self.sender, skipped * stake)

    def leave(self, task: int, client: Address, signature: bytes) -> None:
        shown, enrolment = self.books.known(task), self.books.enrolments[task, client]
        if not any(enrolment.envelope) or enrolment.left:
            refuse("NotEnrolled", task, client)
        self.verify(task, Leave(task, client), client, signature)
        write(self.books.enrolments, (task, client), left=True, left_round=shown.last_round)
        self.emit(Left, task=task, client=client, signature=signature)

    def post_roster(self, task: int, window: int, held: bytes, refused: bytes) -> None:
        shown, bond, books = self.books.known(task), self.books.bonds[task, self.sender], self.books
        if bond.role != Role.AUTHORITY:
            refuse("NotAuthority", self.sender)
        if window * books.terms[task].roster_rounds != shown.last_round or bond.rosters > window:
            refuse("RosterUnexpected", task, window, bond.rosters)
        if self.now > self.rosters_until(task):
            refuse("TooLate", self.rosters_until(task))
        if max(len(held), len(refused)) > shown.enrolled + 1:
            refuse("RosterUnexpected", task, window, bond.rosters)
        write(books.bonds, (task, self.sender), rosters=window + 1)
        books.rosters[task] += 1
        self.emit(RosterPosted, task=task, window=window, authority=self.sender, held=held, refused=refused)

    def _require_vouchers(self, task: int, vouchers: bytes, count: int) -> None:
        """The modulus of its key and one for each where the task needs them; none where it does not."""
        key, fit = self.books.terms[task].voucher_key, not vouchers
        if any(key):
            fit = len(vouchers) == (count + 1) * MODULUS_BYTES and vouchers[0] >= 0x80
            fit = fit and keccak(vouchers[:MODULUS_BYTES]) == key
        if not fit:
            refuse("TermsInvalid", "vouchers")

    def _show(self, task: int, client: Address, vouchers: bytes, place: int) -> None:
        modulus, *shown = (vouchers[at : at + MODULUS_BYTES] for at in range(0, len(vouchers), MODULUS_BYTES))
        try:
            verify_voucher(Statement(self.domain, modulus, task, client), shown[place], Party.CLIENT)
        except VerificationError:
            refuse("VoucherInvalid", task, client)
        self.emit(VoucherShown, task=task, client=client, voucher=shown[place])

    def _enter(self, task: int, enrolment: Enrolment, signature: bytes, reputation: int) -> None:
        client, books, staked = enrolment.client, self.books, self.books.terms[task].stake != 0
        write(books.standings, client, task=task)
        books.enrolments[task, client] = EnrolmentView(enrolment.envelope, 0, 0, reputation, False, staked)
        if enrolment.signer != client:
            books.signers[task, client] = enrolment.signer
        write(books.tasks, task, enrolled=books.tasks[task].enrolled + 1)
        signed = {"signer": enrolment.signer, "deadline": enrolment.deadline, "signature": signature}
        self.emit(Enrolled, task=task, client=client, envelope=enrolment.envelope, reputation=reputation, **signed)
        shown = books.tasks[task]
        # nobody is waited for any more
        if shown.enrolled == shown.max_clients and self.now < shown.enrol_until:
            write(books.tasks, task, enrol_until=self.now)
            self.emit(EnrolmentFull, task=task, enrolled=shown.enrolled, enrol_until=self.now)

    def _admit(self, task: int, enrolment: Enrolment, signature: bytes) -> int:
        """The reputation with which the client comes."""
        client, books = enrolment.client, self.books
        shown = books.known(task)
        if self.over(task) or shown.enrolled == shown.max_clients:
            refuse("EnrolmentClosed", task)
        if not any(enrolment.envelope):
            refuse("DigestZero")
        if any(books.enrolments[task, client].envelope):
            refuse("AlreadyEnrolled", task, client)
        if self.now > enrolment.deadline:
            refuse("TooLate", enrolment.deadline)
        agreed = (task, shown.spec, books.terms[task].stake, shown.claim_until)
        shows = (enrolment.task, enrolment.spec, enrolment.stake, enrolment.locked_until)
        named = agreed == shows and any(enrolment.signer)
        if not named or not signed_by(self.domain, enrolment, client, signature):
            refuse("SignatureInvalid", client)
        return self._comes_with(task, client)

    def _comes_with(self, task: int, client: Address) -> int:
        """The reputation with which the client comes; refuses whoever still owes the ledger a leaf, or is too low."""
        standing, terms = self.books.standings[client], self.books.terms[task]
        if standing.task and self.owes_leaf(standing.task, client):
            refuse("ReputationPending", client, standing.task)
        counts, reputation, _ = self.counted_in(task, standing)
        initial = terms.initial_reputation
        # one from elsewhere that is below the floor is not shed; nor is it worth more than none
        if not counts and (reputation == self.rules.floor or reputation >= initial):
            return initial
        if reputation < terms.min_reputation:
            refuse("ReputationWrong", client, reputation, terms.min_reputation, self.rules.maximum)
        return reputation
