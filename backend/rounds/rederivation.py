"""What somebody withholds of a settled round, derived again and held against the digests on chain.

An allocation follows from the verdict, a verdict from the ciphertexts, sums from ciphertexts and partial keys, a model
from sums. Whatever matches goes into content, where everybody finds it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import structlog

from backend.aggregation.aggregator import decrypt_sum
from backend.aggregation.verifier import VerifiedSum, verify_updates
from backend.rounds.committee_client import CommitteeClient
from backend.rounds.key_answers import KeyAnswers
from protocol.canonical import encode
from protocol.content.cid import cid_of
from protocol.errors import HearthError
from protocol.incentives.contribution import Progress
from protocol.incentives.rewards import allocation_root, settle
from protocol.messages.chain import RoundPublished
from protocol.messages.settlement import Allocation, Verdict
from protocol.model.layout import Layout
from protocol.model.step import apply_step
from protocol.round.key_request import key_request
from protocol.round.planning import choose_index_set
from protocol.round.scheme import RoundScheme
from protocol.sparse.codec import decode_index_set, decode_sums, encode_index_set, encode_sums
from protocol.task.documents import Absent, Rederived
from protocol.task.past import allocation_before, past_before, readable, standing_allocation
from protocol.task.state import TaskState
from storage.content.interface import ContentStore, get_document
from storage.history import UnderivableError, load_history, there
from storage.task_reader import TaskReader

log = structlog.get_logger()


@dataclass
class Rederivation:
    """Of one task."""

    store: ContentStore
    committee: CommitteeClient
    reader: TaskReader
    pause: Callable[[float], None]

    @property
    def state(self) -> TaskState:
        return self.reader.state

    def run(self, number: int, best: int) -> bool:
        """Whether round ``number`` can be read now. ``best``: most right answers of any model before it.

        Of a round that runs only the index set is derived: phones wait for it.
        """
        try:
            if self.state.rounds[number - 1].running:
                self.indices(number)
                self.reader.look_again()
                return True
            verdict, total = self._verdict(number)
            allocation = self._allocation(number, verdict, best)
            published = isinstance(self.state.rounds[number - 1].ended, RoundPublished)
            aggregate = self._model(number, verdict, total) if published else None
        except HearthError as error:
            log.warning("not derived again", task=self.state.task, round=number, error=str(error))
            return False
        self.reader.add(Rederived(number, verdict, aggregate, allocation))
        self.reader.look_again()
        log.info("derived again", task=self.state.task, round=number)
        return True

    def _verdict(self, number: int) -> tuple[Verdict, VerifiedSum | None]:
        known, facts = self.state.verdict(number), self.state.rounds[number - 1]
        if isinstance(known, Verdict):
            return known, None
        plan, committed = there(self.state.plan(number)), there(self.state.committed(number))
        verdict, total = verify_updates(self.store, self._scheme(number), committed, self.pause)
        request = key_request(plan, committed, verdict.accepted)
        if facts.requested is not None and request.digest() != facts.requested.request:
            raise UnderivableError("another set than the one whose key was requested is accepted now")
        return verdict, total

    def _allocation(self, number: int, verdict: Verdict, best: int) -> Allocation:
        settled = self.state.rounds[number - 1].settled
        if settled is None:  # frozen: what stood before stands
            return there(allocation_before(self.state, number))
        known = standing_allocation(self.state, number)
        if isinstance(known, Allocation):
            return known
        progress = Progress(best, settled.correct, settled.examples) if isinstance(settled, RoundPublished) else None
        before = there(allocation_before(self.state, number))
        allocation = settle(there(self.state.spec), before, number, verdict, progress)
        if allocation_root(allocation) != settled.allocation_root:
            raise UnderivableError("the allocation that follows is not the one on chain")
        self.store.put(encode(allocation))
        return allocation

    def _model(self, number: int, verdict: Verdict, total: VerifiedSum | None) -> bytes:
        """Digest of the sums; sums, index set and model are in content then."""
        if readable(self.state, number):
            return there(self.state.aggregate(number)).digest
        spec, plan, event = there(self.state.spec), there(self.state.plan(number)), self.state.rounds[number - 1].ended
        assert isinstance(event, RoundPublished)
        layout, indices = Layout.of(spec.model), self.indices(number)
        parameters = layout.from_safetensors(get_document(self.store, plan.model, layout.max_bytes))
        request = key_request(plan, there(self.state.committed(number)), verdict.accepted)
        known = self.state.aggregate(number)
        if isinstance(known, Absent):
            sums = self._decrypted(number, verdict, total, indices, parameters)
        else:
            sums = decode_sums(get_document(self.store, known.digest, 8 * plan.dimension), plan.dimension)
        weights = sum(entry.weight for entry in request.entries)
        stepped = apply_step(parameters, indices, sums, weights, plan.learning.quantiser)
        if self.store.put(layout.to_safetensors(stepped)).digest != event.model:
            raise UnderivableError("the model that follows is not the one on chain")
        return self.store.put(encode_sums(sums)).digest

    def _decrypted(
        self,
        number: int,
        verdict: Verdict,
        total: VerifiedSum | None,
        indices: npt.NDArray[np.uint32],
        parameters: npt.NDArray[np.float32],
    ) -> npt.NDArray[np.int64]:
        """The authorities answer the request on chain with the same bytes for ever."""
        spec, plan, scheme = there(self.state.spec), there(self.state.plan(number)), self._scheme(number)
        committed = there(self.state.committed(number))
        if total is None:
            _, total = verify_updates(self.store, scheme, committed, self.pause, verdict)
        request = key_request(plan, committed, verdict.accepted)
        answers = KeyAnswers(spec.committee, plan, request)
        answers.ask(self.committee)
        partials = {j: answer.residues for j, answer in answers.partials.items()}
        aggregate = decrypt_sum(scheme, request, total, partials, indices, parameters)
        return aggregate.decrypted.sums

    def indices(self, number: int) -> npt.NDArray[np.uint32]:
        """Those of the plan, from content or from the public past."""
        spec, plan = there(self.state.spec), there(self.state.plan(number))
        dimension = Layout.of(spec.model).dimension
        if not isinstance(self.state.index_set(number), Absent):
            return decode_index_set(get_document(self.store, plan.index_set, 4 * dimension), dimension)
        history = load_history(self.state, there(past_before(self.state, number)), self.store)
        for known in (history, replace(history, published=None)):
            indices = choose_index_set(spec, number, known)
            if cid_of(encode_index_set(indices)).digest == plan.index_set:
                self.store.put(encode_index_set(indices))
                return indices
        raise UnderivableError("no index set that follows is the plan's")

    def _scheme(self, number: int) -> RoundScheme:
        return RoundScheme.of(there(self.state.plan(number)), there(self.state.spec).committee)
