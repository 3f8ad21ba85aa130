"""A desk whose chain and documents a test tells it: three clients are enrolled, round 1 is open."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from backend.rounds.desk import Desk
from backend.rounds.inbox import Inbox
from backend.rounds.journal import EdgeJournal
from protocol.canonical import encode
from protocol.content.cid import cid_of
from protocol.errors import HearthError
from protocol.messages.chain import BatchCommitted, Enrolled, Event, TaskPosted
from protocol.messages.round import SignedEndorsement
from protocol.messages.submission import Enrolment, SignedEnrolment
from protocol.round.commitments import batch_root
from protocol.round.planning import terms_of
from protocol.task.documents import Delivered, Kind
from protocol.task.fold import Entry, fold
from storage.ledger.signer import Signer
from storage.records.memory import MemoryRecords
from tests.samples import DOMAIN, private_key
from tests.unit.backend.rounds.scene_round import CLIENTS, PlannedRound

CLAIM_UNTIL = 9_999
OUTSIDER, EDGE = Signer(private_key("client", 99)), Signer(private_key("edge"))


class DeskScene:
    """Three clients are enrolled, round 1 is open; ``say`` tells the desk what the chain has more."""

    def __init__(
        self,
        censored: frozenset[bytes] = frozenset(),
        max_clients: int = 3,
        stake: int = 0,
        confirmations: int = 0,
        enrol_until: int = 700,
    ) -> None:
        self.round, self.head = PlannedRound(), 9
        deposits = replace(self.round.spec.deposits, client=stake)
        spec = replace(self.round.spec, deposits=deposits, confirmations=confirmations)
        terms = self.terms = replace(terms_of(spec), max_clients=max_clients)
        self.journal, self.inbox = EdgeJournal(MemoryRecords()), Inbox(MemoryRecords())
        self.woken: list[int] = []
        self.seconds: dict[int, dict[str, float]] = {}
        self.censored, self.entries = censored, list[Entry]()
        self.endorsements: dict[bytes, tuple[SignedEndorsement, ...]] = {}
        self.desk = self.make_desk()
        self.say(
            told(
                TaskPosted, manufacturer=b"m" * 20, terms=terms, escrow=0, enrol_until=enrol_until, task_until=9_000,
                claim_until=CLAIM_UNTIL,
            )
        )  # fmt: skip
        self.deliver(Kind.SPEC, encode(spec))
        for client in CLIENTS:
            said = {"envelope": bytes(32), "reputation": 2, "deadline": 700, "signature": bytes(65)}
            self.say(told(Enrolled, client=client, signer=client, **said))
        self.opened = replace(self.round.opened(), plan=cid_of(encode(self.round.plan)).digest)
        self.say(self.opened)
        self.deliver(Kind.PLAN, encode(self.round.plan))

    def make_desk(self) -> Desk:
        return Desk(
            DOMAIN, EDGE, 1, self.journal, self.inbox, self.censored, self.woken.append, self.seconds,
            lambda confirmations: self.head - confirmations, lambda label, _: self.endorsements.get(label, ()),
        )  # fmt: skip

    def enrolment(self, client: Signer, **changes: Any) -> SignedEnrolment:
        """What a phone sends; ``changes`` of what it signs."""
        terms = self.terms
        said = Enrolment(1, terms.spec, client.address, client.address, b"\1" * 32, terms.stake, CLAIM_UNTIL, 700)
        changed = replace(said, **changes)
        return SignedEnrolment(changed, client.sign(DOMAIN, changed))

    def say(self, *entries: Entry, now: int = 600) -> None:
        self.entries += entries
        self.desk.publish(fold(1, self.entries), now)

    def deliver(self, kind: Kind, content: bytes) -> None:
        wanted = next(wanted for wanted in fold(1, self.entries).wanted() if wanted.kind is kind)
        self.say(Delivered(wanted, content))

    def batch(self) -> None:
        batch = self.round.batch()
        digest = cid_of(encode(batch)).digest
        self.say(told(BatchCommitted, round=1, root=batch_root(batch), batch=digest, count=3, object_until=1_100))


def told(kind: type[Event], **fields: Any) -> Event:
    place: dict[str, Any] = {"block": 9, "log_index": 0, "transaction": bytes(32), "task": 1}
    return kind(**place, **fields)


def refusal(call: Any, *arguments: Any) -> str:
    with pytest.raises(HearthError) as caught:
        call(*arguments)
    return caught.value.code
