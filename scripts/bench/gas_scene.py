"""A task on a local chain whose every transaction is metered by the contract function that it calls."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from protocol.cohort import place_of, sum_of
from protocol.domain import Domain
from protocol.identifiers import Address, Digest
from protocol.incentives.rewards import allocation_root, claim_batch, claim_proof
from protocol.messages.chain import Publication, TaskTerms
from protocol.messages.rosters import bits_of
from protocol.messages.round import ClientWeight, RoundStatement, SignedRoundStatement
from protocol.messages.settlement import Allocation, Entitlement
from protocol.messages.submission import Commitment, Enrolment, Leave, SignedCommitment, SignedEnrolment, SignedLeave
from scripts.chain.testnet import chain_id_of
from storage.ledger.ethereum import abi
from storage.ledger.ethereum.ledger import EthereumLedger, deploy
from storage.ledger.ethereum.rpc import JsonRpcProvider
from storage.ledger.interface import PreparedTransaction, TransactionReceipt
from storage.ledger.proofs import two_statements
from storage.ledger.signer import Signer

REWARD_WEI = 10**15
FUNDS_WEI = 10**20
ENROLMENTS_PER_TRANSACTION = 100
CLAIMS_PER_TRANSACTION = 100


def _key(name: str) -> bytes:
    return hashlib.sha256(f"hearth bench gas: {name}".encode()).digest()


ROSTER_ROUNDS = 10
AUTHORITIES = tuple(Signer(_key(f"authority {number}")) for number in (1, 2, 3))


class MeteredLedger(EthereumLedger):
    """Notes name and gas of every call of the contract, whichever method of the port made it."""

    def __init__(self, rpc_url: str, domain: Domain, signer: Signer, meter: list[tuple[str, int]]) -> None:
        super().__init__(rpc_url, domain, signer, timeout_seconds=60)
        self._meter = meter
        self._names = {entry.hash[:4]: entry.name for entry in abi.functions().values()}

    def send_prepared(self, prepared: PreparedTransaction) -> TransactionReceipt:
        receipt = super().send_prepared(prepared)
        self._meter.append((self._names[prepared.data[:4]], receipt.gas_used))
        return receipt


class Bank:
    """One deployment, its parties, and a clock that can be moved. ``meter``: what was measured since the last look."""

    def __init__(self, rpc_url: str, faucet: Signer) -> None:
        self.rpc_url = rpc_url
        self.meter: list[tuple[str, int]] = []
        chain_id = chain_id_of(rpc_url)
        ledger, created = deploy(rpc_url, chain_id, faucet)
        self.domain = Domain(chain_id, ledger)
        self.deployment_gas = created.gas_used
        self._funder = EthereumLedger(rpc_url, self.domain, faucet)
        self.edge, self.substitute, self.manufacturer = map(self._party, ("edge", "substitute", "manufacturer"))
        self.authorities = [self._party(f"authority {number}") for number in (1, 2, 3)]

    def _party(self, name: str) -> MeteredLedger:
        signer = Signer(_key(name))
        self._funder.transfer(signer.address, FUNDS_WEI)
        return MeteredLedger(self.rpc_url, self.domain, signer, self.meter)

    def give(self, address: Address, amount_wei: int) -> None:
        """Plain money: the account exists afterwards."""
        self._funder.transfer(address, amount_wei)

    def pass_to(self, instant: int) -> None:
        """The next block is later than ``instant``."""
        node = JsonRpcProvider(self.rpc_url)
        wait = max(0, instant - self.edge.block_timestamp(self.edge.block_number())) + 1
        node.make_request("evm_increaseTime", [wait])
        node.make_request("evm_mine", [])
        node.close()

    def client_version(self) -> str:
        node = JsonRpcProvider(self.rpc_url)
        version = str(node.make_request("web3_clientVersion", [])["result"])
        node.close()
        return version

    def taken(self) -> list[tuple[str, int]]:
        """What was measured since the last call."""
        taken, self.meter[:] = list(self.meter), []
        return taken

    def close(self) -> None:
        for ledger in (self._funder, self.edge, self.substitute, self.manufacturer, *self.authorities):
            ledger.close()


class GasTask:
    """One task in native coin. Every method sends what its name says; digests are random bytes.

    ``deposit``: bond of every edge server and authority, and stake of every client.
    """

    def __init__(self, bank: Bank, name: str, clients: int, rounds: int, deposit: int = 0) -> None:
        self.bank, self.edge, self.rounds, self.deposit = bank, bank.edge, rounds, deposit
        self.clients = sorted((Signer(_key(f"{name} client {n}")) for n in range(clients)), key=lambda one: one.address)
        self.number = bank.edge.task_count() + 1
        self._rostered = set[int]()
        self.earned = dict.fromkeys((client.address for client in self.clients), 0)

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
            enrolment_seconds=3_600,
            commit_seconds=3_600,
            training_seconds=20,
            objection_seconds=30,
            settle_seconds=3_600,
            task_seconds=30 * 86_400,
            claim_seconds=30 * 86_400,
            dispute_seconds=600,
            takeover_seconds=600,
            min_reputation=0,
            reputation_sources=(),
            token=bytes(20),
            update_reward=REWARD_WEI,
            edge_bond=self.deposit,
            authority_bond=self.deposit,
            stake=self.deposit,
            roster_rounds=ROSTER_ROUNDS,
            roster_seconds=600,
        )

    def post(self) -> None:
        self.bank.manufacturer.post_task(self.terms(), self.rounds * len(self.clients) * REWARD_WEI)

    def enrol(self, clients: Sequence[Signer] | None = None) -> None:
        waiting = list(self.clients if clients is None else clients)
        for start in range(0, len(waiting), ENROLMENTS_PER_TRANSACTION):
            chosen = waiting[start : start + ENROLMENTS_PER_TRANSACTION]
            stakes = self.deposit * len(chosen)
            self.edge.enrol([self._enrolment(client) for client in chosen], stakes)

    def _enrolment(self, client: Signer) -> SignedEnrolment:
        message = Enrolment(self.number, client.address, _digest(f"envelope {client.address.hex()}"))
        return SignedEnrolment(message, client.sign(self.edge.domain, message))

    def place_bonds(self) -> None:
        """Of all that the terms name."""
        for holder in (*self.terms().edge_servers, *self.terms().authorities):
            self.edge.place_bond(self.number, holder, self.deposit)

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
        key = Signer(_key("edge" if server is self.edge else "substitute"))
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
            len(self.clients),
        )  # fmt: skip

    def _cohort(self) -> list[ClientWeight]:
        return [ClientWeight(client, 2) for client in sorted(one.address for one in self.clients)]

    def post_rosters(self, window: int = 0) -> None:
        """Every authority holds everybody's keys; nobody says it twice."""
        everybody = {client.address for client in self.clients}
        held = bits_of(sorted(everybody), everybody)
        for authority in self.bank.authorities if window not in self._rostered else ():
            authority.post_roster(self.number, window, held, bytes(len(held)))
        self._rostered.add(window)

    def _label(self, number: int) -> Digest:
        return _digest(f"label {self.number} {number}")

    def commit_directly(self, number: int, client: Signer) -> None:
        nonce, ciphertext = _digest("nonce")[:16], _digest("ciphertext")
        message = Commitment(self.number, number, client.address, self._label(number), nonce, ciphertext)
        place = place_of(self._cohort(), client.address)
        self.edge.commit_direct(SignedCommitment(message, client.sign(self.edge.domain, message)), place)

    def commit_batch(self, number: int, count: int | None = None) -> None:
        root, batch = _digest(f"root {number}"), _digest(f"batch {number}")
        opened = self.edge.round(self.number, number).commit_until - self.terms().commit_seconds
        self.bank.pass_to(opened + 2 * self.terms().training_seconds)
        self.edge.commit_batch(self.number, number, root, batch, len(self.clients) if count is None else count)

    def request(self, number: int) -> None:
        self.bank.pass_to(self.edge.round(self.number, number).object_until)
        self.edge.request_key(self.number, number, _digest(f"request {number}"))

    def publish(self, number: int) -> None:
        """Everybody was accepted."""
        self.pass_dispute()
        root, allocated = self._reward(number)
        digests = _digest(f"model {number}"), _digest(f"record {number}")
        self.edge.publish_round(self.number, number, Publication(*digests, root, allocated, 900, 1_000))

    def abandon(self, number: int) -> None:
        """Everybody is paid all the same."""
        self.bank.pass_to(self.edge.round(self.number, number).commit_until)
        self.pass_dispute()
        self.edge.abandon_round(self.number, number, _digest(f"record {number}"), *self._reward(number))

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
        for start in range(0, len(clients), CLAIMS_PER_TRANSACTION):
            chosen = {client.address for client in clients[start : start + CLAIMS_PER_TRANSACTION]}
            self.edge.claim_many(self.number, claim_batch(self._allocation(self.rounds), chosen))

    def claim(self, client: Signer) -> None:
        self.edge.claim(self.number, claim_proof(self._allocation(self.rounds), client.address))

    def end(self) -> None:
        """No claim is possible any more."""
        self.bank.pass_to(self.edge.task(self.number).claim_until)

    def refund(self) -> None:
        self.bank.manufacturer.refund(self.number)

    def _reward(self, number: int) -> tuple[Digest, int]:
        for client in self.earned:
            self.earned[client] += REWARD_WEI
        return allocation_root(self._allocation(number)), sum(self.earned.values())

    def _allocation(self, number: int) -> Allocation:
        return Allocation(self.number, number, tuple(Entitlement(*pair, 3) for pair in sorted(self.earned.items())))


def _digest(name: str) -> Digest:
    return _key(f"digest of {name}")
