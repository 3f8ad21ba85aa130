"""What somebody withholds of a settled round, derived again and held against the digests on chain.

An allocation follows from the verdict, a verdict from the ciphertexts and the request for the key, sums from
ciphertexts and partial keys, a model from sums. Whatever matches goes into content, where everybody finds it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, combinations, islice
from typing import Final

import numpy as np
import numpy.typing as npt
import structlog

from backend.aggregation.aggregator import decrypt_sum
from backend.aggregation.verifier import VerifiedSum, verify_updates
from backend.rounds.accuracy import test_set_of
from backend.rounds.committee_client import CommitteeClient
from backend.rounds.key_answers import KeyAnswers
from backend.rounds.requested import may_follow, requested_verdict
from backend.rounds.screened_rederivation import ScreenedRederivation
from protocol.canonical import encode
from protocol.domain import Domain
from protocol.errors import HearthError
from protocol.identifiers import ZERO_DIGEST, Address, Digest
from protocol.incentives.contribution import Progress
from protocol.incentives.rewards import allocation_root, fees, settle, total_owed
from protocol.messages.chain import RoundPublished
from protocol.messages.keys import KeyRequest
from protocol.messages.screening import GramRequest
from protocol.messages.settlement import UNAVAILABLE, Allocation, RoundRecord, Verdict
from protocol.messages.task import TaskSpec
from protocol.model.layout import Layout
from protocol.model.trained import TrainedModel
from protocol.round.adaptation import learning_of
from protocol.round.eligibility import cohort_of
from protocol.round.key_request import key_request
from protocol.round.planning import plan_round
from protocol.round.publication import Aggregate
from protocol.round.scheme import RoundScheme
from protocol.round.screening_verdict import levels_before, round_verdict
from protocol.round.stepping import Stepping
from protocol.sparse.codec import decode_sums, encode_sums
from protocol.task.documents import Absent, Rederived, UnderivableError, there
from protocol.task.past import allocation_before, past_before, readable, standing_allocation, stepped
from protocol.task.round_facts import Settled
from protocol.task.screened_rounds import unscreened
from protocol.task.state import TaskState
from storage.content.interface import ContentStore, get_document
from storage.task_reader import TaskReader

MAX_GUESSES: Final = 1_000  # at whose shares made a key, when the record of its round is withheld

log = structlog.get_logger()


@dataclass
class Rederivation:
    """Of one task."""

    domain: Domain
    store: ContentStore
    committee: CommitteeClient
    reader: TaskReader
    pause: Callable[[float], None]

    @property
    def state(self) -> TaskState:
        return self.reader.state

    def run(self, number: int, best: int) -> bool:
        """Whether round ``number`` can be read now. ``best``: most right answers of any model before it.

        Of a round that runs the plan is derived: phones wait for it, and its server for the end.
        """
        try:
            if self.state.rounds[number - 1].running:
                self._plan(number)
                self.reader.look_again()
                return True
            if unscreened(self.state) == number:
                ScreenedRederivation(self.store, self.committee, self.state, self.pause).recover(number)
                self.reader.look_again()
                return True
            verdict, total = self._verdict(number)
            allocation = self._allocation(number, verdict, best)
            aggregate = self._model(number, verdict, total) if stepped(self.state, number) else None
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
        if there(self.state.spec).screening.on:
            return self._screened_verdict(number), None
        verdict, total = verify_updates(self.store, self._scheme(number), committed, self.pause)
        digest = facts.requested.request if facts.requested else None
        if digest in (None, key_request(plan, committed, verdict.accepted, self._evidence(number)).digest()):
            return verdict, total
        request = there(self.state.request(number))
        if not may_follow(plan, committed, request):
            raise UnderivableError("another set than the one whose key was requested is accepted now")
        return requested_verdict(request, verdict), None

    def _screened_verdict(self, number: int) -> Verdict:
        """By what the openings say; whatever else was committed and is not among them did not come in time."""
        screened, request = self.state.screened.get(number), self.state.gram_request(number)
        committed = there(self.state.committed(number))
        came = [entry.client for entry in request.entries] if isinstance(request, GramRequest) else list(committed)
        unfit = {client: UNAVAILABLE for client in committed if client not in came}
        return round_verdict(there(self.state.plan(number)), unfit, screened, came)

    def _evidence(self, number: int) -> Digest:
        """That the request for the round's key names."""
        request = self.state.request(number)
        return request.screening if isinstance(request, KeyRequest) else ZERO_DIGEST

    def _allocation(self, number: int, verdict: Verdict, best: int) -> Allocation:
        settled = self.state.rounds[number - 1].settled
        if settled is None:  # frozen: what stood before stands
            return there(allocation_before(self.state, number))
        known = standing_allocation(self.state, number)
        if isinstance(known, Allocation):
            return known
        spec, before = there(self.state.spec), there(allocation_before(self.state, number))
        progress = None
        if isinstance(settled, RoundPublished) and stepped(self.state, number):
            progress = Progress(best, settled.correct, settled.examples)
        for served in self._served(number, spec, settled):
            allocation = settle(spec, before, number, verdict, progress, served, self.state.screened.get(number))
            if total_owed(allocation) == settled.allocated and allocation_root(allocation) == settled.allocation_root:
                self.store.put(encode(allocation))
                return allocation
        raise UnderivableError("no allocation that follows is the one on chain")

    def _served(self, number: int, spec: TaskSpec, settled: Settled) -> Iterator[Mapping[Address, int]]:
        """What the round's fees may have been: whose shares made its key stands in its record alone."""
        if not isinstance(settled, RoundPublished):
            yield {}
            return
        facts, record, members = self.state.rounds[number - 1], self.state.record(number), spec.committee.members
        publisher = facts.ended_by or facts.server
        if isinstance(record, RoundRecord):
            yield fees(spec, publisher, [signed.statement.authority for signed in record.keys])
        elif not spec.rewards.authority_fee:
            yield fees(spec, publisher, ())
        else:
            sizes = range(len(members), spec.committee.threshold - 1, -1)
            makers = chain.from_iterable(combinations(members, size) for size in sizes)
            yield from (fees(spec, publisher, some) for some in islice(makers, MAX_GUESSES))

    def _model(self, number: int, verdict: Verdict, total: VerifiedSum | None) -> bytes:
        """Digest of the sums; sums and model are in content then."""
        if readable(self.state, number):
            return there(self.state.aggregate(number)).digest
        spec, plan, event = there(self.state.spec), there(self.state.plan(number)), self.state.rounds[number - 1].ended
        assert isinstance(event, RoundPublished)
        request = key_request(plan, there(self.state.committed(number)), verdict.accepted, self._evidence(number))
        weights, layout = [entry.weight for entry in request.entries], Layout.published(spec)
        stepping = Stepping(spec, plan, self._read(plan.model), weights, lambda: test_set_of(self.store, spec))
        known = self.state.aggregate(number)
        if isinstance(known, Absent):
            aggregate = self._decrypted(number, verdict, total, stepping.after)
            sums, after = aggregate.decrypted.sums, aggregate.model
        else:
            sums = decode_sums(get_document(self.store, known.digest, 8 * plan.dimension), plan.dimension)
            after = stepping.after(sums)
        if self.store.put(layout.encode(after)).digest != event.model:
            raise UnderivableError("the model that follows is not the one on chain")
        return self.store.put(encode_sums(sums)).digest

    def _decrypted(
        self,
        number: int,
        verdict: Verdict,
        total: VerifiedSum | None,
        step: Callable[[npt.NDArray[np.int64]], TrainedModel],
    ) -> Aggregate:
        """The authorities answer the request on chain with the same bytes for ever."""
        spec, plan, scheme = there(self.state.spec), there(self.state.plan(number)), self._scheme(number)
        committed = there(self.state.committed(number))
        if total is None:
            _, total = verify_updates(self.store, scheme, committed, self.pause, verdict)
        request = key_request(plan, committed, verdict.accepted, self._evidence(number))
        answers = KeyAnswers(spec.committee, plan, request)
        answers.ask(self.committee)
        partials = {j: answer.residues for j, answer in answers.partials.items()}
        return decrypt_sum(scheme, request, total, partials, step)

    def _read(self, model: Digest) -> TrainedModel:
        """A model that a round published, or the initial one."""
        layout = Layout.published(there(self.state.spec))
        return layout.decode(get_document(self.store, model, layout.max_bytes))

    def _plan(self, number: int) -> None:
        """From the chain and the past that was public when it was opened; its label says whether it is the one."""
        spec, opened = there(self.state.spec), self.state.rounds[number - 1].opened
        cohort = cohort_of(self.state, spec, number, there(allocation_before(self.state, number)), opened.beacon)
        past = there(past_before(self.state, number))
        learning = learning_of(spec, self._read(past.model)) if spec.control.max_local_steps else spec.learning
        where = self.domain, self.state.task, number
        levels = levels_before(self.state, number) if spec.screening.on else None
        plan = plan_round(spec, *where, cohort, past.model, past.previous_label, learning, levels)
        if plan.label() != opened.label:
            raise UnderivableError("the plan that follows is not the one on chain")
        self.store.put(encode(plan))

    def _scheme(self, number: int) -> RoundScheme:
        return RoundScheme.of(there(self.state.plan(number)), there(self.state.spec).committee)
