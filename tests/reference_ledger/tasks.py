"""A task is posted, and what is left of its money goes back: HearthTasks and TermsCheck of contracts/src."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from protocol.identifiers import NATIVE_COIN, Address
from protocol.messages.chain import BondView, LedgerRules, Refunded, TaskPosted, TaskTerms
from tests.reference_ledger.accounting import Accounting
from tests.reference_ledger.books import Role, refuse, write

MAX_CLIENTS: Final = 1_000_000
MAX_COHORT: Final = 10_000
MAX_ROUNDS: Final = 100_000
MAX_SECONDS: Final = 3650 * 24 * 3600
MAX_LISTED: Final = 16


class Tasks(Accounting):
    def post_task(self, terms: TaskTerms) -> None:
        books = self.books
        check_terms(terms, self.rules, books.tokens)
        fees = terms.edge_fee + len(terms.authorities) * terms.authority_fee
        escrow = terms.rounds * (terms.max_cohort * (terms.participation + terms.contribution) + fees)
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
            max_cohort=terms.max_cohort,
            participation=terms.participation,
            contribution=terms.contribution,
            escrow=escrow,
            **until,
        )
        if any(terms.voucher_key):
            if books.voucher_keys[terms.voucher_key]:
                refuse("VoucherKeyUsed", terms.voucher_key)
            books.voucher_keys[terms.voucher_key] = True
        books.servers[task], books.authorities[task] = len(terms.edge_servers), len(terms.authorities)
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

    def refund(self, task: int) -> None:
        shown = self.books.known(task)
        if not self.ended(task):
            refuse("TooEarly", shown.task_until)
        owed = 0
        if self.now <= shown.claim_until:
            # a payout that may still be disputed is kept back, too
            owed = (
                (shown.pending_allocated if shown.pending_round else shown.allocated) - shown.claimed + shown.reserved
            )
        amount = shown.escrow - owed
        if not amount:
            refuse("NothingToPay", task, shown.manufacturer)
        write(self.books.tasks, task, escrow=owed)
        self.emit(Refunded, task=task, manufacturer=shown.manufacturer, amount=amount)
        self.pay(task, shown.manufacturer, amount)


def check_terms(terms: TaskTerms, rules: LedgerRules, tokens: frozenset[Address]) -> None:
    """What the contract demands of a task's terms before it takes any money for it; names the first that is wrong."""

    def listed(holders: Sequence[Address], least: int) -> bool:
        return least <= len(holders) <= MAX_LISTED and all(any(holder) for holder in holders)

    def duration(seconds: int) -> bool:
        return 0 < seconds <= MAX_SECONDS

    # a round opened in the last second of the task must still be paid
    batch_in_time = 2 * terms.training_seconds + terms.objection_seconds <= terms.commit_seconds
    long_enough = terms.claim_seconds >= rules.claim_seconds
    last_round_paid = terms.claim_seconds > terms.commit_seconds + terms.settle_seconds + terms.dispute_seconds
    demands = {
        "spec": any(terms.spec),
        "edgeServers": listed(terms.edge_servers, 1),
        "rounds": 1 <= terms.rounds <= MAX_ROUNDS,
        "minClients": 2 <= terms.min_clients <= terms.max_clients,
        "maxClients": terms.max_clients <= MAX_CLIENTS,
        "maxCohort": terms.min_clients <= terms.max_cohort <= min(terms.max_clients, MAX_COHORT),
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
        "claimSeconds": duration(terms.claim_seconds) and long_enough and last_round_paid,
        "token": terms.token == NATIVE_COIN or terms.token in tokens,
        "participation": terms.participation > 0 or terms.contribution > 0,
        # else a server that leaves a round alone takes what its clients are owed from the manufacturer
        "edgeBond": terms.edge_bond >= terms.max_cohort * terms.participation,
        "initialReputation": terms.initial_reputation <= rules.maximum,
        "minReputation": terms.min_reputation <= rules.maximum,
        "authorities": listed(terms.authorities, 2),
        "reputationSources": listed(terms.reputation_sources, 0),
        "threshold": 2 <= terms.threshold <= len(terms.authorities),
    }
    for term, holds in demands.items():
        if not holds:
            refuse("TermsInvalid", term)
