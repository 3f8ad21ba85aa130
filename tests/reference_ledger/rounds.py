"""A round from its plan to its end, as Rounds of contracts/src; the table is protocol/round/state_table.py."""

from __future__ import annotations

from protocol.cohort import verify_place
from protocol.errors import VerificationError
from protocol.identifiers import Digest, Label
from protocol.messages.chain import (
    BatchCommitted,
    DirectCommitted,
    KeyRequested,
    Publication,
    RoundAbandoned,
    RoundExpired,
    RoundOpened,
    RoundPublished,
    RoundView,
    TakenOver,
    TaskView,
)
from protocol.messages.round import CohortPlace
from protocol.messages.submission import Commitment
from protocol.round.state_table import RoundState
from tests.reference_ledger.books import RUNNING, Accounting, Role, refuse, write


class Rounds(Accounting):
    def open_round(self, task: int, number: int, plan: Digest, label: Label, cohort_root: Digest, cohort: int) -> None:
        self.books.known(task)
        shown, terms, books = self._act_as_edge_server(task), self.books.terms[task], self.books
        if not any(plan) or not any(label) or not any(cohort_root):
            refuse("DigestZero")
        if books.authorities_missing[task]:
            refuse("BondMissing", task, bytes(20))
        if self.now <= shown.enrol_until and shown.enrolled < shown.max_clients:
            refuse("EnrolmentOpen", task, shown.enrol_until)
        before = self._last_round(task).state
        if number != shown.last_round + 1 or number > shown.rounds or before in RUNNING:
            refuse("RoundUnexpected", task, number, before)
        if self.now > shown.task_until:
            refuse("TooLate", shown.task_until)
        if not shown.min_clients <= cohort <= shown.enrolled:
            refuse("CohortWrong", cohort, shown.min_clients, shown.enrolled)
        self._require_rosters(task, number)
        write(books.tasks, task, last_round=number)
        commit_until = self.now + terms.commit_seconds
        until = {"commit_until": commit_until, "settle_until": commit_until + terms.settle_seconds}
        server = books.bonds[task, self.sender].index
        fixed = {"label": label, "cohort_root": cohort_root, "cohort": cohort, **until}
        write(books.rounds, (task, number), state=RoundState.OPEN, server=server, **fixed)
        self.emit(RoundOpened, task=task, round=number, plan=plan, **fixed)

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
        self.verify(commitment, client, signature)
        books.committed[task, number, client] = True
        write(books.rounds, (task, number), direct=current.direct + 1)
        sent = {"label": commitment.label, "nonce": commitment.nonce, "ciphertext": commitment.ciphertext}
        self.emit(DirectCommitted, task=task, round=number, client=client, **sent, signature=signature)

    def request_key(self, task: int, number: int, request: Digest) -> None:
        self.books.known(task)
        self._act_as_edge_server(task)
        current = self._open(task, number)
        everyone = current.batched + current.direct >= current.cohort
        until = current.object_until if everyone else current.commit_until
        if self.now <= until:
            refuse("TooEarly", until)
        if self.now > current.settle_until:
            refuse("TooLate", current.settle_until)
        if not any(request):
            refuse("DigestZero")
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
        self._allocate(task, number, publication.allocation_root, publication.allocated)
        fields = {name: getattr(publication, name) for name in Publication.__dataclass_fields__}
        self.emit(RoundPublished, task=task, round=number, **fields)

    def abandon_round(self, task: int, number: int, record: Digest, root: Digest, allocated: int) -> None:
        self.books.known(task)
        self._act_as_edge_server(task)
        current = self.books.rounds[task, number]
        if current.state not in RUNNING:
            refuse("RoundUnexpected", task, number, current.state)
        if current.state is RoundState.OPEN and self.now <= current.commit_until:
            refuse("TooEarly", current.commit_until)
        if not any(record):
            refuse("DigestZero")
        write(self.books.rounds, (task, number), state=RoundState.ABANDONED)
        self._allocate(task, number, root, allocated)
        self.emit(RoundAbandoned, task=task, round=number, record=record, allocation_root=root, allocated=allocated)

    def expire_round(self, task: int, number: int) -> None:
        self.books.known(task)
        current = self.books.rounds[task, number]
        if current.state not in RUNNING:
            refuse("RoundUnexpected", task, number, current.state)
        if self.now <= current.settle_until:
            refuse("TooEarly", current.settle_until)
        write(self.books.rounds, (task, number), state=RoundState.EXPIRED)
        self.emit(RoundExpired, task=task, round=number)

    def _require_rosters(self, task: int, number: int) -> None:
        """The first round of a window waits for the rosters of all authorities, or for their deadline."""
        terms = self.books.terms[task]
        if (number - 1) % terms.roster_rounds:
            return
        until = self.rosters_until(task)
        if self.books.rosters[task] != len(terms.authorities) and self.now <= until:
            refuse("TooEarly", until)
        self.books.rosters[task] = 0

    def _open(self, task: int, number: int) -> RoundView:
        current = self.books.rounds[task, number]
        if current.state is not RoundState.OPEN:
            refuse("RoundUnexpected", task, number, current.state)
        return current

    def _allocate(self, task: int, number: int, root: Digest, allocated: int) -> None:
        """Settles a round's share of the escrow: cumulative, and never more than the round's own budget. The tree of
        the round settled before, undisputed by now, takes its place as the last that can be claimed."""
        shown, current = self.books.tasks[task], self.books.rounds[task, number]
        if self.now > current.settle_until:
            refuse("TooLate", current.settle_until)
        if not any(root):
            refuse("DigestZero")
        if self.now < shown.payable_from:
            refuse("TooEarly", shown.payable_from)
        standing, low = shown.payable(self.now)
        high = low + current.cohort * shown.update_reward
        if not low <= allocated <= high:
            refuse("AllocationWrong", allocated, low, high)
        write(
            self.books.tasks,
            task,
            allocation_root=standing,
            allocated=low,
            pending_root=root,
            pending_allocated=allocated,
            pending_round=number,
            payable_from=self.now + self.books.terms[task].dispute_seconds,
        )

    def _act_as_edge_server(self, task: int) -> TaskView:
        """The acting one, or another one of the list that takes over because it may by now."""
        books, terms, sender = self.books, self.books.terms[task], self.sender
        shown, bond = books.tasks[task], books.bonds[task, sender]
        if bond.role != Role.EDGE_SERVER:
            refuse("NotEdgeServer", sender, shown.edge_server)
        if sender != shown.edge_server:
            last = self._last_round(task)
            since = last.commit_until if last.state in RUNNING else self.rosters_until(task)
            until = since + terms.takeover_seconds
            if self.now <= until:
                refuse("TooEarly", until)
            write(books.tasks, task, edge_server=sender)
            self.emit(TakenOver, task=task, edge_server=sender)
        if terms.edge_bond and not bond.amount:
            refuse("BondMissing", task, sender)
        return books.tasks[task]
