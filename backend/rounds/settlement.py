"""How a round ends: what is published, who is owed what, and the claims that the server relays."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import structlog

from backend.aggregation.aggregator import Aggregate
from backend.rounds.history import RoundFacts, TaskHistory
from protocol.canonical import encode
from protocol.identifiers import ZERO_DIGEST, Address, sha256, to_hex
from protocol.incentives.contribution import Progress
from protocol.incentives.rewards import allocation_root, claim_batch, claim_proof, settle, total_owed
from protocol.messages.chain import Publication, RoundPublished
from protocol.messages.charge import Charge
from protocol.messages.keys import KeyRequest, PartialKeyAnswer
from protocol.messages.settlement import ABANDONED, PUBLISHED, Allocation, RoundRecord, Verdict
from protocol.model.dataset import MAX_DATASET_BYTES, decode_labelled
from protocol.model.evaluation import count_correct
from protocol.privacy.spending import spent
from protocol.sparse.codec import encode_sums
from storage.content.interface import ContentStore, get_document
from storage.ledger.interface import Ledger, TransactionRevertedError

CLAIMS_AT_ONCE = 100

log = structlog.get_logger()


@dataclass
class Settlement:
    """Puts the documents of a round's end into content, then their digests on chain."""

    ledger: Ledger
    store: ContentStore
    history: TaskHistory

    def publish(
        self,
        facts: RoundFacts,
        verdict: Verdict,
        request: KeyRequest,
        answers: dict[int, PartialKeyAnswer],
        aggregate: Aggregate,
    ) -> None:
        """``answers`` by position in the committee; those that made the key and those that lie go on record."""
        store = self.store
        used, accused = ([answers[j] for j in positions] for positions in (aggregate.members, aggregate.accused))
        for answer in (*used, *accused):
            store.put(answer.residues)
        for answer in accused:
            log.warning("a key authority lied", authority=to_hex(answer.signed.statement.authority))
        sums = store.put(encode_sums(aggregate.decrypted.sums))
        model = store.put(self.history.layout.to_safetensors(aggregate.parameters))
        correct, examples = self._count(aggregate.parameters)
        progress = Progress(self._best_so_far(), correct, examples)
        allocation = self._allocation(facts, verdict, progress)
        record = RoundRecord(
            label=facts.opened.label,
            outcome=PUBLISHED,
            verdict=verdict,
            request=request.digest(),
            keys=tuple(answer.signed for answer in used),
            accused=tuple(answer.signed for answer in accused),
            functional_key=sha256(aggregate.key),
            aggregate=sums.digest,
            max_residual=aggregate.decrypted.max_residual,
            model=model.digest,
            correct=correct,
            examples=examples,
            charge=self._charge(facts),
            allocation=store.put(encode(allocation)).digest,
        )
        root, allocated = allocation_root(allocation), total_owed(allocation)
        publication = Publication(model.digest, store.put(encode(record)).digest, root, allocated, correct, examples)
        self.ledger.publish_round(self.history.task, facts.number, publication)

    def abandon(self, facts: RoundFacts, verdict: Verdict) -> None:
        """No model: those who delivered are paid their participation all the same."""
        allocation = self._allocation(facts, verdict, None)
        record = RoundRecord(
            label=facts.opened.label,
            outcome=ABANDONED,
            verdict=verdict,
            request=facts.requested.request if facts.requested else ZERO_DIGEST,
            keys=(),
            accused=(),
            functional_key=ZERO_DIGEST,
            aggregate=ZERO_DIGEST,
            max_residual=0,
            model=ZERO_DIGEST,
            correct=0,
            examples=0,
            charge=self._charge(facts),
            allocation=self.store.put(encode(allocation)).digest,
        )
        digest = self.store.put(encode(record)).digest
        root, allocated = allocation_root(allocation), total_owed(allocation)
        self.ledger.abandon_round(self.history.task, facts.number, digest, root, allocated)

    def relay_claims(self, clients: Collection[Address]) -> None:
        """Sends the claims of those who are owed money or their reputation; each can still claim by itself.

        Those without money due go alone: whether their leaf is the last one is for the ledger to say, which refuses
        before anything is sent, while in a batch it would skip them and charge for it.
        """
        allocation = self.history.payable() if clients else None
        if allocation is None:
            return
        task, paid = self.history.task, list[Address]()
        for entry in allocation.entitlements:
            if entry.client not in clients:
                continue
            if entry.cumulative > self.ledger.claimed(task, entry.client):
                paid.append(entry.client)
            elif self.ledger.standing(entry.client).task == task:
                self._send_claims(allocation, [entry.client])
        for start in range(0, len(paid), CLAIMS_AT_ONCE):
            self._send_claims(allocation, paid[start : start + CLAIMS_AT_ONCE])

    def _send_claims(self, allocation: Allocation, clients: Sequence[Address]) -> None:
        try:
            if len(clients) == 1:
                self.ledger.claim(self.history.task, claim_proof(allocation, clients[0]))
            else:
                self.ledger.claim_many(self.history.task, claim_batch(allocation, clients))
        except TransactionRevertedError as error:
            if len(clients) == 1:
                log.warning("claim refused", client=to_hex(clients[0]), error=str(error))
                return
            for client in clients:  # one that cannot be paid must not keep the others out
                self._send_claims(allocation, [client])

    def _allocation(self, facts: RoundFacts, verdict: Verdict, progress: Progress | None) -> Allocation:
        _, before = self.history.before(facts.number)
        return settle(self.history.spec, before, facts.number, verdict, progress)

    def _best_so_far(self) -> int:
        """Most right answers of any published model, the initial one included."""
        ends = [facts.ended for facts in self.history.rounds.values()]
        return max([self._initial_correct, *(end.correct for end in ends if isinstance(end, RoundPublished))])

    @cached_property
    def _initial_correct(self) -> int:
        layout, digest = self.history.layout, self.history.spec.initial_model
        return self._count(layout.from_safetensors(get_document(self.store, digest, layout.max_bytes)))[0]

    def _count(self, parameters: npt.NDArray[np.float32]) -> tuple[int, int]:
        """Right answers on the public test set, and of how many."""
        spec = self.history.spec
        test_set = decode_labelled(get_document(self.store, spec.test_set, MAX_DATASET_BYTES))
        return count_correct(spec.model, parameters, *test_set), len(test_set[1])

    def _charge(self, facts: RoundFacts) -> Charge:
        return spent(facts.plan.learning.mechanism, self.history.spec.privacy, facts.number)
