"""A task is posted, and clients work for it: HearthTasks, TermsCheck and Enrolments of contracts/src."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from protocol.identifiers import NATIVE_COIN, Address
from protocol.messages.chain import (
    BondView,
    Enrolled,
    EnrolmentView,
    Left,
    TaskPosted,
    TaskTerms,
)
from protocol.messages.rosters import RosterPosted
from protocol.messages.submission import Enrolment, Leave
from tests.reference_ledger.books import Role, refuse, write
from tests.reference_ledger.standings import Standings

MAX_CLIENTS: Final = 10_000
MAX_ROUNDS: Final = 100_000
MAX_SECONDS: Final = 3650 * 24 * 3600
MAX_LISTED: Final = 16


class Tasks(Standings):
    def post_task(self, terms: TaskTerms) -> None:
        books = self.books
        check_terms(terms, self.rules.maximum, books.tokens)
        escrow = terms.rounds * terms.max_clients * terms.update_reward
        if escrow >= 2**128:
            refuse("EscrowWrong", self.value, escrow)
        self.receive(terms.token, escrow)
        task = len(books.tasks) + 1
        until = {
            "enrol_until": self.now + terms.enrolment_seconds,
            "task_until": self.now + terms.task_seconds,
            "claim_until": self.now + terms.task_seconds + terms.claim_seconds,
        }
        books.terms[task] = terms
        write(
            books.tasks,
            task,
            spec=terms.spec,
            token=terms.token,
            manufacturer=self.sender,
            edge_server=terms.edge_servers[0],
            rounds=terms.rounds,
            min_clients=terms.min_clients,
            max_clients=terms.max_clients,
            update_reward=terms.update_reward,
            escrow=escrow,
            **until,
        )
        if terms.authority_bond:
            books.authorities_missing[task] = terms.threshold
        listed = {
            Role.EDGE_SERVER: (terms.edge_servers, "edgeServers"),
            Role.AUTHORITY: (terms.authorities, "authorities"),
        }
        for role, (holders, term) in listed.items():
            for index, holder in enumerate(holders):
                # a contract may take its signature back; here only tokens and the ledger are contracts
                plain = holder not in books.tokens and holder != self.domain.ledger
                if not plain or books.bonds[task, holder].role != Role.NONE:
                    refuse("TermsInvalid", term)
                books.bonds[task, holder] = BondView(role, index, False, 0, 0)
        self.emit(TaskPosted, task=task, manufacturer=self.sender, terms=terms, escrow=escrow, **until)

    def enrol(self, enrolments: Sequence[Enrolment], signatures: Sequence[bytes]) -> None:
        if not enrolments or len(enrolments) != len(signatures):
            refuse("TermsInvalid", "signatures")
        task, books = enrolments[0].task, self.books
        stakes = len(enrolments) * books.terms[task].stake
        self.receive(books.terms[task].token, stakes)
        for enrolment, signature in zip(enrolments, signatures, strict=True):
            if enrolment.task != task:
                refuse("TermsInvalid", "task")
            self._enrol(enrolment, signature)
        write(books.tasks, task, deposits=books.tasks[task].deposits + stakes)

    def post_roster(self, task: int, window: int, held: bytes, refused: bytes) -> None:
        shown, bond, books = self.books.known(task), self.books.bonds[task, self.sender], self.books
        if bond.role != Role.AUTHORITY:
            refuse("NotAuthority", self.sender)
        if window * books.terms[task].roster_rounds != shown.last_round or bond.rosters > window:
            refuse("RosterUnexpected", task, window, bond.rosters)
        if self.now > self.rosters_until(task):
            refuse("TooLate", self.rosters_until(task))
        if 8 * max(len(held), len(refused)) >= shown.enrolled + 8:
            refuse("RosterUnexpected", task, window, bond.rosters)
        write(books.bonds, (task, self.sender), rosters=window + 1)
        books.rosters[task] += 1
        self.emit(RosterPosted, task=task, window=window, authority=self.sender, held=held, refused=refused)

    def leave(self, task: int, client: Address, signature: bytes) -> None:
        shown, enrolment = self.books.known(task), self.books.enrolments[task, client]
        if not any(enrolment.envelope) or enrolment.left:
            refuse("NotEnrolled", task, client)
        self.verify(Leave(task, client), client, signature)
        write(self.books.enrolments, (task, client), left=True, left_round=shown.last_round)
        self.emit(Left, task=task, client=client, signature=signature)

    def _enrol(self, enrolment: Enrolment, signature: bytes) -> None:
        task, client, books = enrolment.task, enrolment.client, self.books
        shown, terms = self.books.known(task), self.books.terms[task]
        if self.now > shown.enrol_until or shown.enrolled == shown.max_clients:
            refuse("EnrolmentClosed", task)
        if not any(enrolment.envelope):
            refuse("DigestZero")
        if any(books.enrolments[task, client].envelope):
            refuse("AlreadyEnrolled", task, client)
        self.verify(enrolment, client, signature)
        reputation = self._admit(task, client)
        write(books.standings, client, task=task)
        books.enrolments[task, client] = EnrolmentView(enrolment.envelope, 0, 0, reputation, False, terms.stake != 0)
        write(books.tasks, task, enrolled=shown.enrolled + 1)
        envelope = enrolment.envelope
        self.emit(Enrolled, task=task, client=client, envelope=envelope, reputation=reputation, signature=signature)

    def _admit(self, task: int, client: Address) -> int:
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


def check_terms(terms: TaskTerms, max_reputation: int, tokens: frozenset[Address]) -> None:
    """What the contract demands of a task's terms before it takes any money for it; names the first that is wrong."""

    def listed(holders: Sequence[Address], least: int) -> bool:
        return least <= len(holders) <= MAX_LISTED and all(any(holder) for holder in holders)

    def duration(seconds: int) -> bool:
        return 0 < seconds <= MAX_SECONDS

    # a round opened in the last second of the task must still be paid
    batch_in_time = 2 * terms.training_seconds + terms.objection_seconds <= terms.commit_seconds
    last_round_paid = terms.claim_seconds > terms.commit_seconds + terms.settle_seconds + terms.dispute_seconds
    demands = {
        "spec": any(terms.spec),
        "edgeServers": listed(terms.edge_servers, 1),
        "rounds": 1 <= terms.rounds <= MAX_ROUNDS,
        "minClients": 2 <= terms.min_clients <= terms.max_clients,
        "maxClients": terms.max_clients <= MAX_CLIENTS,
        "enrolmentSeconds": duration(terms.enrolment_seconds),
        "commitSeconds": duration(terms.commit_seconds),
        "trainingSeconds": duration(terms.training_seconds),
        "objectionSeconds": duration(terms.objection_seconds) and batch_in_time,
        "settleSeconds": duration(terms.settle_seconds),
        "taskSeconds": duration(terms.task_seconds),
        # else the next round could run out of time while it waits to be settled
        "disputeSeconds": terms.dispute_seconds <= terms.settle_seconds,
        "takeoverSeconds": terms.takeover_seconds <= terms.settle_seconds,
        "rosterRounds": terms.roster_rounds > 0,
        "rosterSeconds": duration(terms.roster_seconds),
        "claimSeconds": duration(terms.claim_seconds) and last_round_paid,
        "token": terms.token == NATIVE_COIN or terms.token in tokens,
        "updateReward": terms.update_reward > 0,
        "initialReputation": terms.initial_reputation <= max_reputation,
        "minReputation": terms.min_reputation <= max_reputation,
        "authorities": listed(terms.authorities, 2),
        "reputationSources": listed(terms.reputation_sources, 0),
        "threshold": 2 <= terms.threshold <= len(terms.authorities),
    }
    for term, holds in demands.items():
        if not holds:
            refuse("TermsInvalid", term)
