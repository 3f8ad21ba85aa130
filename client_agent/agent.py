"""The phone's main path: read the task, tell the owner, enrol, take part in every round, claim, or leave.

Every step may be repeated after a kill: what is durable is not done twice, and one label never sees two updates.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from client_agent.chain_view import ChainView
from client_agent.consent import disclose
from client_agent.consent_text import as_text
from client_agent.delivery import Delivery
from client_agent.edge_client import EdgeClient, EdgeRefusedError, EdgeUnavailableError, NextRound, TaskEnded
from client_agent.journal import AgentJournal, Sealed
from client_agent.membership import PATIENCE_SECONDS, Membership
from client_agent.privacy.budget import charge_next
from client_agent.round_session import RoundSession
from client_agent.stake import fetch_stake
from client_agent.watch import Watch
from protocol.canonical import decode
from protocol.errors import BudgetSpentError, HearthError, Party, VerificationError
from protocol.messages.round import MAX_PLAN_BYTES
from protocol.messages.task import MAX_SPEC_BYTES, TaskSpec
from protocol.model.layout import Layout
from protocol.randomness import Randomness
from protocol.round.scheme import prepare
from protocol.round.training import Trainer
from protocol.round.update import prepare_update
from protocol.sparse.codec import decode_index_set
from storage.content.interface import ContentStore, get_document
from storage.ledger.interface import Ledger
from storage.ledger.signer import Signer

log = structlog.get_logger()
ROUND_ATTEMPTS = 3  # chain or content may be away for a moment


@dataclass
class Agent:
    """One household's phone. All its contacts with the world are arguments."""

    task: int
    signer: Signer
    ledger: Ledger
    store: ContentStore
    edge: EdgeClient
    journal: AgentJournal
    proofs: Path  # folder for proofs of an edge server's breaches
    make_trainer: Callable[[TaskSpec], Trainer]
    randomness: Randomness
    tell: Callable[[str], None]
    agree: Callable[[], bool]  # the owner's word, asked once: after the disclosure and before anything is sent
    examples: int
    poll_seconds: int = 20
    direct_margin_seconds: int = 10
    sleep: Callable[[float], None] = time.sleep
    max_stake_wei: int | None = None  # that it may bring without its owner's word; None when there is one
    bytes_per_round: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.address = self.signer.address
        self.chain = ChainView(self.ledger, self.store, self.task, self.address)
        self.membership = Membership(
            self.task,
            self.signer,
            self.ledger,
            self.store,
            self.edge,
            self.journal,
            self.chain,
            self.randomness,
            self.tell,
            self.sleep,
            self.max_stake_wei,
        )
        self.watch = Watch(
            self.task, self.ledger, self.store, self.edge, self.journal, self.chain, self.proofs, self.tell
        )
        self.delivery = Delivery(
            self.ledger,
            self.store,
            self.edge,
            self.journal,
            self.watch,
            self.tell,
            self.poll_seconds,
            self.direct_margin_seconds,
            self.sleep,
        )
        self._counted = 0  # bytes sent up to the end of the last round taken part in

    def run(self) -> bool:
        """The whole task, from consent to the last claim. False when the owner does not agree: nothing was sent."""
        spec = self.read_task()
        self.tell(as_text(disclose(spec, self.task, self.examples, len(self.journal.charged))))
        if self.journal.envelope is None and not self.agree():
            return False
        self.membership.enrol(spec)
        prepare(spec, clients=1)  # while others enrol: no round waits for a compiler
        trainer = self.make_trainer(spec)
        self._counted = self.edge.bytes_sent + self.chain.bytes_sent  # what enrolment took belongs to no update
        last, attempts = 0, 0
        while True:
            upcoming = self.await_round(last)
            if isinstance(upcoming, TaskEnded):
                break
            try:
                self.settle_rounds()
                if self.chain.left_before(upcoming.round):
                    break
                self.take_part(spec, trainer, upcoming)
            except BudgetSpentError as error:
                self.tell(f"round {upcoming.round}: this phone refuses to train. {error}")
            except HearthError as error:
                attempts += 1
                log.warning("round failed", round=upcoming.round, attempt=attempts, error=str(error))
                if attempts < ROUND_ATTEMPTS:
                    self.edge.turn()
                    self.sleep(PATIENCE_SECONDS)
                    continue
            last, attempts = upcoming.round, 0
        self.settle_rounds()
        self.membership.claim()
        if spec.deposits.client:
            fetch_stake(self.ledger, self.task, self.address, self.tell)
        return True

    def read_task(self) -> TaskSpec:
        digest = self.ledger.task(self.task).spec
        spec = decode(TaskSpec, get_document(self.store, digest, MAX_SPEC_BYTES), MAX_SPEC_BYTES)
        Layout.of(spec.model)  # refuses a model that is not allowed
        return spec

    def await_round(self, after: int) -> NextRound | TaskEnded:
        """Long poll with patience: edge servers that are away may come back until the task's time is over."""
        while True:
            try:
                upcoming = self.edge.next_round(self.task, after, self.poll_seconds)
                if isinstance(upcoming, NextRound) or (upcoming is not None and self.chain.ended()):
                    return upcoming
                if upcoming is not None:
                    self.edge.turn()
                    raise EdgeUnavailableError("the chain knows of no end", fault=Party.EDGE_SERVER)
            except (EdgeUnavailableError, EdgeRefusedError) as error:
                log.info("edge server away", error=str(error))
                if self.ledger.now() > self.ledger.task(self.task).task_until:
                    return TaskEnded()
                self.sleep(PATIENCE_SECONDS)

    def take_part(self, spec: TaskSpec, trainer: Trainer, upcoming: NextRound) -> None:
        """One round: judge the plan, train within the budget, seal, store, commit, see the receipt."""
        number = upcoming.round
        opened = self.watch.check_announcement(spec, upcoming)
        if self.chain.is_over(number):
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
        stored = self.delivery.deliver(spec, sealed, opened.commit_until)
        self.watch.look()
        sent = self.edge.bytes_sent + self.chain.bytes_sent
        self.bytes_per_round[number] = stored + sent - self._counted
        self._counted = sent

    def train_and_seal(self, spec: TaskSpec, trainer: Trainer, session: RoundSession) -> Sealed:
        plan, layout = session.plan, Layout.of(spec.model)
        rounds_charged = len(self.journal.charged.keys() - {plan.round})
        charge = charge_next(plan.learning.mechanism, spec.privacy, rounds_charged)
        parameters = layout.from_safetensors(get_document(self.store, plan.model, layout.max_bytes))
        indices = decode_index_set(get_document(self.store, plan.index_set, 4 * layout.dimension), layout.dimension)
        if len(indices) != plan.dimension:
            raise VerificationError("the index set does not have the plan's dimension", fault=Party.EDGE_SERVER)
        self.journal.charge(plan.round, session.label, charge)
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
        body, signed = session.seal(update.values, keys, self.signer, self.randomness)
        return self.journal.seal(signed, body, update.residual)

    def settle_rounds(self) -> None:
        """Learn from the chain how earlier rounds ended, so that the right residual is carried on."""
        self.chain.refresh()
        for number in self.journal.sealed.keys() - self.journal.outcomes.keys():
            outcome = self.chain.outcome(number)
            if outcome is not None:
                self.journal.settle(number, outcome)
        self.watch.look()
