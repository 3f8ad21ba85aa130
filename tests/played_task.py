"""A whole task played in this process: real chain, real contract, real encryption, and parties that may misbehave."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from protocol.canonical import encode
from protocol.cohort import place_of
from protocol.content.cid import CHUNK_BYTES, cid_of
from protocol.encryption.committee import draw_master_keys, ratchet
from protocol.encryption.envelope import seal_envelope
from protocol.encryption.suite import FE64
from protocol.identifiers import NATIVE_COIN, ZERO_DIGEST, Address, Digest, sha256
from protocol.incentives.contribution import Progress
from protocol.incentives.rewards import allocation_root, claim_proof, first_allocation, settle, total_owed
from protocol.messages.chain import Publication
from protocol.messages.round import RoundPlan
from protocol.messages.settlement import ABANDONED, PUBLISHED, Allocation, Verdict
from protocol.messages.submission import Enrolment, Leave, SignedCommitment, SignedEnrolment, SignedLeave
from protocol.model.evaluation import count_correct
from protocol.model.initialization import initial_parameters
from protocol.model.layout import Layout
from protocol.model.step import apply_step
from protocol.privacy.spending import spent
from protocol.randomness import SeededRandomness
from protocol.round.commitments import batch_of, batch_root, committed_set
from protocol.round.key_request import key_request
from protocol.round.planning import (
    History,
    choose_index_set,
    plan_round,
    published_history,
    terms_of,
    unpublished_history,
)
from protocol.round.record import round_record
from protocol.round.reference import Household
from protocol.round.scheme import RoundScheme
from protocol.round.sealing import commit_to, encrypt_update
from protocol.round.update import prepare_update
from protocol.screening.verdict import Unfit, decide, judged_by_size
from protocol.signing import sign
from protocol.sparse.codec import encode_index_set, encode_sums
from storage.content.memory import MemoryStore
from storage.ledger.ethereum.ledger import EthereumLedger, EthereumReader
from storage.ledger.signer import Signer
from tests.played_authorities import decrypt_sum, post_rosters
from tests.played_conduct import EXPIRED, OPEN, SETTLED, Conduct, two_keys
from tests.samples import private_key, with_terms
from tests.tiny_task import CLIENTS, EXAMPLES, TinyTrainer, audited_chain, sealed_to, tiny_spec, tiny_test_set

T = TypeVar("T")


class Player:
    """Manufacturer, edge server, authorities and clients of one task, one after the other."""

    def __init__(
        self, ledger: Address, rounds: int, scheme: tuple[str, int] = (FE64, 2), authorities: int = 3, **changes: Any
    ) -> None:
        """``scheme``: the encryption suite and its packing; ``changes``: other fields of the tiny spec."""
        self.chain = audited_chain()
        self.store, self.lies = MemoryStore(), dict[str, Callable[[Any], Any]]()
        self.edge = self.chain.ledger(ledger, Signer(private_key("edge")))
        self.manufacturer = self.chain.ledger(ledger, Signer(private_key("manufacturer")))
        self.reader = EthereumReader(self.chain.rpc_url, ledger)
        self.domain = self.reader.domain
        spec, (name, packing) = tiny_spec(self.store, rounds, authorities), scheme
        self.spec = replace(spec, suite=name, learning=with_terms(spec.learning, packing=packing), **changes)
        self.put(encode(self.spec))
        terms = terms_of(self.spec)
        self.pay(self.manufacturer, self.spec.budget())
        self.manufacturer.post_task(terms, self.spec.budget())
        self.task = self.reader.task_count()
        for holders, bond in ((terms.edge_servers, terms.edge_bond), (terms.authorities, terms.authority_bond)):
            for holder in holders if bond else ():
                self.edge.place_bond(self.task, holder, self.pay(self.edge, bond))
        self.left: set[Address] = set()
        members = range(1, authorities + 1)
        self.authorities = [self.chain.ledger(ledger, Signer(private_key("authority", j))) for j in members]
        self.doomed: tuple[RoundPlan, Allocation] | None = None
        self.enrol()

    def put(self, data: bytes, chunk_bytes: int | None = None) -> Digest:
        return self.store.put(data, chunk_bytes or CHUNK_BYTES).digest

    def said(self, name: str, value: T) -> T:
        """What the edge server says where ``value`` is true."""
        said: T = self.lies.get(name, lambda honest: honest)(value)
        return said

    def pay(self, payer: EthereumLedger, amount: int) -> int:
        """What has to go along with the payer's next call, in the chain's own coin."""
        token = self.spec.rewards.token
        if token == NATIVE_COIN:
            return amount
        payer.approve(token, amount)
        return 0

    def enrol(self) -> None:
        m, t = len(self.spec.committee.members), self.spec.committee.threshold
        self.households, signed = [], []
        dimension = Layout.of(self.spec.model).dimension
        for number in range(CLIENTS):
            randomness = SeededRandomness(b"household %d" % number)
            keys = draw_master_keys(randomness, m, t, f"task/{self.task}/enrolment")
            household = Household(
                private_key("client", number), keys, TinyTrainer(), randomness, np.zeros(dimension, dtype=np.float64)
            )
            envelope = seal_envelope(
                keys, self.domain.prefix(), self.task, 0, household.address, sealed_to(m), t, randomness
            )
            enrolment = Enrolment(self.task, household.address, self.put(encode(envelope)))
            signed.append(SignedEnrolment(enrolment, sign(self.domain, enrolment, household.private_key)))
            self.households.append(household)
        stake = self.spec.deposits.client
        self.edge.enrol(signed, self.pay(self.edge, CLIENTS * stake) if stake else 0)
        self.parameters = initial_parameters(self.spec.model)
        reputations = {h.address: self.reader.enrolment(self.task, h.address).reputation for h in self.households}
        self.allocation = first_allocation(self.task, reputations)
        self.best, _ = self.count()
        self.history = History(tuple(sorted(reputations)), self.spec.initial_model)

    def play(self, number: int, conduct: Conduct) -> None:
        """One round, from its plan to its end on chain."""
        self.lies = dict(conduct.lies)
        for client in conduct.leaving:
            leave = Leave(self.task, self.households[client].address)
            self.edge.leave(SignedLeave(leave, sign(self.domain, leave, self.households[client].private_key)))
            self.left.add(leave.client)
        standings = {e.client: e.reputation for e in self.allocation.entitlements if e.client not in self.left}
        post_rosters(self, number)
        indices = self.said("indices", choose_index_set(self.spec, number, self.history))
        index_digest = self.put(encode_index_set(indices))
        plan = plan_round(
            self.spec, self.domain, self.task, number, standings, self.history, index_digest, len(indices)
        )
        plan = self.said("plan", plan)
        cohort = self.said("cohort", plan.cohort)
        self.edge.open_round(self.task, number, self.put(encode(plan)), plan.label(), cohort.root, cohort.count)
        self.freeze_doomed()
        if conduct.frozen == OPEN:
            self.freeze(plan)
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
        findings = {client: self._finding(plan, bodies[client]) for client in committed}
        verdict = self.said("verdict", decide(plan.label(), findings))
        request = None
        if conduct.requested:
            request = self.said("request", key_request(plan, committed, verdict.accepted))
            self.edge.request_key(self.task, number, request.digest())
        charge = spent(plan.learning.mechanism, self.spec.privacy, number)
        requested = request.digest() if request else ZERO_DIGEST
        record = round_record(plan.label(), verdict, requested, None, charge, ZERO_DIGEST)
        self.pass_dispute_window()
        self.doomed = (plan, self.allocation) if conduct.frozen else None
        if conduct.end == ABANDONED:
            allocation, root, allocated = self._settle(number, verdict, None)
            digest = self.put(encode(self.said("record", replace(record, allocation=allocation))))
            self.edge.abandon_round(self.task, number, digest, root, allocated)
            self.history = unpublished_history(self.history, plan)
            return
        assert request is not None
        opened = decrypt_sum(self, plan, request, bodies, conduct.lying)
        stepped = apply_step(
            self.parameters,
            indices,
            opened.decrypted.sums,
            sum(entry.weight for entry in request.entries),
            plan.learning.quantiser,
        )
        self.parameters = self.said("parameters", stepped)
        model = self.put(Layout.of(self.spec.model).to_safetensors(self.parameters))
        correct, examples = self.count()
        allocation, root, allocated = self._settle(number, verdict, Progress(self.best, correct, examples))
        self.best = max(self.best, correct)
        record = replace(
            record, outcome=PUBLISHED, sightings=opened.sightings, keys=opened.keys, accused=opened.accused,
            functional_key=sha256(opened.key), model=model, max_residual=opened.decrypted.max_residual,
            aggregate=self.put(encode_sums(opened.decrypted.sums)), correct=correct, examples=examples,
            allocation=allocation,
        )  # fmt: skip
        record = self.said("record", record)
        publication = Publication(model, self.put(encode(record)), root, allocated, record.correct, record.examples)
        self.edge.publish_round(self.task, number, self.said("publication", publication))
        self.history = published_history(self.history, plan, request, indices, opened.decrypted.sums, model)
        if conduct.frozen == SETTLED:
            self.freeze_doomed()

    def freeze_doomed(self) -> None:
        """The last settled round, if it is to be frozen: what it allocated is void."""
        if self.doomed is not None:
            plan, self.allocation = self.doomed
            self.freeze(plan)
            self.doomed = None

    def freeze(self, plan: RoundPlan) -> None:
        """Shown by the manufacturer: the servers can go on."""
        self.manufacturer.dispute(two_keys(self.domain, plan))

    def _settle(self, number: int, verdict: Verdict, progress: Progress | None) -> tuple[Digest, Digest, int]:
        """Digest, root and total of the next allocation."""
        self.allocation = self.said("allocation", settle(self.spec, self.allocation, number, verdict, progress))
        return self.put(encode(self.allocation)), allocation_root(self.allocation), total_owed(self.allocation)

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
            self.edge.claim(self.task, claim_proof(self.allocation, address))

    def refund(self) -> None:
        self.manufacturer.refund(self.task)

    def pass_claim_deadline(self) -> None:
        durations = self.spec.durations
        self.chain.pass_time(durations.task_seconds + durations.claim_seconds + 1)

    def _commit_phase(
        self, number: int, conduct: Conduct, plan: RoundPlan, indices: npt.NDArray[np.uint32]
    ) -> tuple[dict[Address, SignedCommitment], dict[Address, bytes | Unfit]]:
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
            self.chain.pass_time(2 * self.spec.schedule.training_seconds)
            self.edge.commit_batch(self.task, number, root, self.put(encode(batch)), len(batch.commitments))
        for signed in direct:
            self.edge.commit_direct(signed, place_of(plan.weights, signed.commitment.client))
        missing = len(batch.commitments) + len(direct) < len(plan.weights)
        self.chain.pass_time(plan.commit_seconds + 1 if missing else self.spec.durations.objection_seconds + 1)
        return committed_set(batch, direct), bodies

    def _deliver(
        self, number: int, conduct: Conduct, plan: RoundPlan, indices: npt.NDArray[np.uint32], client: int
    ) -> tuple[SignedCommitment, bytes | Unfit]:
        """One client's signed commitment, and what the store then has of its ciphertext."""
        household, scheme = self.households[client], self.scheme(plan)
        update = prepare_update(
            household.trainer, self.parameters, plan.learning, indices, household.residual, household.randomness,
            scheme.label.hex(),
        )  # fmt: skip
        household.residual = update.residual
        keys = ratchet(household.master_keys, plan.key_epoch)
        nonce, body = encrypt_update(scheme, update.values, keys, household.randomness)
        if client in conduct.malformed:
            body = body[:-8]
        found: bytes | Unfit = body
        if client in conduct.unavailable:
            found = Unfit.UNAVAILABLE
        elif client in conduct.corrupt:
            found = Unfit.CORRUPT
            self.store.objects[cid_of(body, scheme.block_bytes).text] = body[:-1] + bytes([body[-1] ^ 1])
        else:
            self.put(body, scheme.block_bytes)
        return commit_to(scheme, household.address, nonce, body, household.sign), found

    def _finding(self, plan: RoundPlan, found: bytes | Unfit) -> Unfit | None:
        return found if isinstance(found, Unfit) else judged_by_size(len(found), self.scheme(plan).body_bytes)

    def scheme(self, plan: RoundPlan) -> RoundScheme:
        return RoundScheme.of(plan, self.spec.committee)
