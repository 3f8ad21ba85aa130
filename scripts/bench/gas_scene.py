"""A task on a metered chain, from its terms to its refund."""

from __future__ import annotations

from collections.abc import Sequence

from client_agent.randomness import SystemRandomness
from protocol.cohort import place_of, sum_of
from protocol.identifiers import Address, Digest
from protocol.incentives.rewards import allocation_root, claim_batch, claim_proof
from protocol.keccak import keccak
from protocol.messages.chain import Publication, TaskTerms
from protocol.messages.rosters import runs_of
from protocol.messages.round import ClientWeight, RoundStatement, SignedRoundStatement
from protocol.messages.settlement import Allocation, Entitlement
from protocol.messages.submission import (
    Commitment,
    CommitmentBatch,
    Enrolment,
    Leave,
    SignedCommitment,
    SignedEnrolment,
    SignedLeave,
)
from protocol.messages.vouchers import MODULUS_BYTES
from protocol.round.commitments import batch_leaf_of, batch_of, batch_root
from protocol.vouchers.blinding import Statement
from protocol.vouchers.signing import VoucherKey
from scripts.bench.gas_bank import Bank, key_of
from storage.ledger.ethereum.ledger import EthereumLedger
from storage.ledger.proofs import two_statements
from storage.ledger.signer import Signer

PARTICIPATION_WEI, CONTRIBUTION_WEI = 4 * 10**14, 6 * 10**14
EDGE_FEE_WEI, AUTHORITY_FEE_WEI = 10**15, 10**14
ENROLMENTS_PER_TRANSACTION = 100
CLAIMS_PER_TRANSACTION = 100
ROSTER_ROUNDS = 10
SECONDS = {
    "enrolment_seconds": 3_600, "commit_seconds": 3_600, "training_seconds": 20, "objection_seconds": 30,
    "settle_seconds": 3_600, "task_seconds": 30 * 86_400, "claim_seconds": 30 * 86_400, "dispute_seconds": 600,
    "takeover_seconds": 600, "roster_seconds": 600,
}  # fmt: skip
AUTHORITIES = tuple(Signer(key_of(f"authority {number}")) for number in (1, 2, 3))


class GasTask:
    """One task in native coin. Every method sends what its name says; digests are random bytes.

    ``deposit``: bond of every authority, and stake of every client. ``cohort``: so many of the clients are drawn for a
    round; all of them without. ``key``: signs the vouchers that they need.
    """

    def __init__(
        self,
        bank: Bank,
        name: str,
        clients: int,
        rounds: int,
        deposit: int = 0,
        cohort: int | None = None,
        key: VoucherKey | None = None,
    ) -> None:
        self.bank, self.edge, self.rounds, self.deposit, self._key = bank, bank.edge, rounds, deposit, key
        self.clients = sorted(
            (Signer(key_of(f"{name} client {n}")) for n in range(clients)), key=lambda one: one.address
        )
        self.planned = self.clients[:cohort]
        self.number = bank.edge.task_count() + 1
        self._rostered = set[int]()
        self.servers = (self.edge.sender, *(authority.address for authority in AUTHORITIES))
        self.earned = dict.fromkeys((*(client.address for client in self.clients), *self.servers), 0)

    def terms(self) -> TaskTerms:
        return TaskTerms(
            spec=_digest("spec"),
            edge_servers=(self.edge.sender, self.bank.substitute.sender),
            authorities=tuple(authority.address for authority in AUTHORITIES),
            threshold=2,
            initial_reputation=2,
            rounds=self.rounds,
            min_clients=2,
            max_clients=len(self.clients),
            **SECONDS,
            min_reputation=0,
            reputation_sources=(),
            token=bytes(20),
            participation=PARTICIPATION_WEI,
            contribution=CONTRIBUTION_WEI,
            edge_fee=EDGE_FEE_WEI,
            authority_fee=AUTHORITY_FEE_WEI,
            edge_bond=len(self.planned) * PARTICIPATION_WEI,
            authority_bond=self.deposit,
            stake=self.deposit,
            max_cohort=len(self.planned),
            roster_rounds=ROSTER_ROUNDS,
            voucher_key=keccak(self._modulus()) if self._key else bytes(32),
        )

    def _modulus(self) -> bytes:
        return b"" if self._key is None else self._key.modulus.to_bytes(MODULUS_BYTES)

    def post(self) -> None:
        fees = EDGE_FEE_WEI + len(AUTHORITIES) * AUTHORITY_FEE_WEI
        each_round = len(self.planned) * (PARTICIPATION_WEI + CONTRIBUTION_WEI) + fees
        self.bank.manufacturer.post_task(self.terms(), self.rounds * each_round)

    def enrol(self, clients: Sequence[Signer] | None = None) -> None:
        waiting = list(self.clients if clients is None else clients)
        for start in range(0, len(waiting), ENROLMENTS_PER_TRANSACTION):
            chosen = waiting[start : start + ENROLMENTS_PER_TRANSACTION]
            stakes = self.deposit * len(chosen)
            until = self.edge.task(self.number).claim_until
            self.edge.enrol([self._enrolment(client, until) for client in chosen], stakes, self._modulus())

    def _enrolment(self, client: Signer, until: int) -> SignedEnrolment:
        own, envelope = client.address, _digest(f"envelope {client.address.hex()}")
        message = Enrolment(self.number, self.terms().spec, own, own, envelope, self.deposit, until, until)
        return SignedEnrolment(message, client.sign(self.edge.domain, message), self._voucher(client))

    def _voucher(self, client: Signer) -> bytes:
        if self._key is None:
            return b""
        said = Statement(self.edge.domain, self._modulus(), self.number, client.address)
        return self._key.sign(said.hash.to_bytes(MODULUS_BYTES), SystemRandomness())

    def place_bond(self) -> None:
        """Of the acting server: all that a task needs whose authorities have none."""
        self.edge.place_bond(self.number, self.edge.sender, self.terms().edge_bond)

    def place_bonds(self) -> None:
        """Of all that the terms name."""
        terms = self.terms()
        for holders, amount in ((terms.edge_servers, terms.edge_bond), (terms.authorities, terms.authority_bond)):
            for holder in holders if amount else ():
                self.edge.place_bond(self.number, holder, amount)

    def return_bonds(self) -> None:
        """The servers have lost theirs."""
        for holder in self.terms().authorities:
            self.edge.return_bond(self.number, holder)

    def return_stakes(self, clients: Sequence[Signer]) -> None:
        for client in clients:
            self.edge.return_stake(self.number, client.address)

    def dispute(self, number: int, server: EthereumLedger) -> None:
        """Two labels in one round, signed by ``server``."""
        said = [RoundStatement(self.number, number, self._label(seen), bytes(32)) for seen in (number, number + 100)]
        key = Signer(key_of("edge" if server is self.edge else "substitute"))
        signed = [SignedRoundStatement(one, key.sign(self.edge.domain, one)) for one in said]
        self.bank.manufacturer.dispute(two_statements(server.sender, *signed))

    def withdraw(self) -> None:
        """What the last dispute brought."""
        reporter = self.bank.manufacturer
        reporter.withdraw(self.number, reporter.sender, reporter.sender)

    def leave(self, client: Signer) -> None:
        message = Leave(self.number, client.address)
        self.edge.leave(SignedLeave(message, client.sign(self.edge.domain, message)))

    def open(self, number: int, server: EthereumLedger | None = None) -> None:
        """By the acting server, or by a substitute that takes over."""
        if number == 1:
            self.bank.pass_to(self.edge.task(self.number).enrol_until)
        if number % ROSTER_ROUNDS == 1:
            self.post_rosters(number // ROSTER_ROUNDS)
        if server is not None:
            before = self.edge.round(self.number, number - 1)
            self.bank.pass_to(before.settle_until + self.terms().roster_seconds + self.terms().takeover_seconds)
        (server or self.edge).open_round(
            self.number, number, _digest(f"plan {number}"), self._label(number), sum_of(self._cohort()).root,
            len(self.planned),
        )  # fmt: skip

    def draw(self, number: int) -> None:
        """The cohort of round ``number``, and the block that draws it."""
        if number == 1:
            self.bank.pass_to(self.edge.task(self.number).enrol_until)
            self.post_rosters()
        self.edge.draw_cohort(self.number)
        self.bank.pass_to(0)

    def _cohort(self) -> list[ClientWeight]:
        return [ClientWeight(client.address, 2) for client in self.planned]

    def post_rosters(self, window: int = 0) -> None:
        """Every authority holds everybody's keys; nobody says it twice."""
        everybody = {client.address for client in self.clients}
        held = runs_of(sorted(everybody), everybody)
        for authority in self.bank.authorities if window not in self._rostered else ():
            authority.post_roster(self.number, window, held, b"")
        self._rostered.add(window)

    def _label(self, number: int) -> Digest:
        return _digest(f"label {self.number} {number}")

    def _commitment(self, number: int, client: Signer) -> SignedCommitment:
        nonce, ciphertext = _digest("nonce")[:16], _digest("ciphertext")
        message = Commitment(self.number, number, client.address, self._label(number), nonce, ciphertext)
        return SignedCommitment(message, client.sign(self.edge.domain, message))

    def commit_directly(self, number: int, client: Signer) -> None:
        self.edge.commit_direct(self._commitment(number, client), place_of(self._cohort(), client.address))

    def commit_batch(self, number: int, count: int | None = None) -> None:
        self._commit_root(number, _digest(f"root {number}"), len(self.planned) if count is None else count)

    def commit_leaves(self, number: int) -> None:
        """Everybody's commitment; later on each can be shown to be in the batch."""
        self._commit_root(number, batch_root(self._batch(number)), len(self.planned))

    def _batch(self, number: int) -> CommitmentBatch:
        return batch_of(self._commitment(number, client) for client in self.planned)

    def _commit_root(self, number: int, root: Digest, count: int) -> None:
        opened = self.edge.round(self.number, number).commit_until - self.terms().commit_seconds
        self.bank.pass_to(opened + 2 * self.terms().training_seconds)
        self.edge.commit_batch(self.number, number, root, _digest(f"batch {number}"), count)

    def compensate(self, number: int, client: Signer) -> None:
        place, leaf = place_of(self._cohort(), client.address), batch_leaf_of(self._batch(number), client.address)
        self.edge.compensate(self.number, number, client.address, place, leaf)

    def screen(self, number: int) -> None:
        """By the last block, of a round without a batch."""
        self.bank.pass_to(self.edge.round(self.number, number).commit_until)
        self.edge.request_screening(self.number, number, self.edge.block_number(), 0, _digest(f"screening {number}"))

    def request(self, number: int) -> None:
        self.bank.pass_to(self.edge.round(self.number, number).object_until)
        self.edge.request_key(self.number, number, _digest(f"request {number}"))

    def publish(self, number: int) -> None:
        """Everybody was accepted, and every authority answered."""
        self.pass_dispute()
        for server in self.servers:
            self.earned[server] += EDGE_FEE_WEI if server == self.edge.sender else AUTHORITY_FEE_WEI
        root, allocated = self._reward(number, PARTICIPATION_WEI + CONTRIBUTION_WEI)
        digests = _digest(f"model {number}"), _digest(f"record {number}")
        self.edge.publish_round(self.number, number, Publication(*digests, root, allocated, 900, 1_000))

    def abandon(self, number: int) -> None:
        """Everybody took part all the same."""
        self.bank.pass_to(self.edge.round(self.number, number).commit_until)
        self.pass_dispute()
        self.edge.abandon_round(
            self.number, number, _digest(f"record {number}"), *self._reward(number, PARTICIPATION_WEI)
        )

    def expire(self, number: int) -> None:
        self.bank.pass_to(self.edge.round(self.number, number).settle_until)
        self.edge.expire_round(self.number, number)

    def round(self, number: int) -> None:
        """The usual one: no direct commitment, published."""
        self.open(number)
        self.commit_batch(number)
        self.request(number)
        self.publish(number)

    def pass_dispute(self) -> None:
        """What was settled last is payable."""
        self.bank.pass_to(self.edge.task(self.number).payable_from)

    def claim_together(self, clients: Sequence[Signer]) -> None:
        self._claim_leaves([client.address for client in clients])

    def claim_all(self) -> None:
        """The servers' fees, too."""
        self._claim_leaves(list(self.earned))

    def _claim_leaves(self, earners: Sequence[Address]) -> None:
        for start in range(0, len(earners), CLAIMS_PER_TRANSACTION):
            chosen = set(earners[start : start + CLAIMS_PER_TRANSACTION])
            self.edge.claim_many(self.number, claim_batch(self._allocation(self.rounds), chosen))

    def claim(self, client: Signer) -> None:
        self.edge.claim(self.number, claim_proof(self._allocation(self.rounds), client.address))

    def end(self) -> None:
        """No claim is possible any more."""
        self.bank.pass_to(self.edge.task(self.number).claim_until)

    def refund(self) -> None:
        self.bank.manufacturer.refund(self.number)

    def _reward(self, number: int, amount_wei: int) -> tuple[Digest, int]:
        for client in self.planned:
            self.earned[client.address] += amount_wei
        return allocation_root(self._allocation(number)), sum(self.earned.values())

    def _allocation(self, number: int) -> Allocation:
        leaves = (Entitlement(who, self.earned[who], 0 if who in self.servers else 3) for who in sorted(self.earned))
        return Allocation(self.number, number, tuple(leaves))


def _digest(name: str) -> Digest:
    return key_of(f"digest of {name}")
