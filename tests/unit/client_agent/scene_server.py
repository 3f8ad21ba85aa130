"""An edge server that may withhold what it publishes, without HTTP and without a task of its own to keep.

The other clients of the task are named in its plans and deliver nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from client_agent.edge_client import EdgeRefusedError, EdgeUnavailableError, NextRound, TaskEnded
from client_agent.training.dp_sgd import DpSgd, NoExamples
from protocol.canonical import encode
from protocol.cohort import CohortTree
from protocol.content.cid import Cid
from protocol.domain import Domain
from protocol.encryption.envelope import EncryptionKeyPair
from protocol.errors import HearthError, Party
from protocol.identifiers import ZERO_DIGEST, Address, Digest
from protocol.incentives.rewards import allocation_root, claim_proof, first_allocation, settle, total_owed
from protocol.messages.chain import (
    BatchCommitted,
    DirectCommitted,
    Enrolled,
    KeyRequested,
    RoundExpired,
    RoundOpened,
    RoundPublished,
    TaskPosted,
    VoucherShown,
)
from protocol.messages.learning import LearningTerms
from protocol.messages.rosters import RosterPosted, runs_of
from protocol.messages.round import RoundPlan, RoundStatement, ShownPlan, SignedEndorsement, SignedRoundStatement
from protocol.messages.screening_terms import NONE
from protocol.messages.settlement import PUBLISHED, ProvenEntitlement, RoundRecord, Verdict
from protocol.messages.submission import (
    CommitmentBatch,
    InclusionProof,
    SignedEnrolment,
    SignedReceipt,
    Submission,
)
from protocol.messages.task import ControlTerms
from protocol.messages.vouchers import NO_VOUCHERS, VoucherTerms
from protocol.model.initialization import initial_parameters
from protocol.model.layout import Layout
from protocol.model.trained import Control, TrainedModel
from protocol.privacy.spending import spent
from protocol.randomness import SeededRandomness
from protocol.round.commitments import (
    batch_of,
    batch_root,
    commitment_of,
    committed_set,
    inclusion_proof_of,
    receipt_of,
)
from protocol.round.endorsing import endorsement_of
from protocol.round.planning import plan_round, terms_of
from protocol.round.training import Assignment, Trainer, Training
from protocol.round.windows import first_round, window_of
from protocol.sparse.codec import encode_sums
from protocol.task.documents import Kind
from protocol.task.fold import fold
from protocol.task.proposed_screening import screened
from protocol.vouchers.blinding import Statement, verify_voucher
from storage.content.memory import MemoryStore
from storage.ledger.signer import Signer
from tests.samples import client_address, private_key, sample_spec
from tests.unit.client_agent.scene_chain import PlayedChain

PHONE, EDGE = Signer(private_key("client", 0)), Signer(private_key("edge"))
OTHERS = [client_address(number) for number in (1, 2)]
ROUNDS, COMMIT_SECONDS = 3, 300
T = TypeVar("T")


class SmallTrainer:
    def check(self) -> int:
        return 7

    def noise_alone(self, learning: LearningTerms) -> Trainer:
        return DpSgd(NoExamples())

    def held_out_lengths(self, parameters: npt.NDArray[np.float32], learning: LearningTerms) -> npt.NDArray[np.uint16]:
        return np.zeros(0, dtype=np.uint16)

    def train(self, assignment: Assignment) -> Training:
        return Training(assignment.parameters[assignment.sent.indices].astype(np.float64) + 0.5, ())


class PlayedServer:
    """In the place of the phone's :class:`EdgeClient`, and of the server behind it.

    ``withheld``: kind and round of documents that it keeps to itself. ``proves``: it shows entitlements to who asks.
    """

    bytes_sent = 0

    def __init__(
        self,
        withheld: tuple[Kind, int] | None = None,
        proves: bool = True,
        confirmations: int = 0,
        roster_rounds: int = 10,
        control: ControlTerms | None = None,
        title: str = "sample",
        rule: str = NONE,
        vouchers: VoucherTerms = NO_VOUCHERS,
    ) -> None:
        self.chain, self.store = PlayedChain(), MemoryStore()
        self.withheld, self.proves, self.away, self.relays = withheld, proves, False, False
        self.rosters: tuple[bytes, bytes] | None = None  # what the authorities say, if not that everybody is fine
        self.number, self.submitted = 0, dict[int, list[Submission]]()
        self.windows = list[int]()  # whose keys were asked for
        self.endorsing: Sequence[Signer] = ()  # authorities that give their word on cohorts
        self.shown: Callable[[ShownPlan], ShownPlan] = lambda honest: honest  # what it makes of what it has to show
        spec = sample_spec(rounds=ROUNDS, confirmations=confirmations, control=control or ControlTerms(), title=title)
        self.control: Control | None = None  # of the models that are published from now on
        spec = replace(spec, cohort=replace(spec.cohort, roster_rounds=roster_rounds))
        spec = replace(spec if rule == NONE else screened(spec, rule), vouchers=vouchers)
        self.layout, self.parameters = Layout.of(spec.model), initial_parameters(spec.model)
        self.model = self.put(self.layout.to_safetensors(self.parameters))
        self.spec = replace(spec, initial_model=self.model)
        self.put(encode(self.spec))
        self.chain.mine(
            TaskPosted, manufacturer=OTHERS[0], terms=terms_of(self.spec), escrow=self.spec.budget(),
            enrol_until=600, task_until=86_400, claim_until=172_800,
        )  # fmt: skip
        for client in OTHERS:
            self.chain.enrol(client)
        self.reputations = dict.fromkeys([PHONE.address, *OTHERS], 2)
        self.allocation = first_allocation(1, self.reputations)
        self.previous_label = ZERO_DIGEST
        self.plans: dict[int, RoundPlan] = {}
        self.batches: dict[int, CommitmentBatch] = {}
        self.allocations = {0: self.allocation}

    def put(self, data: bytes, kind: Kind | None = None) -> Digest:
        digest = self.store.put(data).digest
        if (kind, self.number) == self.withheld:
            for codec in ("raw", "dag-pb"):
                self.store.objects.pop(Cid(codec, digest).text, None)
        return digest

    def shown_plan(self, task: int, number: int, client: Address, check: Callable[[ShownPlan], T], _: int) -> T | None:
        """As :meth:`EdgeClient.shown_plan` of the only server of the task."""
        plan = self.plans[number]
        endorsements = tuple(self.endorsement(plan, signer) for signer in self.endorsing)
        if len(endorsements) < self.spec.committee.quorum:
            return None
        try:
            return check(self.shown(ShownPlan(plan.head(), CohortTree(plan.weights).places(client), endorsements)))
        except HearthError as error:
            raise EdgeUnavailableError(str(error)) from error

    def endorsement(self, plan: RoundPlan, signer: Signer) -> SignedEndorsement:
        said = endorsement_of(plan.task, plan.round, plan.label(), signer.address)
        return SignedEndorsement(said, signer.sign(self.chain.domain, said))

    # what it does

    def open(
        self,
        weights: dict[Address, int] | None = None,
        said: Callable[[RoundPlan], RoundPlan] = lambda honest: honest,
        **on_chain: Any,
    ) -> None:
        """``said``: what it makes of the honest plan; ``on_chain``: other fields of the event than that plan's."""
        self.number += 1
        number = self.number
        cohort = weights or {entry.client: entry.reputation for entry in self.allocation.entitlements}
        if number == first_round(window_of(number, self.spec.cohort.roster_rounds), self.spec.cohort.roster_rounds):
            self.post_rosters()
        plan = said(plan_round(self.spec, self.chain.domain, 1, number, cohort, self.model, self.previous_label))
        counted = {"cohort_root": plan.cohort.root, "cohort": plan.cohort.count, "beacon": ZERO_DIGEST, **on_chain}
        self.plans[number], self.previous_label = plan, plan.label()
        self.chain.mine(
            RoundOpened, round=number, plan=self.put(encode(plan), Kind.PLAN), label=plan.label(),
            commit_until=self.chain.time + COMMIT_SECONDS, settle_until=self.chain.time + 2 * COMMIT_SECONDS,
            **counted,
        )  # fmt: skip

    def post_rosters(self) -> None:
        clients = [event.client for event in self.chain.events() if isinstance(event, Enrolled)]
        held, refused = self.rosters or (runs_of(clients, set(clients)), b"")
        for authority in self.spec.committee.members:
            window = window_of(self.number, self.spec.cohort.roster_rounds)
            self.chain.mine(RosterPosted, window=window, authority=authority, held=held, refused=refused)

    def commit_batch(self) -> None:
        plan, sent = self.plans[self.number], self.submitted.get(self.number, [])
        batch = batch_of(commitment_of(plan, submission) for submission in sent[:1])
        self.batches[self.number] = batch
        self.chain.mine(
            BatchCommitted, round=self.number, root=batch_root(batch), batch=self.put(encode(batch), Kind.BATCH),
            count=len(sent), object_until=self.chain.time + self.spec.durations.objection_seconds,
        )  # fmt: skip

    def publish(self, model_goes_on: bool = True) -> None:
        number, plan = self.number, self.plans[self.number]
        for client in OTHERS:
            self.chain.mine(
                DirectCommitted, round=number, client=client, label=plan.label(), nonce=client[:16],
                ciphertext=ZERO_DIGEST, signature=bytes(65),
            )  # fmt: skip
        directs = fold(1, self.chain.events()).rounds[-1].direct_commitments()
        committed = committed_set(self.batches.get(number, CommitmentBatch(())), directs.values())
        verdict = Verdict(plan.label(), tuple(committed), ())
        self.allocation = settle(self.spec, self.allocation, number, verdict, None, {})
        self.allocations[number] = self.allocation
        self.chain.mine(KeyRequested, round=number, request=ZERO_DIGEST)
        self.parameters = self.parameters + np.float32(1)
        model = self.put(self.layout.encode(TrainedModel(self.parameters, control=self.control)), Kind.MODEL)
        sums = np.arange(plan.dimension, dtype=np.int64)
        aggregate = self.put(encode_sums(sums), Kind.AGGREGATE)
        record = RoundRecord(
            plan.label(), PUBLISHED, verdict, ZERO_DIGEST, (), (), (), ZERO_DIGEST, aggregate, 0, model, 1, 4,
            spent({plan.learning.mechanism: number}, plan.learning, self.spec.privacy),
            self.put(encode(self.allocation), Kind.ALLOCATION),
        )  # fmt: skip
        self.chain.mine(
            RoundPublished, round=number, model=model, record=self.put(encode(record), Kind.RECORD),
            allocation_root=allocation_root(self.allocation), allocated=total_owed(self.allocation), correct=1,
            examples=4,
        )  # fmt: skip
        self.model = model if model_goes_on else self.model

    def expire(self) -> None:
        self.chain.mine(RoundExpired, round=self.number)

    # what phones ask

    def turn(self) -> None:
        pass

    def window_keys(self, _: Domain, __: int, window: int, members: Sequence[Address]) -> list[tuple[Address, bytes]]:
        self._serve()
        self.windows.append(window)
        keys = (EncryptionKeyPair.generate(SeededRandomness(member).fork(str(window))) for member in members)
        return [(member, pair.public_bytes()) for member, pair in zip(members, keys, strict=True)]

    def enrol(self, signed: SignedEnrolment) -> None:
        self._serve()
        enrolment = signed.enrolment
        if self.spec.vouchers.needed:  # as the ledger does
            said = Statement(self.chain.domain, self.spec.vouchers.modulus, enrolment.task, enrolment.client)
            verify_voucher(said, signed.voucher, Party.CLIENT)
            self.chain.mine(VoucherShown, client=enrolment.client, voucher=signed.voucher)
        self.chain.enrol(
            enrolment.client, enrolment.envelope, signer=enrolment.signer, deadline=enrolment.deadline,
            signature=signed.signature,
        )  # fmt: skip

    def next_round(self, task: int, after: int, wait_seconds: int) -> NextRound | TaskEnded | None:
        self._serve()
        if self.number <= after:
            return None
        plan = self.plans[self.number]
        said = RoundStatement(task, self.number, plan.label(), ZERO_DIGEST)
        opened = next(e for e in self.chain.events() if isinstance(e, RoundOpened) and e.round == self.number)
        return NextRound(self.number, opened.plan, SignedRoundStatement(said, EDGE.sign(self.chain.domain, said)))

    def submit(self, _: int, number: int, submission: Submission) -> SignedReceipt:
        self._serve()
        self.submitted.setdefault(number, []).append(submission)
        receipt = receipt_of(commitment_of(self.plans[number], submission).commitment)
        return SignedReceipt(EDGE.address, EDGE.sign(self.chain.domain, receipt))

    def inclusion_proof(self, _: int, number: int, client: Address, __: int) -> InclusionProof | None:
        self._serve()
        return inclusion_proof_of(self.batches[number], client) if number in self.batches else None

    def entitlement(self, _: int, number: int, client: Address, __: Digest) -> ProvenEntitlement:
        self._serve()
        if not self.proves:
            raise EdgeRefusedError("shown to nobody")
        return claim_proof(self.allocations[number], client)

    def request_claim(self, task: int, client: Address) -> None:
        self._serve()
        if not self.relays:
            raise EdgeRefusedError("relays nothing")
        self.chain.claim(task, claim_proof(self.allocation, client))

    def _serve(self) -> None:
        if self.away:
            raise EdgeUnavailableError("away")
