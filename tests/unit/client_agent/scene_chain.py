"""A chain without a contract: blocks of at most one event that can be taken back, and a clock that a test moves."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from protocol.cohort import verify_place
from protocol.domain import Domain
from protocol.errors import Party, VerificationError
from protocol.identifiers import ZERO_DIGEST, Address, Digest
from protocol.incentives.rewards import verify_entitlement
from protocol.messages.chain import (
    BondView,
    Claimed,
    Compensated,
    DirectCommitted,
    Enrolled,
    EnrolmentView,
    Event,
    RoundExpired,
    Standing,
)
from protocol.messages.following import concerns
from protocol.messages.rosters import RosterPosted
from protocol.messages.round import CohortPlace
from protocol.messages.settlement import ProvenEntitlement
from protocol.messages.submission import BatchLeaf, InclusionProof, SignedCommitment
from protocol.round.commitments import verify_inclusion
from protocol.signing import verify
from protocol.task.fold import fold
from storage.ledger.interface import Head, TransactionRevertedError
from tests.samples import DOMAIN


@dataclass
class PlayedChain:
    """The reading half of the ledger port, and the calls that a phone sends; one task, number 1."""

    blocks: list[tuple[str, int, Event | None]] = field(default_factory=list)  # fork, time, event
    fork: str = "a"
    time: int = 0
    domain: Domain = DOMAIN

    def mine(self, kind: type[Event] | None = None, **fields: Any) -> None:
        transaction = self.fork.encode().ljust(32)
        place: dict[str, Any] = {"block": len(self.blocks), "log_index": 0, "transaction": transaction, "task": 1}
        self.blocks.append((self.fork, self.time, kind(**place, **fields) if kind else None))

    def enrol(self, client: Address, envelope: Digest = ZERO_DIGEST, **said: Any) -> None:
        """``client`` signs with its own key."""
        others = {"reputation": 2, "signer": client, "deadline": 2**47, "signature": bytes(65), **said}
        self.mine(Enrolled, client=client, envelope=envelope, **others)

    def fall_back(self, height: int) -> None:
        """What is mined from then on has other hashes."""
        del self.blocks[height:]
        self.fork += "b"

    def head(self) -> Head:
        return Head(len(self.blocks) - 1, self._hash(len(self.blocks) - 1), self.time)

    def block_hash(self, block: int) -> Digest | None:
        return self._hash(block) if block < len(self.blocks) else None

    def _hash(self, block: int) -> Digest:
        return f"{block} {self.blocks[block][0]}".encode().ljust(32)

    def block_timestamp(self, block: int) -> int:
        return self.blocks[block][1]

    def now(self) -> int:
        return self.time

    def events(self, task: int | None = None, from_block: int = 0, client: Address | None = None) -> list[Event]:
        events = (event for _, _, event in self.blocks[from_block:] if event is not None)
        return [event for event in events if client is None or concerns(event, client)]

    def prepare(self) -> None:
        pass

    def enrolment(self, _: int, client: Address) -> EnrolmentView:
        envelope = next((e.envelope for e in self.events() if isinstance(e, Enrolled) and e.client == client), None)
        return EnrolmentView(envelope or ZERO_DIGEST, 0, 0, 2, False, False)

    def bond(self, _: int, holder: Address) -> BondView:
        rosters = (event for event in self.events() if isinstance(event, RosterPosted))
        windows = [event.window + 1 for event in rosters if event.authority == holder]
        return BondView(2, 0, False, 0, max(windows, default=0))

    def task(self, _: int) -> Any:
        """As much as an account asks that wants to enrol."""
        state = fold(1, self.events())
        assert state.posted is not None
        terms = state.posted.terms
        return SimpleNamespace(
            last_round=len(state.rounds), rounds=terms.rounds, stopped=state.stopped, enrolled=len(state.enrolled),
            min_clients=terms.min_clients, max_clients=terms.max_clients, enrol_until=state.enrol_until,
            task_until=state.posted.task_until,
        )  # fmt: skip

    def standing(self, _: Address) -> Standing:
        """Of an account that never worked."""
        return Standing(0, 0, 0, 0)

    def commit_direct(self, signed: SignedCommitment, place: CohortPlace) -> None:
        commitment = signed.commitment
        self.mine(
            DirectCommitted, round=commitment.round, client=commitment.client, label=commitment.label,
            nonce=commitment.nonce, ciphertext=commitment.ciphertext, signature=signed.signature,
        )  # fmt: skip

    def expire_round(self, _: int, number: int) -> None:
        facts = fold(1, self.events()).rounds[number - 1]
        if not facts.running or self.time <= facts.opened.settle_until:
            raise TransactionRevertedError("TooEarly")
        self.mine(RoundExpired, round=number)

    def is_compensated(self, _: int, number: int, client: Address) -> bool:
        return (number, client) in fold(1, self.events()).compensated

    def compensate(self, task: int, number: int, client: Address, place: CohortPlace, leaf: BatchLeaf | None) -> None:
        """As the contract does."""
        state = fold(1, self.events())
        facts, posted = state.rounds[number - 1], state.posted
        assert posted is not None
        if not facts.compensates:
            raise TransactionRevertedError("RoundUnexpected")
        verify_place(facts.opened.cohort_root, facts.opened.cohort, client, place)
        if client not in facts.directs:
            if leaf is None or facts.batched is None or leaf.signed.commitment.client != client:
                raise TransactionRevertedError("ProofInvalid")
            assert leaf.signed.commitment.label == facts.opened.label
            verify_inclusion(facts.batched.root, leaf.signed, InclusionProof(leaf.index, leaf.proof))
            verify(self.domain, leaf.signed.commitment, leaf.signed.signature, state.signer_of(client), Party.CLIENT)
        if (number, client) in state.compensated:
            raise TransactionRevertedError("NothingToPay")
        self.mine(Compensated, round=number, client=client, amount=facts.compensation(posted.terms))

    def claim(self, task: int, proven: ProvenEntitlement) -> None:
        """As the contract does: under the root that is payable now, and nothing twice."""
        state, entry = fold(1, self.events()), proven.entitlement
        standing = [facts.settled for facts in state.rounds if facts.settled is not None]
        assert state.posted is not None
        if standing and self.time < self.block_timestamp(standing[-1].block) + state.posted.terms.dispute_seconds:
            standing.pop()
        try:
            verify_entitlement(standing[-1].allocation_root if standing else ZERO_DIGEST, task, entry.client, proven)
        except VerificationError:
            raise TransactionRevertedError("ProofInvalid") from None
        before = state.claims[entry.client].cumulative if entry.client in state.claims else 0
        last = state.last_settled()
        ended = len(state.rounds) == state.posted.terms.rounds and state.current is None
        freed = ended and last is not None and proven.round == last.number
        if entry.cumulative <= before and not freed:
            raise TransactionRevertedError("NothingToPay")
        self.mine(
            Claimed, client=entry.client, amount=entry.cumulative - before, cumulative=entry.cumulative,
            reputation=entry.reputation, freed=freed,
        )  # fmt: skip
