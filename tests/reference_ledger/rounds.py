"""A round from its plan to its end, as Rounds of contracts/src; the table is protocol/round/state_table.py."""

from __future__ import annotations

from typing import Final

from protocol.cohort import verify_place
from protocol.errors import VerificationError
from protocol.identifiers import ZERO_DIGEST, Address, Digest, Label
from protocol.messages.chain import (
    BatchCommitted,
    BondForfeited,
    CohortDrawn,
    DirectCommitted,
    DrawLapsed,
    KeyRequested,
    Publication,
    RoundAbandoned,
    RoundExpired,
    RoundOpened,
    RoundPublished,
    RoundView,
    ScreeningRequested,
    TakenOver,
    TaskView,
)
from protocol.messages.round import CohortPlace
from protocol.messages.submission import Commitment
from protocol.round.state_table import RoundState
from tests.reference_ledger.accounting import Accounting
from tests.reference_ledger.books import RUNNING, Role, refuse, write

HASHES: Final = 256  # how many blocks back the chain tells a block's hash


class Rounds(Accounting):
    def draw_cohort(self, task: int) -> None:
        self.books.known(task)
        shown = self._act_as_edge_server(task)
        if shown.max_cohort == shown.max_clients:
            refuse("TermsInvalid", "maxCohort")
        number = shown.last_round + 1
        if shown.drawn_at:
            if self.ancestry.number() <= shown.drawn_at + HASHES:
                refuse("AlreadyDrawn", task, shown.drawn_at)
            # else whoever dislikes a draw could wait for another one
            write(self.books.tasks, task, drawn_at=0, rounds=shown.rounds - 1)
            self.emit(DrawLapsed, task=task, round=number)
            return
        self._require_openable(task, number)
        drawn_at = self.ancestry.number() + 1
        write(self.books.tasks, task, drawn_at=drawn_at)
        self.emit(CohortDrawn, task=task, round=number, drawn_at=drawn_at)

    def open_round(self, task: int, number: int, plan: Digest, label: Label, cohort_root: Digest, cohort: int) -> None:
        self.books.known(task)
        shown, terms, books = self._act_as_edge_server(task), self.books.terms[task], self.books
        if not any(plan) or not any(label) or not any(cohort_root):
            refuse("DigestZero")
        self._require_openable(task, number)
        most = min(shown.enrolled, shown.max_cohort)
        if not shown.min_clients <= cohort <= most:
            refuse("CohortWrong", cohort, shown.min_clients, most)
        beacon = self._beacon(task)
        books.rosters[task] = 0
        write(books.tasks, task, last_round=number)
        commit_until = self.now + terms.commit_seconds
        until = {"commit_until": commit_until, "settle_until": commit_until + terms.settle_seconds}
        server = books.bonds[task, self.sender].index
        fixed = {"label": label, "cohort_root": cohort_root, "cohort": cohort, **until}
        write(books.rounds, (task, number), state=RoundState.OPEN, server=server, **fixed)
        self.emit(RoundOpened, task=task, round=number, plan=plan, beacon=beacon, **fixed)

    def commit_batch(self, task: int, number: int, root: Digest, batch: Digest, count: int) -> None:
        self.books.known(task)
        self._act_as_edge_server(task)
        current = self._open(task, number)
        if current.batched:
            refuse("AlreadyCommitted", task, number, self.sender)
        terms = self.books.terms[task]
        due = current.commit_until - terms.commit_seconds + 2 * terms.training_seconds
        last = current.commit_until - terms.objection_seconds
        if self.now < due:
            refuse("TooEarly", due)
        if self.now > last:
            refuse("TooLate", last)
        self._require_unscreened(task, number)
        if not 1 <= count <= current.cohort:
            refuse("CohortWrong", count, 1, current.cohort)
        if not any(root) or not any(batch):
            refuse("DigestZero")
        until = self.now + terms.objection_seconds
        write(self.books.rounds, (task, number), batch_root=root, batched=count, object_until=until)
        said = {"root": root, "batch": batch, "count": count, "object_until": until}
        self.emit(BatchCommitted, task=task, round=number, **said)

    def commit_direct(self, commitment: Commitment, signature: bytes, place: CohortPlace) -> None:
        task, number, client, books = commitment.task, commitment.round, commitment.client, self.books
        self.books.known(task)
        current = self._open(task, number)
        if self.now > current.commit_until:
            refuse("TooLate", current.commit_until)
        self._require_unscreened(task, number)
        if commitment.label != current.label:
            refuse("LabelWrong", commitment.label, current.label)
        if not any(commitment.ciphertext):
            refuse("DigestZero")
        try:
            verify_place(current.cohort_root, current.cohort, client, place)
        except VerificationError:
            refuse("NotPlanned", task, client)
        if books.committed[task, number, client]:
            refuse("AlreadyCommitted", task, number, client)
        self.verify(task, commitment, client, signature)
        books.committed[task, number, client] = True
        write(books.rounds, (task, number), direct=current.direct + 1)
        sent = {"label": commitment.label, "nonce": commitment.nonce, "ciphertext": commitment.ciphertext}
        self.emit(DirectCommitted, task=task, round=number, client=client, **sent, signature=signature)

    def request_screening(self, task: int, number: int, block: int, direct: int, request: Digest) -> None:
        self.books.known(task)
        self._act_as_edge_server(task)
        current = self._open(task, number)
        self._require_unscreened(task, number)
        self._require_complete(task, current, request)
        if direct != current.direct:
            refuse("DirectWrong", direct, current.direct)
        beacon = self.ancestry.hash_of(block)
        if not any(beacon):
            refuse("BeaconUnknown", block)
        write(self.books.rounds, (task, number), screening=request)
        self.emit(ScreeningRequested, task=task, round=number, beacon_block=block, beacon=beacon, request=request)

    def request_key(self, task: int, number: int, request: Digest) -> None:
        self.books.known(task)
        self._act_as_edge_server(task)
        self._require_complete(task, self._open(task, number), request)
        write(self.books.rounds, (task, number), state=RoundState.REQUESTED, request=request)
        self.emit(KeyRequested, task=task, round=number, request=request)

    def publish_round(self, task: int, number: int, publication: Publication) -> None:
        self.books.known(task)
        self._act_as_edge_server(task)
        current = self.books.rounds[task, number]
        if current.state is not RoundState.REQUESTED:
            refuse("RoundUnexpected", task, number, current.state)
        if not any(publication.model) or not any(publication.record):
            refuse("DigestZero")
        write(self.books.rounds, (task, number), state=RoundState.PUBLISHED)
        shown, terms = self.books.tasks[task], self.books.terms[task]
        fees = terms.edge_fee + len(terms.authorities) * terms.authority_fee
        most = current.cohort * (shown.participation + shown.contribution) + fees
        self._allocate(task, number, publication.allocation_root, publication.allocated, most)
        fields = {name: getattr(publication, name) for name in Publication.__dataclass_fields__}
        self.emit(RoundPublished, task=task, round=number, **fields)

    def abandon_round(self, task: int, number: int, record: Digest, root: Digest, allocated: int) -> None:
        self.books.known(task)
        self._act_as_edge_server(task)
        current = self.books.rounds[task, number]
        if current.state is not RoundState.OPEN:
            refuse("RoundUnexpected", task, number, current.state)
        if self.now <= current.commit_until:
            refuse("TooEarly", current.commit_until)
        if not any(record):
            refuse("DigestZero")
        write(self.books.rounds, (task, number), state=RoundState.ABANDONED)
        self._allocate(task, number, root, allocated, current.cohort * self.books.tasks[task].participation)
        self.emit(RoundAbandoned, task=task, round=number, record=record, allocation_root=root, allocated=allocated)

    def expire_round(self, task: int, number: int) -> None:
        self.books.known(task)
        current = self.books.rounds[task, number]
        if current.state not in RUNNING:
            refuse("RoundUnexpected", task, number, current.state)
        if self.now <= current.settle_until:
            refuse("TooEarly", current.settle_until)
        shown, owed = self.books.tasks[task], self.owed(task, number)
        write(self.books.tasks, task, reserved=shown.reserved + owed)
        write(self.books.rounds, (task, number), state=RoundState.EXPIRED)
        self.emit(RoundExpired, task=task, round=number)
        if current.state is RoundState.OPEN and owed:
            self._charge(task, shown.edge_server, owed)

    def _charge(self, task: int, server: Address, owed: int) -> None:
        """Of a server that left a round with commitments alone: its role, and of its bond what they are owed."""
        bond = self.books.bonds[task, server]
        if bond.role == Role.NONE:
            return
        self.dismiss(task, server)
        amount = min(bond.amount, owed)
        shown = self.books.tasks[task]
        write(self.books.bonds, (task, server), amount=bond.amount - amount)
        write(self.books.tasks, task, deposits=shown.deposits - amount, escrow=shown.escrow + amount)
        self.emit(BondForfeited, task=task, holder=server, reporter=bytes(20), amount=amount, share=0)

    def _require_openable(self, task: int, number: int) -> None:
        """What a round needs before it can be opened, but for its cohort."""
        self._require_authorities(task)
        shown = self.books.tasks[task]
        if self.now <= shown.enrol_until:
            refuse("EnrolmentOpen", task, shown.enrol_until)
        before = self.last_round(task).state
        if number != shown.last_round + 1 or number > shown.rounds or before in RUNNING:
            refuse("RoundUnexpected", task, number, before)
        if self.now > shown.task_until:
            refuse("TooLate", shown.task_until)
        self._require_rosters(task, number)

    def _require_complete(self, task: int, current: RoundView, request: Digest) -> None:
        """What authorities are asked about a round waits until everybody could commit."""
        everyone = current.batched + current.direct >= current.cohort
        until = current.object_until if everyone else current.commit_until
        if self.now <= until:
            refuse("TooEarly", until)
        if self.now > current.settle_until:
            refuse("TooLate", current.settle_until)
        if not any(request):
            refuse("DigestZero")
        self._require_authorities(task)

    def _require_authorities(self, task: int) -> None:
        """As many as a key takes. Of a task that is stopped the refund may have taken what a round would promise."""
        terms = self.books.terms[task]
        unbonded = terms.authority_bond and self.books.bonded[task] < terms.threshold
        if unbonded or self.books.tasks[task].stopped:
            refuse("BondMissing", task, bytes(20))

    def _beacon(self, task: int) -> Digest:
        """Zero where everybody is planned; else the hash of the block that the draw named."""
        shown = self.books.tasks[task]
        if shown.max_cohort == shown.max_clients:
            return ZERO_DIGEST
        beacon = self.ancestry.hash_of(shown.drawn_at) if shown.drawn_at else ZERO_DIGEST
        if not any(beacon):
            refuse("NotDrawn", task, shown.drawn_at)
        write(self.books.tasks, task, drawn_at=0)
        return beacon

    def _require_rosters(self, task: int, number: int) -> None:
        """The first round of a window waits for the rosters of all authorities, or for their deadline."""
        if (number - 1) % self.books.terms[task].roster_rounds:
            return
        until = self.rosters_until(task)
        if self.books.rosters[task] != self.books.authorities[task] and self.now <= until:
            refuse("TooEarly", until)

    def _open(self, task: int, number: int) -> RoundView:
        current = self.books.rounds[task, number]
        if current.state is not RoundState.OPEN:
            refuse("RoundUnexpected", task, number, current.state)
        return current

    def _require_unscreened(self, task: int, number: int) -> None:
        """Nobody chooses a ciphertext once the sketch is known."""
        if any(self.books.rounds[task, number].screening):
            refuse("AlreadyScreened", task, number)

    def _allocate(self, task: int, number: int, root: Digest, allocated: int, most: int) -> None:
        """Settles a round's share of the escrow: cumulative, and at most ``most`` more. The tree of the round settled
        before, undisputed by now, takes its place as the last that can be claimed."""
        shown, current = self.books.tasks[task], self.books.rounds[task, number]
        if self.now > current.settle_until:
            refuse("TooLate", current.settle_until)
        if not any(root):
            refuse("DigestZero")
        if self.now < shown.payable_from:
            refuse("TooEarly", shown.payable_from)
        standing, low = shown.payable(self.now)
        if not low <= allocated <= low + most:
            refuse("AllocationWrong", allocated, low, low + most)
        write(
            self.books.tasks,
            task,
            allocation_root=standing,
            allocated=low,
            pending_root=root,
            pending_allocated=allocated,
            pending_round=number,
            pending_server=self.books.bonds[task, self.sender].index,
            payable_from=self.now + self.books.terms[task].dispute_seconds,
        )

    def _act_as_edge_server(self, task: int) -> TaskView:
        """The acting one, or another one of the list that takes over because it may by now."""
        books, terms, sender = self.books, self.books.terms[task], self.sender
        shown, bond = books.tasks[task], books.bonds[task, sender]
        if bond.role != Role.EDGE_SERVER:
            refuse("NotEdgeServer", sender, shown.edge_server)
        if sender != shown.edge_server:
            last = self.last_round(task)
            since = last.commit_until if last.state in RUNNING else self.rosters_until(task)
            until = since + terms.takeover_seconds
            if self.now <= until:
                refuse("TooEarly", until)
            write(books.tasks, task, edge_server=sender)
            self.emit(TakenOver, task=task, edge_server=sender)
        if terms.edge_bond and not bond.amount:
            refuse("BondMissing", task, sender)
        return books.tasks[task]
