"""One task on a ledger and its way through rounds, step by step; every step is also the good case of its test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, replace
from typing import Any, Final

from protocol.cohort import place_of, sum_of
from protocol.identifiers import NATIVE_COIN, Address, Digest
from protocol.incentives.rewards import allocation_root, claim_batch, claim_proof
from protocol.messages.chain import Publication, TaskTerms
from protocol.messages.round import ClientWeight
from protocol.messages.settlement import Allocation, Entitlement
from protocol.messages.submission import Commitment, Enrolment, Leave
from protocol.signing import address_of
from storage.ledger.signer import Signer
from tests.contracts.ledger import Ledger, Outcome, Refusal
from tests.samples import cohort_of, private_key

PLAN, REQUEST, ROOT, BATCH = b"\x11" * 32, b"\x13" * 32, b"\x21" * 32, b"\x22" * 32
MODEL, RECORD, ENVELOPE = b"\x31" * 32, b"\x32" * 32, b"\x51" * 32
NONCE, CIPHERTEXT = b"\x41" * 16, b"\x42" * 32
REWARD: Final = 1_000
ZERO: Final = bytes(32)
FOREVER: Final = 2**48 - 1


def label_of(number: int) -> Digest:
    return b"\x12" * 31 + bytes([number])


def terms_of(edge: Signer) -> TaskTerms:
    return TaskTerms(
        spec=b"\x01" * 32,
        edge_servers=(edge.address,),
        authorities=tuple(address_of(private_key("authority", number)) for number in (1, 2, 3)),
        threshold=2,
        initial_reputation=2,
        rounds=3,
        min_clients=2,
        max_clients=4,
        enrolment_seconds=600,
        commit_seconds=300,
        training_seconds=20,
        objection_seconds=30,
        settle_seconds=200,
        task_seconds=10_000,
        claim_seconds=5_000,
        dispute_seconds=0,
        takeover_seconds=100,
        min_reputation=0,
        reputation_sources=(),
        token=NATIVE_COIN,
        participation=0,
        contribution=REWARD,
        edge_fee=0,
        authority_fee=0,
        edge_bond=0,
        authority_bond=0,
        stake=0,
        max_cohort=4,
        roster_rounds=100,
        roster_seconds=50,
    )


def escrow_of(terms: TaskTerms) -> int:
    fees = terms.edge_fee + len(terms.authorities) * terms.authority_fee
    return terms.rounds * (terms.max_cohort * (terms.participation + terms.contribution) + fees)


class Scene:
    """``task`` is the number that the first ``post`` gets. Every task has three clients of its own."""

    def __init__(self, ledger: Ledger, task: int = 1) -> None:
        self.ledger, self.task = ledger, task
        self.terms = terms_of(ledger.edge)
        self.clients = ledger.clients[3 * task - 3 : 3 * task]
        self.outsider = ledger.clients[-1]
        self.earned = dict.fromkeys((client.address for client in self.clients), 0)

    def by(self, sender: Signer, name: str, *arguments: object, value: int = 0) -> Outcome:
        return self.ledger.send(sender, name, *arguments, value=value)

    def by_edge(self, name: str, *arguments: object) -> Outcome:
        return self.ledger.send(self.ledger.edge, name, self.task, *arguments)

    def edge_refusal(self, name: str, *arguments: object) -> Refusal:
        return self.ledger.refusal(self.ledger.edge, name, self.task, *arguments)

    @property
    def reward_each(self) -> int:
        """The most that one update earns."""
        return self.terms.participation + self.terms.contribution

    def escrow(self) -> int:
        return escrow_of(self.terms)

    def post(self, **changes: Any) -> Outcome:
        """Nobody is drawn, unless ``max_cohort`` says so."""
        if "max_clients" in changes:
            changes = {"max_cohort": changes["max_clients"], **changes}
        self.terms = replace(self.terms, **changes)
        value = 0 if any(self.terms.token) else self.escrow()
        return self.by(self.ledger.manufacturer, "postTask", astuple(self.terms), value=value)

    def name_token(self, token: Address) -> None:
        self.terms = replace(self.terms, token=token)

    def enrolment(self, client: Signer, **changes: Any) -> tuple[tuple[object, ...], bytes]:
        """Of ``self.terms``, by its own key, for good."""
        address, until = client.address, self.ledger.task_view(self.task).claim_until
        message = Enrolment(self.task, self.terms.spec, address, address, ENVELOPE, self.terms.stake, until, FOREVER)
        message = replace(message, **changes)
        return astuple(message), client.sign(self.ledger.domain, message)

    def enrol(self, *clients: Signer) -> Outcome:
        return self.by(self.ledger.stranger, "enrol", *self.enrol_call(*clients))

    def enrol_call(self, *clients: Signer) -> tuple[object, ...]:
        messages, signatures = zip(*(self.enrolment(client) for client in clients), strict=True)
        return messages, signatures

    def leave_call(self, client: Signer) -> tuple[object, ...]:
        return self.task, client.address, client.sign(self.ledger.domain, Leave(self.task, client.address))

    def open(self, number: int = 1, cohort: int = 3) -> Outcome:
        self.pass_rosters()
        root = sum_of(self.cohort(cohort)).root
        return self.by_edge("openRound", number, PLAN, label_of(number), root, cohort)

    def cohort(self, count: int = 3) -> tuple[ClientWeight, ...]:
        """The first ``count`` clients: whom :meth:`open` plans."""
        return cohort_of(client.address for client in self.clients[:count])

    def commitment(self, client: Signer, **changes: Any) -> tuple[tuple[object, ...], bytes]:
        message = Commitment(self.task, 1, client.address, label_of(changes.get("round", 1)), NONCE, CIPHERTEXT)
        message = replace(message, **changes)
        return astuple(message), client.sign(self.ledger.domain, message)

    def pass_training(self, number: int = 1) -> None:
        """The next block is the first that takes a batch."""
        opened = self.ledger.round_view(self.task, number).commit_until - self.terms.commit_seconds
        self.ledger.pass_to(max(opened + 2 * self.terms.training_seconds, self.ledger.now))

    def direct(self, client: Signer, **changes: Any) -> tuple[tuple[object, ...], bytes, tuple[object, ...]]:
        """The arguments of its commitDirect, as one of all clients."""
        return *self.commitment(client, **changes), self.place(client)

    def place(self, client: Signer) -> tuple[object, ...]:
        return astuple(place_of(self.cohort(len(self.clients)), client.address))

    def commit_batch(self, number: int = 1, count: int = 3) -> Outcome:
        self.pass_training(number)
        return self.by_edge("commitBatch", number, ROOT, BATCH, count)

    def request(self, number: int = 1, count: int = 3) -> Outcome:
        """All ``count`` of the cohort committed, nobody objected, key requested."""
        self.commit_batch(number, count)
        self.pass_after(self.ledger.round_view(self.task, number).object_until)
        return self.by_edge("requestKey", number, REQUEST)

    def reward(self, *clients: Signer) -> tuple[Digest, int]:
        """Adds one reward for each to what they earned: root and cumulative amount of the new allocation."""
        for client in clients:
            self.earned[client.address] += self.reward_each
        return allocation_root(self.allocation()), sum(self.earned.values())

    def allocation(self) -> Allocation:
        entries = (Entitlement(client, amount, 3) for client, amount in sorted(self.earned.items()))
        return Allocation(self.task, 1, tuple(entries))

    def publish(self, number: int = 1, paid: Sequence[Signer] | None = None) -> Outcome:
        root, allocated = self.reward(*(self.clients if paid is None else paid))
        return self.by_edge("publishRound", number, publication(root, allocated))

    def abandon(self, number: int = 1, paid: Sequence[Signer] = ()) -> Outcome:
        return self.by_edge("abandonRound", number, RECORD, *self.reward(*paid))

    def claim_call(self, client: Signer) -> tuple[object, ...]:
        proven = claim_proof(self.allocation(), client.address)
        return self.task, (proven.index, *astuple(proven.entitlement)), proven.proof

    def claim(self, client: Signer) -> Outcome:
        return self.by(self.ledger.stranger, "claim", *self.claim_call(client))

    def claim_many_call(self, *clients: Signer) -> tuple[object, ...]:
        batch = claim_batch(self.allocation(), {client.address for client in clients})
        return self.task, [(index, *astuple(entry)) for index, entry in batch.leaves], batch.proof, batch.flags

    def claim_many(self, *clients: Signer) -> Outcome:
        return self.by(self.ledger.stranger, "claimMany", *self.claim_many_call(*clients))

    def pass_rosters(self) -> None:
        """The next block is the first in which the next round waits for no roster any more."""
        shown = self.ledger.task_view(self.task)
        since = self.ledger.round_view(self.task, shown.last_round).settle_until if shown.last_round else 0
        waits = shown.last_round % self.terms.roster_rounds == 0
        self.pass_after((since or shown.enrol_until) + self.terms.roster_seconds if waits else shown.enrol_until)

    def pass_window(self) -> None:
        """The next block is the first in which the last settled round can be claimed."""
        self.ledger.pass_to(max(self.ledger.task_view(self.task).payable_from, self.ledger.now))

    def pass_after(self, instant: int) -> None:
        """The next block is the first one too late for ``instant``, unless that is long past."""
        self.ledger.pass_to(max(instant + 1, self.ledger.now))

    # Scenes that tests start from.

    def enrolled(self) -> Scene:
        self.post()
        self.enrol(*self.clients)
        return self

    def opened(self) -> Scene:
        self.enrolled().open()
        return self

    def requested(self) -> Scene:
        self.opened().request()
        return self

    def published(self) -> Scene:
        self.requested().publish()
        return self


def publication(root: Digest, allocated: int, model: Digest = MODEL, record: Digest = RECORD) -> tuple[object, ...]:
    return astuple(Publication(model, record, root, allocated, 8, 10))
