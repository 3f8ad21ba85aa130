"""A whole task played in this process: real chain, real contract, real encryption, and parties that may misbehave."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from protocol.canonical import encode
from protocol.cohort import place_of
from protocol.content.cid import CHUNK_BYTES
from protocol.encryption.suite import FE64
from protocol.identifiers import NATIVE_COIN, ZERO_DIGEST, Address, Digest, sha256
from protocol.incentives.contribution import Progress
from protocol.incentives.reputation import eligible
from protocol.incentives.rewards import (
    allocation_root,
    claim_proof,
    first_allocation,
    settle,
    total_owed,
)
from protocol.messages.learning import MechanismTerms, ServerTerms
from protocol.messages.round import RoundPlan
from protocol.messages.screening import Screening
from protocol.messages.settlement import ABANDONED, Allocation, Verdict
from protocol.messages.submission import (
    BatchLeaf,
    CommitmentBatch,
    Leave,
    SignedLeave,
)
from protocol.model.evaluation import count_correct
from protocol.model.initialization import initial_parameters
from protocol.model.trained import TrainedModel
from protocol.privacy.spending import spent
from protocol.round.adaptation import learning_of
from protocol.round.commitments import inclusion_proof_of
from protocol.round.draw import drawn
from protocol.round.key_request import key_request
from protocol.round.planning import choose_index_set, plan_round, terms_of
from protocol.round.record import round_record
from protocol.round.scheme import RoundScheme
from protocol.round.screening_verdict import levels_before
from protocol.screening.verdict import Unfit, decide, judged_by_size
from protocol.signing import sign
from protocol.task.past import Past
from storage.content.interface import get_document
from storage.content.memory import MemoryStore
from storage.ledger.ethereum.ledger import EthereumLedger, EthereumReader
from storage.ledger.signer import Signer
from tests.played_authorities import post_rosters
from tests.played_clients import commit_phase, enrol, household
from tests.played_conduct import EXPIRED, OPEN, SETTLED, SUCCEEDED, Conduct
from tests.played_screening import Screeners, named_by
from tests.played_servers import convict, take_over, with_substitutes
from tests.played_settlement import publish
from tests.samples import private_key, with_terms
from tests.tiny_task import CLIENTS, EXAMPLES, audited_chain, tiny_spec, tiny_test_set

T = TypeVar("T")


class Player:
    """Manufacturer, edge server, authorities and clients of one task, one after the other."""

    def __init__(
        self,
        ledger: Address,
        rounds: int,
        scheme: tuple[str, int] = (FE64, 2),
        authorities: int = 3,
        substitutes: int = 0,
        late: tuple[int, ...] = (),
        server: ServerTerms | None = None,
        local_steps: int = 1,
        **changes: Any,
    ) -> None:
        """``scheme``: the encryption suite and its packing; ``late``: clients that join later; ``changes``: other
        fields of the tiny spec."""
        self.chain = audited_chain()
        self.store, self.lies = MemoryStore(), dict[str, Callable[[Any], Any]]()
        self.edge = self.chain.ledger(ledger, Signer(private_key("edge")))
        self.manufacturer = self.chain.ledger(ledger, Signer(private_key("manufacturer")))
        self.reader = EthereumReader(self.chain.rpc_url, ledger)
        self.domain = self.reader.domain
        spec, (name, packing) = with_substitutes(tiny_spec(self.store, rounds, authorities), substitutes), scheme
        learning = replace(
            with_terms(spec.learning, packing=packing, local_steps=local_steps), server=server or ServerTerms()
        )
        self.spec = replace(spec, suite=name, learning=learning, **changes)
        self.put(encode(self.spec))
        terms = terms_of(self.spec)
        self.pay(self.manufacturer, self.spec.budget())
        self.manufacturer.post_task(terms, self.spec.budget())
        self.task = self.reader.task_count()
        for holders, bond in ((terms.edge_servers, terms.edge_bond), (terms.authorities, terms.authority_bond)):
            for holder in holders if bond else ():
                self.edge.place_bond(self.task, holder, self.pay(self.edge, bond))
        self.left, self.rostered, self.dismissed = set[Address](), set[Address](), set[Address]()
        self.delivered: dict[int, tuple[RoundPlan, CommitmentBatch]] = {}
        members = range(1, authorities + 1)
        self.authorities = [self.chain.ledger(ledger, Signer(private_key("authority", j))) for j in members]
        self.doomed: tuple[RoundPlan, Allocation, Address] | None = None
        self.households = [household(self, number) for number in range(CLIENTS)]
        self.trained = TrainedModel(initial_parameters(self.spec.model))
        self.models: list[npt.NDArray[np.float32]] = []  # of all rounds, the last one first
        self.planned = Counter[MechanismTerms]()
        self.allocation = first_allocation(self.task, {})
        self.past = Past(self.spec.initial_model, ZERO_DIGEST)
        enrol(self, *(number for number in range(CLIENTS) if number not in late))
        self.best, _ = self.count()
        self.screeners = Screeners(self) if self.spec.screening.on else None
        self.opened: Screening | None = None  # of the round that runs

    def read(self, digest: Digest) -> bytes:
        return get_document(self.store, digest, 2**24)

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

    def play(self, number: int, conduct: Conduct) -> None:
        """One round, from its plan to its end on chain."""
        self.lies = dict(conduct.lies)
        if self.edge.sender in self.dismissed:
            take_over(self)
        if conduct.joining:
            enrol(self, *conduct.joining)
        for client in conduct.leaving:
            leave = Leave(self.task, self.households[client].address)
            self.edge.leave(SignedLeave(leave, sign(self.domain, leave, self.households[client].private_key)))
            self.left.add(leave.client)
        self.pass_to(self.reader.task(self.task).enrol_until + 1)
        post_rosters(self, number)
        sent, planned = choose_index_set(self.spec, number), self._cohort(number)
        where = self.domain, self.task, number
        learning = learning_of(self.spec, self.trained)
        self.planned[learning.mechanism] += 1
        levels = levels_before(self.screeners.state(), number) if self.screeners else None
        plan = plan_round(self.spec, *where, planned, self.past.model, self.past.previous_label, learning, levels)
        plan, opener = self.said("plan", plan), self.edge.sender
        cohort = self.said("cohort", plan.cohort)
        self.edge.open_round(self.task, number, self.put(encode(plan)), plan.label(), cohort.root, cohort.count)
        self.freeze_doomed()
        committed, bodies = commit_phase(self, number, conduct, plan, sent)
        if conduct.frozen == OPEN:
            convict(self, plan, opener)
        if conduct.frozen == OPEN or conduct.end == EXPIRED:
            self._leave_alone(number, conduct, plan)
            return
        if conduct.frozen == SUCCEEDED:
            take_over(self)
        findings = {client: self._finding(plan, bodies[client]) for client in committed}
        verdict = decide(plan.label(), findings)
        if self.screeners:
            verdict, self.opened = self.screeners.screen(number, conduct, plan, committed, findings, bodies)
        verdict, screening, request = self.said("verdict", verdict), named_by(self.opened), None
        if conduct.end != ABANDONED:
            request = self.said("request", key_request(plan, committed, verdict.accepted, screening))
            self.edge.request_key(self.task, number, self.put(encode(request)))
        charge = spent(dict(self.planned), plan.learning, self.spec.privacy)
        requested = request.digest() if request else ZERO_DIGEST
        record = round_record(plan.label(), verdict, requested, None, charge, ZERO_DIGEST, screening)
        self.pass_dispute_window()
        self.doomed = (plan, self.allocation, opener) if conduct.frozen else None
        if request is None:
            allocation, root, allocated = self.settle(number, verdict, None, {})
            digest = self.put(encode(self.said("record", replace(record, allocation=allocation))))
            self.pass_to(self.reader.round(self.task, number).commit_until + 1)
            self.edge.abandon_round(self.task, number, digest, root, allocated)
            self.past = replace(self.past, previous_label=plan.label())
        else:
            publish(self, number, conduct, plan, request, bodies, record)
        if conduct.frozen == SETTLED:
            self.freeze_doomed()

    def _cohort(self, number: int) -> dict[Address, int]:
        """Reputation of everybody planned, drawn where the task draws."""
        terms, listed = self.spec.cohort, self.rostered - self.left
        cohort = {entry.client: entry.reputation for entry in self.allocation.entitlements if entry.client in listed}
        if not terms.draws:
            return cohort
        self.edge.draw_cohort(self.task)
        drawn_at = self.reader.task(self.task).drawn_at
        self.chain.mine()
        beacon = self.reader.block_hash(drawn_at)
        assert beacon is not None
        able = [client for client, reputation in cohort.items() if eligible(reputation, self.spec.reputation)]
        return {client: cohort[client] for client in drawn(able, terms.max_cohort, beacon, self.task, number)}

    def _leave_alone(self, number: int, conduct: Conduct, plan: RoundPlan) -> None:
        """Nobody settles the round."""
        self.past = replace(self.past, previous_label=plan.label())
        if conduct.frozen == OPEN:
            return
        if conduct.requested:
            self.edge.request_key(self.task, number, sha256(b"a request that nobody answers"))
        self.pass_to(self.reader.round(self.task, number).settle_until + 1)
        self.edge.expire_round(self.task, number)
        if self.reader.bond(self.task, self.edge.sender).role == 0:
            self.dismissed.add(self.edge.sender)

    def freeze_doomed(self) -> None:
        """The last settled round, if it is to be frozen: what it allocated is void."""
        if self.doomed is not None:
            plan, self.allocation, server = self.doomed
            convict(self, plan, server)
            self.doomed = None

    def settle(
        self, number: int, verdict: Verdict, progress: Progress | None, served: Mapping[Address, int]
    ) -> tuple[Digest, Digest, int]:
        """Digest, root and total of the next allocation."""
        opened = self.opened.verdict if self.opened else None
        derived = settle(self.spec, self.allocation, number, verdict, progress, served, opened)
        self.allocation = self.said("allocation", derived)
        return self.put(encode(self.allocation)), allocation_root(self.allocation), total_owed(self.allocation)

    def count(self) -> tuple[int, int]:
        """Right answers of the present model on the public test set, of how many."""
        return count_correct(self.spec.model, self.trained.parameters, *tiny_test_set()), EXAMPLES

    def pass_dispute_window(self) -> None:
        """From then on the last settled round can be claimed, and another one settled."""
        payable_from = self.reader.task(self.task).payable_from
        if payable_from > self.now():
            self.pass_to(payable_from + 10)

    def now(self) -> int:
        return self.reader.block_timestamp(self.reader.block_number())

    def pass_to(self, instant: int) -> None:
        """Of block time; nothing when it is over."""
        if instant > self.now():
            self.chain.pass_time(instant - self.now())

    def claim(self, *clients: int) -> None:
        """Their claims under the standing allocation, sent by the edge server."""
        self.pass_dispute_window()
        for client in clients:
            address = self.households[client].address
            self.edge.claim(self.task, claim_proof(self.allocation, address))

    def compensate(self, number: int, *clients: int) -> None:
        """For their commitments in a round that was not published."""
        plan, batch = self.delivered[number]
        batched = {signed.commitment.client: signed for signed in batch.commitments}
        for client in (self.households[client].address for client in clients):
            leaf = None
            if not self.reader.has_committed_directly(self.task, number, client):
                inclusion = inclusion_proof_of(batch, client)
                leaf = BatchLeaf(inclusion.index, batched[client], inclusion.proof)
            self.edge.compensate(self.task, number, client, place_of(plan.weights, client), leaf)

    def refund(self) -> None:
        self.manufacturer.refund(self.task)

    def pass_claim_deadline(self) -> None:
        durations = self.spec.durations
        self.chain.pass_time(durations.task_seconds + durations.claim_seconds + 1)

    def _finding(self, plan: RoundPlan, found: bytes | Unfit) -> Unfit | None:
        return found if isinstance(found, Unfit) else judged_by_size(len(found), self.scheme(plan).body_bytes)

    def scheme(self, plan: RoundPlan) -> RoundScheme:
        return RoundScheme.of(plan, self.spec.committee)
