"""A phone's place in one task: its enrolment at the beginning, its reward and reputation at the end."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from client_agent.chain_view import ChainView
from client_agent.edge_client import EdgeClient, EdgeRefusedError, EdgeUnavailableError
from client_agent.journal import AgentJournal
from client_agent.stake import Stake
from protocol.canonical import encode
from protocol.content.cid import cid_of
from protocol.encryption.committee import draw_master_keys
from protocol.encryption.envelope import seal_envelope
from protocol.errors import HearthError, Party
from protocol.identifiers import ZERO_DIGEST, Address, to_hex
from protocol.messages.submission import Enrolment, SignedEnrolment
from protocol.messages.task import TaskSpec
from protocol.randomness import Randomness
from storage.content.interface import ContentStore
from storage.ledger.interface import Ledger
from storage.ledger.signer import Signer

log = structlog.get_logger()
LOOKS_PER_REQUEST = 20  # at the chain, before the edge server is asked again for what it has taken
PATIENCE_SECONDS = 0.5  # between two looks at something that must still happen on chain


class EnrolmentOverError(HearthError):
    """The task is full, or its enrolment time is over."""

    code = "E_ENROLMENT_OVER"


@dataclass
class Membership:
    """Of one phone in one task; every step may be repeated after a kill."""

    task: int
    signer: Signer
    ledger: Ledger
    store: ContentStore
    edge: EdgeClient
    journal: AgentJournal
    chain: ChainView
    randomness: Randomness
    tell: Callable[[str], None]
    sleep: Callable[[float], None] = time.sleep
    max_stake_wei: int | None = None  # of a phone that nobody watches; None when its owner was asked

    @property
    def address(self) -> Address:
        return self.signer.address

    def enrol(self, spec: TaskSpec) -> None:
        """Draw master keys once, seal them to the committee, sign, and wait until the chain knows.

        Where the task asks for a stake this account sends the enrolment, since nobody else brings its money; the edge
        server relays any other. Raises EnrolmentOverError, StakeRefusedError, FundsError.
        """
        stake = None
        if spec.deposits.client and self.ledger.enrolment(self.task, self.address).envelope == ZERO_DIGEST:
            stake = Stake(spec.deposits.client, spec.rewards.token, self.max_stake_wei, self.ledger, self.tell)
            stake.check(self.task)
            self._require_place()
        signed = self._signed_enrolment(spec)
        if stake is not None:
            stake.enrol(signed)
        self._await_enrolment(signed)

    def _signed_enrolment(self, spec: TaskSpec) -> SignedEnrolment:
        """The same one after a kill; its envelope is in content."""
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
        return SignedEnrolment(enrolment, self.signer.sign(self.ledger.domain, enrolment))

    def _await_enrolment(self, signed: SignedEnrolment) -> None:
        looks = 0
        while self.ledger.enrolment(self.task, self.address).envelope != signed.enrolment.envelope:
            taken = looks % LOOKS_PER_REQUEST != 0 or self._politely(lambda: self.edge.enrol(signed))
            looks += 1 if taken else 0
            if not taken:
                self._require_place()
            self.sleep(PATIENCE_SECONDS)

    def _require_place(self) -> None:
        view = self.ledger.task(self.task)
        if self.ledger.now() > view.enrol_until or view.enrolled >= view.max_clients:
            raise EnrolmentOverError(f"task {self.task} takes no more clients", fault=Party.EDGE_SERVER)

    def claim(self) -> None:
        """Have the edge server relay the claim of the last payout; send it oneself if it does not."""
        while self.ledger.now() < self.chain.payable_from():
            self.sleep(PATIENCE_SECONDS)
        owed = self.chain.entitlement()
        if owed is None:
            return
        entitlement = owed.entitlement
        for look in range(4 * LOOKS_PER_REQUEST):
            paid = self.ledger.claimed(self.task, self.address) >= entitlement.cumulative
            if paid and self.ledger.standing(self.address).task != self.task:
                self.tell(f"received {entitlement.cumulative} wei, reputation {entitlement.reputation}")
                return
            if look % LOOKS_PER_REQUEST == 0:
                self._politely(lambda: self.edge.request_claim(self.task, self.address))
            self.sleep(PATIENCE_SECONDS)
        try:
            self.ledger.claim(self.task, owed)
        except HearthError as error:  # no gas, most likely; the reward waits until claimUntil
            self.tell(f"{entitlement.cumulative} wei earned but not claimed yet: {error}")

    def _politely(self, request: Callable[[], None]) -> bool:
        """Whether the edge server took it."""
        try:
            request()
            return True
        except (EdgeUnavailableError, EdgeRefusedError) as error:
            log.info("edge server did not take it", error=str(error), client=to_hex(self.address))
            return False
