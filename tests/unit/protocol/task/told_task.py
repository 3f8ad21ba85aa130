"""A task of two rounds as events and documents, without a chain: the first published, the second under way."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, TypeVar

import numpy as np

from protocol.canonical import encode
from protocol.content.cid import cid_of
from protocol.identifiers import ZERO_DIGEST, Address, Digest
from protocol.incentives.contribution import Progress
from protocol.incentives.rewards import allocation_root, fees, first_allocation, settle, total_owed
from protocol.messages.chain import (
    BatchCommitted,
    DirectCommitted,
    Enrolled,
    Event,
    KeyRequested,
    RoundOpened,
    RoundPublished,
    TaskPosted,
)
from protocol.messages.rosters import RosterPosted, runs_of
from protocol.messages.round import RoundPlan
from protocol.messages.settlement import PUBLISHED, RoundRecord, Verdict
from protocol.messages.submission import Commitment, SignedCommitment
from protocol.model.initialization import initial_parameters
from protocol.model.layout import Layout
from protocol.privacy.spending import spent
from protocol.round.commitments import batch_of, batch_root
from protocol.round.key_request import key_request
from protocol.round.planning import plan_round, terms_of
from protocol.sparse.codec import encode_sums
from protocol.task.documents import Delivered, Kind, Lack
from protocol.task.fold import Entry, apply
from protocol.task.state import TaskState
from tests.samples import DOMAIN, client_address, sample_spec

CLIENTS = sorted(client_address(number) for number in range(3))
MANUFACTURER, SUBSTITUTE = b"\x0a" * 20, b"\x0b" * 20
SIGNATURE = bytes(65)
KINDS = [kind for kind in Kind if kind not in (Kind.GRAM, Kind.SCREENING)]  # that a task has which is not screened
T = TypeVar("T", bound=Event)


def event_of(kind: type[T], **fields: Any) -> T:
    """After everything that was told."""
    place: dict[str, Any] = {"block": 99, "log_index": 0, "transaction": bytes(32), "task": 1}
    return kind(**place, **fields)


class ToldTask:
    """``events`` in order; ``contents`` by digest. Signatures are nobody's: a fold does not ask."""

    def __init__(self, **cohort: int) -> None:
        """``cohort``: changes of its terms."""
        self.events: list[Event] = []
        self.contents: dict[Digest, bytes] = {}
        spec = sample_spec()
        spec = replace(spec, cohort=replace(spec.cohort, **cohort))
        self.layout = Layout.of(spec.model)
        self.parameters = initial_parameters(spec.model)
        durations = replace(spec.durations, takeover_seconds=100, roster_seconds=1)
        spec = replace(spec, durations=durations, edge_substitutes=(SUBSTITUTE,))
        self.spec = replace(spec, initial_model=self.put(self.layout.to_safetensors(self.parameters)))
        self.put(encode(self.spec))
        self.say(
            TaskPosted, manufacturer=MANUFACTURER, terms=terms_of(self.spec), escrow=self.spec.budget(),
            enrol_until=600, task_until=86_400, claim_until=172_800,
        )  # fmt: skip
        for client in CLIENTS:
            self.enrol(client)
        everybody = runs_of(CLIENTS, set(CLIENTS))
        for authority in self.spec.committee.members:
            self.say(RosterPosted, window=0, authority=authority, held=everybody, refused=b"")
        self.plans: list[RoundPlan] = []
        self.open(1, self.spec.initial_model)
        self.commit(1, CLIENTS[:2], CLIENTS[2:])
        self.publish(1)
        self.open(2, self.model)

    def put(self, data: bytes) -> Digest:
        digest = cid_of(data).digest
        self.contents[digest] = data
        return digest

    def say(self, kind: type[Event], **fields: Any) -> None:
        place: dict[str, Any] = {"block": len(self.events) + 1, "log_index": 0, "transaction": ZERO_DIGEST, "task": 1}
        self.events.append(kind(**place, **fields))

    def enrol(self, client: Address, signer: Address | None = None) -> None:
        said = {"envelope": ZERO_DIGEST, "reputation": 2, "deadline": 600, "signature": SIGNATURE}
        self.say(Enrolled, client=client, signer=signer or client, **said)

    def open(self, number: int, model: Digest, cohort: dict[Address, int] | None = None) -> None:
        label = self.plans[-1].label() if self.plans else ZERO_DIGEST
        cohort = cohort or dict.fromkeys(CLIENTS, 2)
        plan = plan_round(self.spec, DOMAIN, 1, number, cohort, model, label)
        self.plans.append(plan)
        start = 1_000 * number
        self.say(
            RoundOpened, round=number, plan=self.put(encode(plan)), label=plan.label(),
            cohort_root=plan.cohort.root, cohort=3, beacon=ZERO_DIGEST,
            commit_until=start + 300, settle_until=start + 600,
        )  # fmt: skip

    def commit(self, number: int, batched: list[Address], direct: list[Address]) -> None:
        plan = self.plans[number - 1]
        said = {c: Commitment(1, number, c, plan.label(), bytes(16), c + bytes(12)) for c in CLIENTS}
        signed = {client: SignedCommitment(commitment, SIGNATURE) for client, commitment in said.items()}
        self.committed = signed
        batch = batch_of(signed[client] for client in batched)
        self.say(
            BatchCommitted, round=number, root=batch_root(batch), batch=self.put(encode(batch)), count=len(batched),
            object_until=1_000 * number + 100,
        )  # fmt: skip
        for client in direct:
            commitment = said[client]
            self.say(
                DirectCommitted, round=number, client=client, label=commitment.label, nonce=commitment.nonce,
                ciphertext=commitment.ciphertext, signature=SIGNATURE,
            )  # fmt: skip

    def publish(self, number: int) -> None:
        plan, verdict = self.plans[number - 1], Verdict(self.plans[number - 1].label(), tuple(CLIENTS), ())
        request = key_request(plan, self.committed, CLIENTS)
        self.say(KeyRequested, round=number, request=self.put(encode(request)))
        before, progress = first_allocation(1, dict.fromkeys(CLIENTS, 2)), Progress(0, 1, 4)
        allocation = settle(self.spec, before, number, verdict, progress, fees(self.spec, self.spec.edge_server, ()))
        aggregate = self.put(encode_sums(np.arange(plan.dimension, dtype=np.int64)))
        self.model = self.put(self.layout.to_safetensors(self.parameters + np.float32(1)))
        record = RoundRecord(
            plan.label(), PUBLISHED, verdict, request.digest(), (), (), (), ZERO_DIGEST, aggregate, 0, self.model, 1, 4,
            spent({plan.learning.mechanism: number}, plan.learning, self.spec.privacy), self.put(encode(allocation)),
        )  # fmt: skip
        self.say(
            RoundPublished, round=number, model=self.model, record=self.put(encode(record)),
            allocation_root=allocation_root(allocation), allocated=total_owed(allocation), correct=1, examples=4,
        )  # fmt: skip

    def state(self, without: Digest | None = None) -> TaskState:
        """Everything told and delivered, but for one document that is withheld."""
        state = TaskState(1)
        for event in self.events:
            state = apply(state, event)
        for _ in range(3):  # a document names the next
            for delivered in self.deliveries(state, without):
                state = apply(state, delivered)
        return state

    def deliveries(self, state: TaskState, without: Digest | None = None) -> list[Entry]:
        return [
            Delivered(wanted, Lack.MISSING if wanted.digest == without else self.contents[wanted.digest])
            for wanted in state.wanted()
        ]
