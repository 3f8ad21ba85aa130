"""A task with ten thousand clients whose first round is open, on a chain that only shows it: what an intake is of."""

from __future__ import annotations

import hashlib
import threading
import time
from dataclasses import replace
from functools import cache
from typing import Any, Final

from protocol.canonical import encode
from protocol.domain import Domain
from protocol.encryption.suite import PAD
from protocol.identifiers import ZERO_DIGEST, Address, Label, sha256
from protocol.messages.chain import BondView, Enrolled, Event, RoundExpired, RoundOpened, TaskPosted
from protocol.messages.learning import EncodingTerms
from protocol.messages.round import RoundPlan
from protocol.messages.submission import Commitment, Submission
from protocol.messages.task import CohortTerms, Committee, DepositTerms, Durations, ScheduleTerms, TaskSpec
from protocol.round.planning import plan_round, terms_of
from protocol.signing import address_of, sign
from protocol.version import SPEC_VERSION
from scripts.demonstration.presets import DEMO_REPUTATION, DEMO_REWARDS, digits_terms
from storage.content.interface import ContentStore
from storage.ledger.interface import Head

DOMAIN: Final = Domain(31337, bytes(range(20)))
TASK: Final = 1
DAY: Final = 86_400
BEGIN: Final = 1_800_000_000  # block time when the machine's running clock began
FIRST_BLOCK: Final = 256


def key_of(role: str, number: int = 0) -> bytes:
    """A fixed secp256k1 key."""
    return hashlib.sha256(f"hearth bench {role} {number}".encode()).digest()


def _seconds() -> int:
    """Block time."""
    return BEGIN + int(time.monotonic())


@cache
def clients(count: int) -> tuple[Address, ...]:
    return tuple(address_of(key_of("client", number)) for number in range(count))


def signed(number: int, label: Label, round_number: int = 1) -> bytes:
    """The body that this client sends."""
    client, nonce, ciphertext = address_of(key_of("client", number)), number.to_bytes(16, "big"), sha256(b"%d" % number)
    commitment = Commitment(TASK, round_number, client, label, nonce, ciphertext)
    return encode(Submission(client, nonce, ciphertext, sign(DOMAIN, commitment, key_of("client", number))))


def spec_of(count: int) -> TaskSpec:
    model, learning, privacy = digits_terms()
    members = tuple(address_of(key_of("authority", number)) for number in range(3))
    return TaskSpec(
        version=SPEC_VERSION,
        title="intake",
        suite=PAD,  # the other one does not carry so many
        model=model,
        initial_model=ZERO_DIGEST,
        test_set=ZERO_DIGEST,
        rounds=10,
        confirmations=0,
        edge_server=address_of(key_of("edge")),
        committee=Committee(2, members, 0),
        learning=replace(learning, encoding=EncodingTerms(packing=4)),
        privacy=privacy,
        cohort=CohortTerms(2, count, count, 500_000),
        reputation=DEMO_REPUTATION,
        rewards=replace(DEMO_REWARDS, participation=1),
        durations=Durations(600, DAY, 60, DAY, 30 * DAY, DAY, 60, 600),
        schedule=ScheduleTerms(60, 100),
        deposits=DepositTerms(edge_server=count),
    )


class ShownChain:
    """The ledger port as far as an edge server asks it whose round takes commitments. One block has everything."""

    domain = DOMAIN

    def __init__(self, store: ContentStore, count: int) -> None:
        self.sender, self._store = address_of(key_of("edge")), store
        self._cohort = dict.fromkeys(clients(count), 2)
        self.spec, self._block, self._lock = spec_of(count), FIRST_BLOCK, threading.Lock()
        store.put(encode(self.spec))
        until = _seconds() + DAY
        posted = self._event(
            TaskPosted,
            manufacturer=bytes(20),
            terms=terms_of(self.spec),
            escrow=0,
            enrol_until=until,
            task_until=30 * until,
            claim_until=40 * until,
        )
        self._events: list[Event] = [posted]
        said: dict[str, Any] = {"envelope": bytes(32), "reputation": 2, "deadline": until, "signature": bytes(65)}
        self._events += [self._event(Enrolled, client=client, signer=client, **said) for client in clients(count)]
        self.plan = self.open(1)

    def open(self, number: int) -> RoundPlan:
        """The next round, in place of the one before, with all clients; in a new block."""
        plan = plan_round(self.spec, DOMAIN, TASK, number, self._cohort, ZERO_DIGEST)
        digest, until = self._store.put(encode(plan)).digest, _seconds() + DAY
        with self._lock:
            self.opened_at = time.monotonic()
            self._block += 1
            if number > 1:
                self._events.append(self._event(RoundExpired, round=number - 1))
            self._events.append(
                self._event(
                    RoundOpened,
                    round=number,
                    plan=digest,
                    label=plan.label(),
                    cohort_root=plan.cohort.root,
                    cohort=plan.cohort.count,
                    beacon=ZERO_DIGEST,
                    commit_until=until,
                    settle_until=until + DAY,
                )
            )
        return plan

    def _event(self, kind: type[Event], **fields: Any) -> Event:
        index = len(getattr(self, "_events", ()))
        return kind(block=self._block, log_index=index, transaction=sha256(b"%d" % index), task=TASK, **fields)  # type: ignore[call-arg]

    # what the server asks

    def head(self) -> Head:
        with self._lock:
            block = self._block
        before, hash_ = sha256(b"%d" % (block - 1)), sha256(b"%d" % block)
        return Head(block, hash_, self.now(), before, timestamp=self.now())

    def now(self) -> int:
        return _seconds()

    def block_number(self) -> int:
        return self.head().block

    def block_hash(self, block: int) -> bytes:
        return sha256(b"%d" % block)

    def block_timestamp(self, block: int) -> int:
        return self.now() - 2 * (self.block_number() - block)

    def makes_blocks_on_demand(self) -> bool:
        return True

    def events(self, _: int | None = None, from_block: int = 0, __: Address | None = None) -> list[Event]:
        with self._lock:
            return [event for event in self._events if event.block >= from_block]

    def bond(self, *_: object) -> BondView:
        return BondView(1, 0, True, 1, 0)

    def confirmed(self, _: int) -> ShownChain:
        return self
