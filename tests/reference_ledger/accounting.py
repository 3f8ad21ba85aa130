"""The checks and the money moves that the contract's functions share: LedgerState and Payments of contracts/src."""

from __future__ import annotations

from typing import Any, Protocol

from protocol import signing
from protocol.domain import Domain
from protocol.errors import HearthError, Party
from protocol.identifiers import NATIVE_COIN, ZERO_DIGEST, Address, Digest
from protocol.messages.chain import Credited, Event, LedgerRules, RoundView, StakeReturned
from protocol.task.word import next_word
from storage.ledger.ethereum.decoding import event_digest
from tests.reference_ledger.books import RUNNING, Books, Role, refuse, write


class Ancestry(Protocol):
    """The blocks below the one that a call is in."""

    def number(self) -> int:
        """Of the block that the call is in."""

    def hash_of(self, number: int) -> Digest:
        """As the EVM tells it: zero for all but the last 256 blocks before that one."""


class Accounting:
    """One call of the contract while it is carried out: by ``sender``, with ``value`` wei, in a block of ``now``.

    It changes ``books``, which its caller throws away when it raises, and says ``events``.
    """

    def __init__(
        self,
        domain: Domain,
        rules: LedgerRules,
        books: Books,
        sender: Address,
        value: int,
        now: int,
        ancestry: Ancestry,
    ) -> None:
        self.domain, self.rules, self.books = domain, rules, books
        self.sender, self.value, self.now = sender, value, now
        self.ancestry = ancestry
        self.events: list[tuple[type[Event], dict[str, Any]]] = []

    def emit(self, kind: type[Event], **fields: Any) -> None:
        """Says an event of a task, which the task's word stands for from now on."""
        self.events.append((kind, fields))
        said = event_digest(kind(block=0, log_index=0, transaction=ZERO_DIGEST, **fields))
        task = fields["task"]
        write(self.books.tasks, task, word=next_word(self.books.tasks[task].word, self.now, said))

    def verify(self, task: int, message: signing.Signable, client: Address, signature: bytes) -> None:
        """By the key that the client's enrolment named."""
        if not signed_by(self.domain, message, self.books.signer_of(task, client), signature):
            refuse("SignatureInvalid", client)

    def ended(self, task: int) -> bool:
        """No round will be opened any more and none is running."""
        return self.over(task) and self.last_round(task).state not in RUNNING

    def is_final(self, task: int, client: Address) -> bool:
        """Whether no later round can change what this client is owed, or its reputation."""
        shown, enrolment = self.books.tasks[task], self.books.enrolments[task, client]
        if not enrolment.left and not self.over(task):
            return False
        last = enrolment.left_round if enrolment.left else shown.last_round
        return all(self._decided(task, number) for number in range(1, last + 1))

    def owes_leaf(self, task: int, client: Address) -> bool:
        """Until the claim period is over; who left before the first round, or whose task ended without any tree, has no
        leaf to apply."""
        shown, enrolment = self.books.tasks[task], self.books.enrolments[task, client]
        if self.now > shown.claim_until or (enrolment.left and not enrolment.left_round):
            return False
        root, _ = shown.payable(self.now)
        return any(root) or not self.is_final(task, client)

    def receive(self, token: Address, amount: int) -> None:
        """Takes a deposit of exactly ``amount`` from the sender; a token must really have brought it."""
        received = self.value
        if token != NATIVE_COIN and amount:
            if self.value:
                refuse("EscrowWrong", self.value, 0)
            received = self._fetch(token, amount)
        if received != amount:
            refuse("EscrowWrong", received, amount)

    def pay(self, task: int, payee: Address, amount: int) -> None:
        """What does not arrive is the payee's credit."""
        if not self.books.move(self.books.tasks[task].token, self.domain.ledger, payee, amount):
            self.credit(task, payee, amount)

    def credit(self, task: int, holder: Address, amount: int) -> None:
        if not amount:
            return
        self.books.credits[task, holder] += amount
        write(self.books.tasks, task, deposits=self.books.tasks[task].deposits + amount)
        self.emit(Credited, task=task, holder=holder, amount=amount)

    def unstake(self, task: int, client: Address) -> int:
        """Takes the client's stake out of the deposits: its amount, which the caller pays out."""
        books, amount = self.books, self.books.terms[task].stake
        write(books.enrolments, (task, client), staked=False)
        write(books.tasks, task, deposits=books.tasks[task].deposits - amount)
        self.emit(StakeReturned, task=task, client=client, amount=amount)
        return amount

    def owed(self, task: int, number: int) -> int:
        """What whoever committed in a round is owed together while its sum is not published.

        A batch counts as the whole cohort: how many of its leaves can be proven is not known.
        """
        current = self.books.rounds[task, number]
        committed = current.cohort if current.batched else current.direct
        return committed * self.compensation(task, number)

    def compensation(self, task: int, number: int) -> int:
        """Of one client. Who requested a key may have opened the sum, so it costs the whole reward."""
        shown, requested = self.books.tasks[task], any(self.books.rounds[task, number].request)
        return shown.participation + (shown.contribution if requested else 0)

    def dismiss(self, task: int, holder: Address) -> None:
        """Ends a role for good. A task stops for which too few are left."""
        books, bond = self.books, self.books.bonds[task, holder]
        if bond.role == Role.EDGE_SERVER:
            books.servers[task] -= 1
            stops = not books.servers[task]
        else:
            books.authorities[task] -= 1
            stops = books.authorities[task] < books.terms[task].threshold
            books.bonded[task] -= bond.placed
        if stops:
            write(books.tasks, task, stopped=True)
        write(books.bonds, (task, holder), role=Role.NONE)

    def rosters_until(self, task: int) -> int:
        """The last instant at which a roster for the window of the next round counts."""
        shown = self.books.tasks[task]
        since = self.last_round(task).settle_until if shown.last_round else shown.enrol_until
        return since + self.books.terms[task].roster_seconds

    def over(self, task: int) -> bool:
        shown = self.books.tasks[task]
        too_few = self.now > shown.enrol_until and shown.enrolled < shown.min_clients
        return shown.last_round == shown.rounds or shown.stopped or self.now > shown.task_until or too_few

    def last_round(self, task: int) -> RoundView:
        return self.books.rounds[task, self.books.tasks[task].last_round]

    def _decided(self, task: int, number: int) -> bool:
        """The round is over, and nothing that it settled can be disputed any more."""
        shown = self.books.tasks[task]
        disputable = number == shown.pending_round and self.now < shown.payable_from
        return self.books.rounds[task, number].state not in RUNNING and not disputable

    def _fetch(self, token: Address, amount: int) -> int:
        """What an ERC-20 brings: all or nothing."""
        books, sender = self.books, self.sender
        if books.allowed[token, sender] < amount or not books.move(token, sender, self.domain.ledger, amount):
            return 0
        books.allowed[token, sender] -= amount
        return amount


def signed_by(domain: Domain, message: signing.Signable, signer: Address, signature: bytes) -> bool:
    try:
        signing.verify(domain, message, signature, signer, Party.CLIENT)
    except HearthError:
        return False
    return True
