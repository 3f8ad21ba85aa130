"""A phone's place in one task: its enrolment, sealed to the authorities' keys and sent until the chain knows it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import structlog

from client_agent.edge_client import EdgeClient, EdgeRefusedError, EdgeUnavailableError
from client_agent.followed_task import FollowedTask
from client_agent.journal import AgentJournal
from client_agent.place import EnrolmentOverError, enrolled_elsewhere, require_place
from client_agent.stake import Stake
from client_agent.voucher import PhoneVoucher
from protocol.canonical import encode
from protocol.content.cid import cid_of
from protocol.encryption.committee import draw_master_keys
from protocol.encryption.envelope import seal_envelope
from protocol.errors import Party
from protocol.identifiers import Address, to_hex
from protocol.messages.submission import Enrolment, SignedEnrolment
from protocol.messages.task import TaskSpec
from protocol.randomness import Randomness
from protocol.round.windows import enrolment_window
from storage.content.interface import ContentStore
from storage.ledger.interface import Ledger, TransactionRevertedError
from storage.ledger.signer import Signer

log = structlog.get_logger()
RELAY_SECONDS: Final = 10  # after which the edge server is asked again for what it has taken
PATIENCE_SECONDS: Final = 0.5  # between two looks at something that must still happen on chain
VALID_SECONDS: Final = 24 * 3600  # of an enrolment: whoever holds it longer back cannot use it any more


@dataclass
class Membership:
    """Of one phone in one task; every step may be repeated after a kill."""

    signer: Signer
    ledger: Ledger
    store: ContentStore
    edge: EdgeClient
    journal: AgentJournal
    followed: FollowedTask
    randomness: Randomness
    tell: Callable[[str], None]
    voucher_code: bytes = b""  # where the task needs vouchers
    _next_request: float = 0
    _refusals: int = 0  # in a row
    _deadline: int = 0  # of the enrolment that was signed last
    _told: set[str] = field(default_factory=set)  # codes of refusals that the owner knows of

    def __post_init__(self) -> None:
        self.voucher = PhoneVoucher(
            self.ledger.domain, self.task, self.address, self.voucher_code, self.edge, self.journal, self.randomness,
            self.tell,
        )  # fmt: skip

    @property
    def address(self) -> Address:
        return self.signer.address

    @property
    def task(self) -> int:
        return self.followed.state.task

    def step(self, spec: TaskSpec, now: int) -> float | None:
        """At most one request or transaction; when to come again, None once enrolled.

        Where the task asks for a stake this account sends the enrolment, since nobody else brings its money; the edge
        server relays any other. Raises PlaceError, FundsError, and then for good.
        """
        enrolled = self.followed.state.enrolled.get(self.address)
        if enrolled is not None and enrolled.envelope in self.journal.envelopes.values():
            self.journal.enrolled_with(enrolled.envelope)
            return None
        if enrolled is not None:
            raise enrolled_elsewhere(self.address)
        shown_at = self.voucher.step(spec, self.followed.state.enrol_until, now)
        if shown_at is not None:
            return shown_at
        if now >= self._next_request:
            sent = self._send(spec)
            self._refusals = 0 if sent else self._refusals + 1
            self._next_request = now + (RELAY_SECONDS if sent else _pause(self._refusals))
        return now + PATIENCE_SECONDS

    def _send(self, spec: TaskSpec) -> bool:
        """Whether the enrolment is on its way."""
        self._require_place()  # whoever relays it keeps the ledger's refusal to itself
        try:
            if spec.deposits.client:
                self._bring_stake(spec)
            else:
                self.edge.enrol(self._signed_enrolment(spec))
            return True
        except (EdgeUnavailableError, EdgeRefusedError) as error:
            log.info("edge server did not take it", error=str(error), client=to_hex(self.address))
            if error.code not in self._told:
                self._told.add(error.code)
                self.tell(f"not enrolled yet, it goes on asking: {error}")
            return False

    def _bring_stake(self, spec: TaskSpec) -> None:
        stake = Stake(spec.deposits.client, spec.rewards.token, self.ledger, self.tell)
        stake.check()
        try:
            stake.enrol(self._signed_enrolment(spec), spec.vouchers.modulus)
        except TransactionRevertedError as error:
            token = f"; it may be that token {to_hex(stake.token)} does not let this account pay" * any(stake.token)
            raise EnrolmentOverError(f"the ledger refuses the enrolment: {error}{token}", fault=Party.LEDGER) from error

    def _signed_enrolment(self, spec: TaskSpec) -> SignedEnrolment:
        """With the same envelope after a kill, and another one in another window: an authority erases what opens the
        first. It is in content. The ledger takes no enrolment after its deadline, so an old one is signed anew.
        Raises what the edge client raises while there are no keys."""
        window = enrolment_window(len(self.followed.state.rounds), spec.cohort.roster_rounds)
        if window not in self.journal.envelopes:
            self._seal(spec, window)
        envelope = self.journal.envelopes[window]
        self.store.put(self.journal.envelope_bytes(window))
        posted = self.followed.state.posted
        assert posted is not None  # else there is no spec either
        enrolment = Enrolment(
            task=self.task,
            spec=posted.terms.spec,
            client=self.address,
            signer=self.address,
            envelope=envelope,
            stake=spec.deposits.client,
            locked_until=posted.claim_until,
            deadline=self._valid_until(posted.task_until),
        )
        signature, voucher = self.signer.sign(self.ledger.domain, enrolment), self.journal.voucher or b""
        return SignedEnrolment(enrolment, signature, voucher if spec.vouchers.needed else b"")

    def _valid_until(self, task_until: int) -> int:
        """Of the enrolment that is signed now: as before, unless that is nearly over."""
        now = self.followed.now
        if self._deadline < now + RELAY_SECONDS:
            self._deadline = min(now + VALID_SECONDS, task_until)
        return self._deadline

    def _seal(self, spec: TaskSpec, window: int) -> None:
        domain, members, t = self.ledger.domain, spec.committee.members, spec.committee.threshold
        recipients = self.edge.window_keys(domain, self.task, window, members)
        if not self.journal.has_keys:
            self.journal.keep_keys(draw_master_keys(self.randomness, len(members), t, f"task/{self.task}/enrolment"))
        envelope = encode(
            seal_envelope(
                self.journal.keys_of(0), domain.prefix(), self.task, window, self.address, recipients, t,
                self.randomness,
            )
        )  # fmt: skip
        self.journal.keep_envelope(window, envelope, cid_of(envelope).digest)

    def _require_place(self) -> None:
        posted = self.followed.state.posted
        assert posted is not None  # else there is no spec either
        kept = self.journal.envelopes.values()
        require_place(self.ledger, self.task, posted.terms, self.address, kept, self.followed.now)


def _pause(refusals: int) -> float:
    """Seconds until servers are asked again that serve nobody yet."""
    return min(RELAY_SECONDS, PATIENCE_SECONDS * 2.0 ** min(refusals - 1, 10))
