"""The phone's main path: read the task, tell the owner, enrol, take part in every round, claim, or leave.

Every step may be repeated after a kill: what is durable is not done twice, and one label never sees two updates.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from client_agent.chain_view import ChainView
from client_agent.consent import disclosure
from client_agent.edge_client import EdgeClient, EdgeRefusedError, EdgeUnavailableError, NextRound, TaskEnded
from client_agent.journal import AgentJournal, Sealed
from client_agent.privacy.budget import check_budget
from client_agent.round_session import RoundSession
from client_agent.training.trainer import Trainer
from client_agent.update_pipeline import prepare_update
from protocol.canonical import decode, encode
from protocol.commitments import verify_receipt
from protocol.encryption.committee import draw_master_keys, subsets
from protocol.encryption.envelope import seal_envelope
from protocol.encryption.suite import suite
from protocol.errors import BudgetSpentError, HearthError, Party, VerificationError
from protocol.identifiers import Digest, to_hex
from protocol.messages.round import MAX_PLAN_BYTES
from protocol.messages.submission import Enrolment, SignedEnrolment, Submission
from protocol.messages.task import MAX_SPEC_BYTES, TaskSpec
from protocol.model.layout import Layout
from protocol.model.specification import dimension_of
from protocol.randomness import Randomness
from protocol.sparse.codec import decode_index_set
from storage.content.cid import cid_of
from storage.content.interface import ContentStore, get_document
from storage.ledger.interface import Ledger, LedgerError, TransactionRevertedError
from storage.ledger.signer import Signer

log = structlog.get_logger()
ROUND_ATTEMPTS = 3  # chain or content may be away for a moment
LOOKS_PER_REQUEST = 20  # at the chain, before the edge server is asked again for what it has taken
PATIENCE_SECONDS = 0.5  # between two looks at something that must still happen on chain


class EnrolmentOverError(HearthError):
    """The task is full, or its enrolment time is over."""

    code = "E_ENROLMENT_OVER"


@dataclass
class Agent:
    """One household's phone. All its contacts with the world are arguments."""

    task: int
    signer: Signer
    ledger: Ledger
    store: ContentStore
    edge: EdgeClient
    journal: AgentJournal
    make_trainer: Callable[[TaskSpec], Trainer]
    randomness: Randomness
    tell: Callable[[str], None]
    agree: Callable[[], bool]  # the owner's word, asked once: after the disclosure and before anything is sent
    examples: int
    poll_seconds: int = 20
    direct_margin_seconds: int = 10
    sleep: Callable[[float], None] = time.sleep
    bytes_per_round: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.address = self.signer.address
        self.chain = ChainView(self.ledger, self.store, self.task, self.address)
        self._counted = 0  # bytes sent up to the end of the last round taken part in

    def run(self) -> bool:
        """The whole task, from consent to the last claim. False when the owner does not agree: nothing was sent."""
        spec = self.read_task()
        self.tell(disclosure(spec, self.task, self.examples, len(self.journal.charged)))
        if self.journal.envelope is None and not self.agree():
            return False
        self.enrol(spec)
        keys = len(subsets(len(spec.committee.members), spec.committee.threshold))
        suite(spec.suite).prepare(keys * dimension_of(spec.model))  # while others enrol: no round waits for a compiler
        trainer = self.make_trainer(spec)
        self._counted = self.edge.bytes_sent + self.chain.bytes_sent  # what enrolment took belongs to no update
        last, attempts = 0, 0
        while True:
            upcoming = self.await_round(last)
            if isinstance(upcoming, TaskEnded):
                break
            try:
                self.take_part(spec, trainer, upcoming)
            except BudgetSpentError as error:
                self.tell(f"round {upcoming.round}: this phone refuses to train. {error}")
            except HearthError as error:
                attempts += 1
                log.warning("round failed", round=upcoming.round, attempt=attempts, error=str(error))
                if attempts < ROUND_ATTEMPTS:
                    self.sleep(PATIENCE_SECONDS)
                    continue
            last, attempts = upcoming.round, 0
        self.settle_rounds()
        self.claim()
        return True

    def read_task(self) -> TaskSpec:
        digest = self.ledger.task(self.task).spec
        spec = decode(TaskSpec, get_document(self.store, digest, MAX_SPEC_BYTES), MAX_SPEC_BYTES)
        Layout.of(spec.model)  # refuses a model that is not allowed
        return spec

    def enrol(self, spec: TaskSpec) -> None:
        """Draw master keys once, seal them to the committee, sign, and wait until the chain knows."""
        if self.journal.envelope is None:
            m, t = len(spec.committee.members), spec.committee.threshold
            if not self.journal.has_keys:
                self.journal.keep_keys(draw_master_keys(self.randomness, m, t, f"task/{self.task}/enrolment"))
            keys = self.journal.keys_of(0)
            members = [(member.address, member.encryption_key) for member in spec.committee.members]
            envelope = encode(
                seal_envelope(
                    keys, self.ledger.domain.prefix(), self.task, self.address, members, m, t, self.randomness
                )
            )
            self.journal.keep_envelope(envelope, cid_of(envelope).digest)
        self.store.put(self.journal.envelope_bytes())
        envelope_digest = self.journal.envelope
        assert envelope_digest is not None
        enrolment = Enrolment(self.task, self.address, envelope_digest)
        signed = SignedEnrolment(enrolment, self.signer.sign(self.ledger.domain, enrolment))
        looks = 0
        while self.ledger.enrolment(self.task, self.address).envelope != envelope_digest:
            taken = looks % LOOKS_PER_REQUEST != 0 or self._politely(lambda: self.edge.enrol(signed))
            looks += 1 if taken else 0
            if not taken:
                view = self.ledger.task(self.task)
                if self.ledger.now() > view.enrol_until or view.enrolled >= view.max_clients:
                    raise EnrolmentOverError(f"task {self.task} takes no more clients", fault=Party.EDGE_SERVER)
            self.sleep(PATIENCE_SECONDS)

    def await_round(self, after: int) -> NextRound | TaskEnded:
        """Long poll with patience: an edge server that is away may come back until the task's time is over."""
        while True:
            try:
                upcoming = self.edge.next_round(self.task, after, self.poll_seconds)
                if upcoming is not None:
                    return upcoming
            except (EdgeUnavailableError, EdgeRefusedError) as error:
                log.info("edge server away", error=str(error))
                if self.ledger.now() > self.ledger.task(self.task).task_until:
                    return TaskEnded()
                self.sleep(PATIENCE_SECONDS)

    def take_part(self, spec: TaskSpec, trainer: Trainer, upcoming: NextRound) -> None:
        """One round: judge the plan, train within the budget, seal, store, commit, see the receipt."""
        number = upcoming.round
        self.settle_rounds()
        opened = self.chain.opened(number)
        if opened is None or opened.plan != upcoming.plan:
            raise VerificationError("the announced round is not on chain", fault=Party.EDGE_SERVER)
        if self.chain.outcome(number) is not None:
            return  # it ended while this phone was away
        sealed = self.journal.sealed.get(number)
        if sealed is None:
            session = RoundSession(
                spec,
                self.ledger.domain,
                self.task,
                number,
                get_document(self.store, opened.plan, MAX_PLAN_BYTES),
                opened.label,
                self.address,
                self.chain.reputation,
            )
            if not session.planned:
                self.tell(f"round {number}: not planned")
                return
            sealed = self.train_and_seal(spec, trainer, session)
        stored = self.publish_and_commit(spec, sealed, opened.commit_until)
        sent = self.edge.bytes_sent + self.chain.bytes_sent
        self.bytes_per_round[number] = stored + sent - self._counted
        self._counted = sent

    def train_and_seal(self, spec: TaskSpec, trainer: Trainer, session: RoundSession) -> Sealed:
        plan, layout = session.plan, Layout.of(spec.model)
        rounds_charged = len(self.journal.charged.keys() - {plan.round})
        check_budget(spec.privacy, plan.learning, rounds_charged)
        parameters = layout.from_safetensors(get_document(self.store, plan.model, layout.max_bytes))
        indices = decode_index_set(get_document(self.store, plan.index_set, 4 * layout.dimension), layout.dimension)
        if len(indices) != plan.dimension:
            raise VerificationError("the index set does not have the plan's dimension", fault=Party.EDGE_SERVER)
        self.journal.charge(plan.round, session.label)
        update = prepare_update(
            trainer,
            parameters,
            plan.learning,
            indices,
            self.journal.residual(layout.dimension),
            self.randomness,
            session.label.hex(),
        )
        keys = self.journal.keys_of(plan.key_epoch)
        body, signed = session.seal(update.values, keys, self.signer, self.randomness, _digest_of)
        return self.journal.seal(signed, body, update.residual)

    def publish_and_commit(self, spec: TaskSpec, sealed: Sealed, commit_until: int) -> int:
        """Store the ciphertext, submit, await the receipt; without one in time, commit directly. Bytes stored."""
        signed = sealed.commitment
        commitment = signed.commitment
        body = self.journal.body(commitment.round)
        encoding = suite(spec.suite).encoding_for(spec.learning.bits, spec.learning.packing)
        if self.store.put(body, encoding.block_bytes).digest != commitment.ciphertext:
            raise VerificationError("the sealed ciphertext has changed on disk")
        submission = Submission(self.address, commitment.nonce, commitment.ciphertext, signed.signature)
        margin = min(self.direct_margin_seconds, spec.durations.commit_seconds // 4)
        submitted = False
        while (now := self.ledger.now()) <= commit_until:
            try:
                if now < commit_until - margin:
                    if not submitted:
                        self.edge.submit(self.task, commitment.round, submission)
                        submitted = True
                    receipt = self.edge.receipt(self.task, commitment.round, self.address, self.poll_seconds)
                    if receipt is None:
                        continue
                    verify_receipt(self.ledger.round(self.task, commitment.round).batch_root, signed, receipt)
                    return len(body)
            except EdgeUnavailableError:
                self.sleep(PATIENCE_SECONDS)
                continue
            except (EdgeRefusedError, VerificationError) as error:
                log.info("no receipt", round=commitment.round, error=str(error))
                submitted = False
            if self.commit_directly(sealed):
                break
            self.sleep(PATIENCE_SECONDS)
        return len(body)

    def commit_directly(self, sealed: Sealed) -> bool:
        """The way round a censoring or absent edge server; costs gas. False when it may still work later."""
        commitment = sealed.commitment.commitment
        try:
            if not self.ledger.has_committed_directly(self.task, commitment.round, self.address):
                self.ledger.commit_direct(sealed.commitment)
                self.tell(f"round {commitment.round}: committed directly on chain")
        except TransactionRevertedError as error:
            log.warning("direct commitment refused", round=commitment.round, error=str(error))
        except LedgerError as error:
            log.warning("no direct commitment", round=commitment.round, error=str(error))
            return False
        return True

    def settle_rounds(self) -> None:
        """Learn from the chain how earlier rounds ended, so that the right residual is carried on."""
        self.chain.refresh()
        for number in self.journal.sealed.keys() - self.journal.outcomes.keys():
            outcome = self.chain.outcome(number)
            if outcome is not None:
                self.journal.settle(number, outcome)

    def claim(self) -> None:
        """Have the edge server relay the claim of the last payout; send it oneself if it does not."""
        while self.ledger.now() < self.chain.payable_from():
            self.sleep(PATIENCE_SECONDS)
        owed = self.chain.entitlement()
        if owed is None:
            return
        index, entitlement, proof = owed
        for look in range(4 * LOOKS_PER_REQUEST):
            paid = self.ledger.claimed_wei(self.task, self.address) >= entitlement.cumulative_wei
            if paid and self.ledger.standing(self.address).task != self.task:
                self.tell(f"received {entitlement.cumulative_wei} wei, reputation {entitlement.reputation}")
                return
            if look % LOOKS_PER_REQUEST == 0:
                self._politely(lambda: self.edge.request_claim(self.task, self.address))
            self.sleep(PATIENCE_SECONDS)
        try:
            self.ledger.claim(self.task, index, entitlement, proof)
        except HearthError as error:  # no gas, most likely; the reward waits until claimUntil
            self.tell(f"{entitlement.cumulative_wei} wei earned but not claimed yet: {error}")

    def _politely(self, request: Callable[[], None]) -> bool:
        """Whether the edge server took it."""
        try:
            request()
            return True
        except (EdgeUnavailableError, EdgeRefusedError) as error:
            log.info("edge server did not take it", error=str(error), client=to_hex(self.address))
            return False


def _digest_of(body: bytes, chunk_bytes: int) -> Digest:
    return cid_of(body, chunk_bytes).digest
