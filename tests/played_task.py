"""A whole task played in this process: real chain, real contract, real encryption, and parties that may misbehave."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import astuple, dataclass, field, replace
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from protocol.canonical import encode
from protocol.commitments import batch_of, batch_root, committed_set
from protocol.encryption.aggregate import Opened
from protocol.encryption.committee import authority_share, draw_master_keys
from protocol.encryption.envelope import seal_envelope
from protocol.encryption.suite import suite
from protocol.identifiers import ZERO_DIGEST, Address, Digest, sha256
from protocol.incentives.rewards import allocation_root, claim_proof, first_allocation, settle, total_wei
from protocol.messages.chain import Publication
from protocol.messages.keys import KeyRequest, PartialKeyStatement, SignedPartialKey
from protocol.messages.round import RoundPlan
from protocol.messages.settlement import ABANDONED, PUBLISHED, RoundRecord
from protocol.messages.submission import Commitment, Enrolment, Leave, SignedCommitment, SignedEnrolment, SignedLeave
from protocol.model.evaluation import count_correct
from protocol.model.initialization import initial_parameters
from protocol.model.layout import Layout
from protocol.model.step import apply_step
from protocol.planning import (
    History,
    choose_index_set,
    key_request,
    plan_round,
    published_history,
    terms_of,
    unpublished_history,
)
from protocol.privacy.renyi import epsilon_micro
from protocol.randomness import SeededRandomness
from protocol.reference_round import Household
from protocol.screening.verdict import Absent, decide
from protocol.signing import address_of, sign
from protocol.sparse.codec import encode_index_set, encode_sums
from protocol.sparse.difference import restrict
from storage.content.cid import CHUNK_BYTES, cid_of
from storage.content.memory import MemoryStore
from storage.ledger.calls import encode_proof
from storage.ledger.ethereum import EthereumLedger, EthereumReader
from storage.ledger.signer import Signer
from tests.samples import private_key
from tests.tiny_task import CLIENTS, EXAMPLES, TinyTrainer, audited_chain, authority_key, tiny_spec, tiny_test_set

ANSWERING = (1, 3)  # two of three authorities suffice
EXPIRED = "expired"
OPEN, SETTLED = "open", "settled"
T = TypeVar("T")


@dataclass(frozen=True)
class Conduct:
    """What is special about one round, clients by number; otherwise everyone delivers and the round is published.

    ``lies`` maps the name of something the edge server says to what it says instead.
    """

    leaving: tuple[int, ...] = ()  # before the round opens
    direct: tuple[int, ...] = ()  # commit by themselves, not in the batch
    twice: tuple[int, ...] = ()  # commit by themselves although they are in the batch
    silent: tuple[int, ...] = ()
    unavailable: tuple[int, ...] = ()
    corrupt: tuple[int, ...] = ()
    malformed: tuple[int, ...] = ()
    batched: bool = True
    requested: bool = True  # a key, before the round is abandoned or expires
    end: str = PUBLISHED
    frozen: str = ""  # an authority signs two keys, proven in the OPEN round or once it is SETTLED
    lies: Mapping[str, Callable[[Any], Any]] = field(default_factory=dict)


class Player:
    """Manufacturer, edge server, authorities and clients of one task, one after the other."""

    def __init__(self, ledger: Address, rounds: int, lies: Mapping[str, Callable[[Any], Any]] | None = None) -> None:
        self.chain = audited_chain()
        self.store, self.lies = MemoryStore(), dict(lies or {})
        self.edge = EthereumLedger(self.chain.rpc_url, ledger, Signer(private_key("edge")))
        self.manufacturer = EthereumLedger(self.chain.rpc_url, ledger, Signer(private_key("manufacturer")))
        self.reader = EthereumReader(self.chain.rpc_url, ledger)
        self.domain = self.reader.domain
        self.spec = tiny_spec(self.store, rounds)
        self.scheme = suite(self.spec.suite)
        self.encoding = self.scheme.encoding_for(self.spec.learning.bits, self.spec.learning.fields)
        self.put(encode(self.spec))
        self.manufacturer.post_task(terms_of(self.spec), self.spec.budget_wei())
        self.task = self.reader.task_count()
        self.left: set[Address] = set()
        self.enrol()

    def put(self, data: bytes, chunk_bytes: int | None = None) -> Digest:
        return self.store.put(data, chunk_bytes or CHUNK_BYTES).digest

    def said(self, name: str, value: T) -> T:
        """What the edge server says where ``value`` is true."""
        said: T = self.lies.get(name, lambda honest: honest)(value)
        return said

    def enrol(self) -> None:
        committee, m, t = self.spec.committee, len(self.spec.committee.members), self.spec.committee.threshold
        members = [(member.address, member.encryption_key) for member in committee.members]
        self.households, signed = [], []
        dimension = Layout.of(self.spec.model).dimension
        for number in range(CLIENTS):
            randomness = SeededRandomness(b"household %d" % number)
            keys = draw_master_keys(randomness, m, t, f"task/{self.task}/enrolment")
            household = Household(
                private_key("client", number), keys, TinyTrainer(), randomness, np.zeros(dimension, dtype=np.float64)
            )
            envelope = seal_envelope(
                keys, self.domain.prefix(), self.task, household.address, members, m, t, randomness
            )
            enrolment = Enrolment(self.task, household.address, self.put(encode(envelope)))
            signed.append(SignedEnrolment(enrolment, sign(self.domain, enrolment, household.private_key)))
            self.households.append(household)
        self.edge.enrol(signed)
        self.parameters = initial_parameters(self.spec.model)
        reputations = {h.address: self.reader.enrolment(self.task, h.address).reputation for h in self.households}
        self.allocation = first_allocation(self.task, reputations)
        self.history = History(tuple(sorted(reputations)), self.spec.initial_model)

    def play(self, number: int, conduct: Conduct) -> None:
        """One round, from its plan to its end on chain."""
        self.lies = dict(conduct.lies)
        for client in conduct.leaving:
            leave = Leave(self.task, self.households[client].address)
            self.edge.leave(SignedLeave(leave, sign(self.domain, leave, self.households[client].private_key)))
            self.left.add(leave.client)
        standings = {e.client: e.reputation for e in self.allocation.entitlements if e.client not in self.left}
        indices = self.said("indices", choose_index_set(self.spec, number, self.history))
        index_digest = self.put(encode_index_set(indices))
        plan = plan_round(
            self.spec, self.domain, self.task, number, standings, self.history, index_digest, len(indices)
        )
        plan = self.said("plan", plan)
        self.edge.open_round(self.task, number, self.put(encode(plan)), plan.label(), len(plan.weights))
        if conduct.frozen == OPEN:
            self.freeze(number, plan)
            self.history = unpublished_history(self.history, plan)
            return
        committed, bodies = self._commit_phase(number, conduct, plan, indices)
        if conduct.end == EXPIRED:
            if conduct.requested:
                self.edge.request_key(self.task, number, sha256(b"a request that nobody answers"))
            self.chain.pass_time(plan.commit_seconds + plan.settle_seconds + 1)
            self.edge.expire_round(self.task, number)
            self.history = unpublished_history(self.history, plan)
            return
        verdict = self.said("verdict", decide(plan, committed, bodies, self.encoding.body_bytes(plan.dimension)))
        request = None
        if conduct.requested:
            request = self.said("request", key_request(plan, committed, verdict.accepted))
            self.edge.request_key(self.task, number, request.digest())
        before = self.allocation
        self.allocation = self.said("allocation", settle(self.spec, self.allocation, number, verdict))
        allocation = self.put(encode(self.allocation))
        root, allocated = allocation_root(self.allocation), total_wei(self.allocation)
        charge = epsilon_micro(plan.learning, number, self.spec.privacy.delta_exponent)
        record = RoundRecord(
            plan.label(), ABANDONED, verdict, request.digest() if request else ZERO_DIGEST, (), ZERO_DIGEST,
            ZERO_DIGEST, 0, ZERO_DIGEST, 0, 0, charge, allocation,
        )  # fmt: skip
        self.pass_dispute_window()
        if conduct.end == ABANDONED:
            digest = self.put(encode(self.said("record", record)))
            self.edge.abandon_round(self.task, number, digest, root, allocated)
            self.history = unpublished_history(self.history, plan)
            return
        assert request is not None
        signed, key, opened = self._open(plan, request, bodies)
        stepped = apply_step(
            self.parameters, indices, opened.sums, sum(entry.weight for entry in request.entries), plan.learning
        )
        self.parameters = self.said("parameters", stepped)
        model = self.put(Layout.of(self.spec.model).to_safetensors(self.parameters))
        correct, examples = self.count()
        record = replace(
            record, outcome=PUBLISHED, keys=signed, functional_key=sha256(key), max_residual=opened.max_residual,
            aggregate=self.put(encode_sums(opened.sums)), model=model, correct=correct, examples=examples,
        )  # fmt: skip
        record = self.said("record", record)
        publication = Publication(model, self.put(encode(record)), root, allocated, record.correct, record.examples)
        self.edge.publish_round(self.task, number, self.said("publication", publication))
        self.history = published_history(self.history, plan, request, indices, opened.sums, model)
        if conduct.frozen == SETTLED:
            self.freeze(number, plan)
            self.allocation = before

    def freeze(self, number: int, plan: RoundPlan) -> None:
        """An authority's two keys under one label, shown by the manufacturer: the servers can go on."""
        one = PartialKeyStatement(
            self.task, number, plan.label(), sha256(b"one"), address_of(authority_key(number // 2)), 0, sha256(b"")
        )
        other = replace(one, request=sha256(b"other"))
        signed = [(astuple(said), sign(self.domain, said, authority_key(number // 2))) for said in (one, other)]
        self.manufacturer.dispute(encode_proof("twoKeys", *signed[0], *signed[1]))

    def count(self) -> tuple[int, int]:
        """Right answers of the present model on the public test set, of how many."""
        return count_correct(self.spec.model, self.parameters, *tiny_test_set()), EXAMPLES

    def pass_dispute_window(self) -> None:
        """From then on the last settled round can be claimed, and another one settled."""
        wait = self.reader.task(self.task).payable_from - self.reader.block_timestamp(self.reader.block_number())
        if wait > 0:
            self.chain.pass_time(wait + 10)

    def claim(self, *clients: int) -> None:
        """Their claims under the standing allocation, sent by the edge server."""
        self.pass_dispute_window()
        for client in clients:
            address = self.households[client].address
            self.edge.claim(self.task, *claim_proof(self.allocation, address))

    def refund(self) -> None:
        self.manufacturer.refund(self.task)

    def pass_claim_deadline(self) -> None:
        durations = self.spec.durations
        self.chain.pass_time(durations.task_seconds + durations.claim_seconds + 1)

    def _commit_phase(
        self, number: int, conduct: Conduct, plan: RoundPlan, indices: npt.NDArray[np.uint32]
    ) -> tuple[dict[Address, SignedCommitment], dict[Address, bytes | Absent]]:
        batched, direct, bodies = [], [], {}
        for client, household in enumerate(self.households):
            if client in conduct.silent or plan.weight_of(household.address) is None:
                continue
            signed, found = self._deliver(number, conduct, plan, indices, client)
            bodies[household.address] = found
            if client in (*conduct.direct, *conduct.twice):
                direct.append(signed)
            if client not in conduct.direct:
                batched.append(signed)
        batch = self.said("batch", batch_of(batched if conduct.batched else ()))
        if batch.commitments:
            root = self.said("root", batch_root(batch))
            self.edge.commit_batch(self.task, number, root, self.put(encode(batch)), len(batch.commitments))
        for signed in direct:
            self.edge.commit_direct(signed)
        if len(batch.commitments) + len(direct) < len(plan.weights):
            self.chain.pass_time(plan.commit_seconds + 1)
        return committed_set(batch, direct), bodies

    def _deliver(
        self, number: int, conduct: Conduct, plan: RoundPlan, indices: npt.NDArray[np.uint32], client: int
    ) -> tuple[SignedCommitment, bytes | Absent]:
        """One client's signed commitment, and what the store then has of its ciphertext."""
        household, purpose = self.households[client], plan.label().hex()
        randomness = household.randomness
        delta = household.trainer.delta(self.parameters, plan.learning, randomness, purpose)
        values, household.residual = restrict(delta, household.residual, indices, plan.learning, randomness, purpose)
        nonce = randomness.draw(f"{purpose}/nonce", 16)
        noise_key = randomness.draw(f"{purpose}/encryption-noise", 32)
        body = self.scheme.encrypt(household.master_keys, plan.label(), nonce, values, self.encoding, noise_key)
        if client in conduct.malformed:
            body = body[:-8]
        found: bytes | Absent = body
        cid = cid_of(body, self.scheme.block_bytes)
        if client in conduct.unavailable:
            found = Absent.UNAVAILABLE
        elif client in conduct.corrupt:
            found = Absent.CORRUPT
            self.store.objects[cid.text] = body[:-1] + bytes([body[-1] ^ 1])
        else:
            self.put(body, self.scheme.block_bytes)
        commitment = Commitment(self.task, number, household.address, plan.label(), nonce, cid.digest)
        return SignedCommitment(commitment, sign(self.domain, commitment, household.private_key)), found

    def _open(
        self, plan: RoundPlan, request: KeyRequest, bodies: Mapping[Address, bytes | Absent]
    ) -> tuple[tuple[SignedPartialKey, ...], bytes, Opened]:
        m, t = len(self.spec.committee.members), self.spec.committee.threshold
        keys = {household.address: household.master_keys for household in self.households}
        partials, signed = {}, []
        for j in ANSWERING:
            entries = [(authority_share(keys[e.client], j), e.nonce, e.weight) for e in request.entries]
            partials[j] = self.scheme.partial_key(j, m, t, plan.label(), entries)
            statement = PartialKeyStatement(
                self.task, plan.round, plan.label(), request.digest(), self.spec.committee.members[j - 1].address,
                plan.key_epoch, self.put(partials[j]),
            )  # fmt: skip
            signed.append(SignedPartialKey(statement, sign(self.domain, statement, authority_key(j))))
        key = self.scheme.combine(partials, m, t)
        aggregator = self.scheme.aggregator(self.encoding, plan.dimension)
        for entry in request.entries:
            body = bodies[entry.client]
            assert isinstance(body, bytes)
            aggregator.fold(body, entry.weight)
        weights = [entry.weight for entry in request.entries]
        opened = self.scheme.decrypt(aggregator.words, plan.label(), key, self.encoding, plan.dimension, weights)
        return tuple(signed), self.scheme.functional_key_bytes(key), opened
