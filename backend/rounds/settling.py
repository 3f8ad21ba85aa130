"""From the commitments of a round to what ends it: verdict, sum, keys, and the documents of its settlement.

Nothing is sent to the chain here. What is kept in memory can all be made again after a kill.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain, islice

import numpy as np
import numpy.typing as npt
import structlog

from backend.aggregation.aggregator import decrypt_sum, garbage
from backend.aggregation.executor import IN_PROCESS, Executor
from backend.aggregation.verifier import VerifiedSum
from backend.rounds.accuracy import Accuracy, test_set_of
from backend.rounds.committee_client import CommitteeClient
from backend.rounds.journal import EdgeJournal
from backend.rounds.key_answers import KeyAnswers, answers_to
from backend.rounds.not_ready import NotReadyError
from backend.rounds.rederivation import Rederivation
from backend.rounds.requested import requested_verdict
from backend.rounds.screened_rederivation import ScreenedRederivation
from backend.rounds.screening import UNFOUNDED, RoundScreening, Screener
from protocol.domain import Domain
from protocol.errors import EncryptionError, HearthError
from protocol.identifiers import ZERO_DIGEST, Address, Digest, to_hex
from protocol.incentives.contribution import Progress
from protocol.messages.keys import KeyRequest
from protocol.messages.learning import LearningTerms
from protocol.messages.settlement import Allocation, Verdict
from protocol.messages.submission import SignedCommitment
from protocol.messages.task import TaskSpec
from protocol.model.layout import Layout
from protocol.model.trained import TrainedModel
from protocol.round.adaptation import learning_of
from protocol.round.averaging import Average, average_of
from protocol.round.key_request import key_request
from protocol.round.publication import Aggregate, Garbage, Settlement, abandon, publish
from protocol.round.scheme import RoundScheme
from protocol.round.stepping import Stepping
from protocol.task.documents import there
from protocol.task.past import allocation_before, best_count, lineage, rounds_planned
from protocol.task.state import TaskState
from storage.content.interface import ContentStore, get_document
from storage.task_reader import TaskReader

log = structlog.get_logger()


@dataclass
class Work:
    """Of the round that runs. ``total``: of exactly the accepted; ``alone``: it is made without workers."""

    number: int = 0
    screener: Screener = field(default_factory=Screener)  # of a screened task
    verdict: Verdict | None = None
    total: VerifiedSum | None = None
    answers: KeyAnswers | None = None
    opened: Aggregate | Garbage | None = None
    keyless: bool = False
    undecryptable: bool = False
    alone: bool = False

    def decided(self) -> Verdict:
        assert self.verdict is not None  # moves that need one are decided upon only once it is there
        return self.verdict


@dataclass
class Settling:
    """Of one task."""

    domain: Domain
    store: ContentStore
    journal: EdgeJournal
    committee: CommitteeClient
    reader: TaskReader
    pause: Callable[[float], None]  # between two looks for a ciphertext
    executor: Executor = IN_PROCESS

    def __post_init__(self) -> None:
        self._accuracy = Accuracy(self.store)
        self.screening = RoundScreening(self.store, self.journal, self.committee, self.reader, self.pause)

    @property
    def state(self) -> TaskState:
        return self.reader.state

    def verify(self, work: Work, fits: Callable[[Verdict], bool]) -> None:
        """The accepted set is decided once; after a restart the same set is added up again."""
        number, decided, stale = work.number, work.verdict, None
        requested = self.state.rounds[number - 1].requested is not None
        if decided is not None and not requested and not fits(decided):
            decided, stale = None, decided
        committed = there(self.state.committed(number))
        executor, scheme = IN_PROCESS if work.alone else self.executor, self._scheme(number)
        kept = None if decided is None else self.screening.total(work.screener, decided)
        if decided is not None and kept is not None:
            verdict, total = decided, kept
        else:
            verdict, total = executor.verify_updates(self.store, scheme, committed, self.pause, decided)
        if decided is None:
            work.verdict = self.journal.keep_verdict(self.state.task, number, verdict, stale)
        whole = total.clients == set(verdict.accepted)
        work.total, work.undecryptable = total if whole else None, not whole and not requested
        if not whole and requested:
            raise NotReadyError("an accepted ciphertext is not there")

    def request(self, work: Work) -> KeyRequest:
        accepted, evidence = work.decided().accepted, work.screener.evidence
        screening = ZERO_DIGEST if evidence is None else evidence.digest()
        return key_request(there(self.state.plan(work.number)), self._committed(work), accepted, screening)

    def follow(self, work: Work) -> None:
        """The verdict of the request on chain takes the place of this server's."""
        own = work.verdict
        if self._spec().screening.on:
            try:
                verdict = self.screening.follow(work.screener)
            except UNFOUNDED as error:
                log.warning("a key was requested for no reason", task=self.state.task, error=str(error))
                work.undecryptable = True  # no authority answers
                return
        else:
            verdict = requested_verdict(there(self.state.request(work.number)), work.decided())
        self._take(work, verdict, own)

    def screen(self, work: Work, verdict: Verdict) -> None:
        """The verdict of a screened round, whatever was kept before: it follows from the chain and what is opened."""
        known = self.journal.verdict(self.state.task, work.number)
        if known != verdict:
            self._take(work, verdict, known)
        else:  # nothing new to keep: a server that dies with each change still gets on
            work.verdict, work.total, work.undecryptable = verdict, None, False

    def _take(self, work: Work, verdict: Verdict, instead_of: Verdict | None) -> None:
        work.verdict = self.journal.keep_verdict(self.state.task, work.number, verdict, instead_of)
        work.total, work.undecryptable = None, False

    def open(self, work: Work) -> None:
        """Asks the authorities for the key of the request, and opens the sum with it."""
        number, request, spec = work.number, self.request(work), self._spec()
        plan, total = there(self.state.plan(number)), work.total
        assert total is not None  # decided upon only once it is there
        answers = work.answers = answers_to(request, plan, spec.committee, work.answers)
        answers.ask(self.committee)
        if not answers.enough:
            raise NotReadyError("too few key authorities see the request, or answer it")
        scheme, partials = self._scheme(number), {j: answer.residues for j, answer in answers.partials.items()}
        weights = [entry.weight for entry in request.entries]
        stepping = Stepping(spec, plan, self._before(number), weights, lambda: test_set_of(self.store, spec))
        try:
            work.opened = decrypt_sum(scheme, request, total, partials, stepping.after)
        except EncryptionError as error:
            if total.by_workers:  # before it is anybody else's fault
                work.total, work.alone = None, True
                raise NotReadyError("the workers' sum does not open") from error
            # all that there is to be had may be here
            work.undecryptable = len(partials) == len(spec.committee.members)
            if error.code != "E_COMMITTEE":
                raise
            work.opened = garbage(scheme, partials, spec.committee.beyond_doubt)
            work.undecryptable = False
            log.warning("the sum is garbage", task=self.state.task, round=number)

    def publication(self, work: Work, publisher: Address) -> Settlement:
        number, spec, opened, answers = work.number, self._spec(), work.opened, work.answers
        assert opened is not None  # decided upon only once it is there
        assert answers is not None
        for j in opened.accused:
            log.warning("a key authority lied", authority=to_hex(spec.committee.members[j - 1]))
        trained = opened.model if isinstance(opened, Aggregate) else self._before(number)
        return publish(
            spec,
            there(self.state.plan(number)),
            work.decided(),
            answers.request,
            answers.sightings,
            answers.partials,
            opened,
            self._allocation_before(number),
            Progress(self.best(number), *self._accuracy.count(spec, trained.parameters)),
            publisher,
            rounds_planned(self.state, spec, number),
            self._average(number, opened),
            work.screener.evidence,
        )

    def abandonment(self, work: Work) -> Settlement:
        """Of a round whose key nobody requested."""
        plan, before = there(self.state.plan(work.number)), self._allocation_before(work.number)
        rounds = rounds_planned(self.state, self._spec(), work.number)
        return abandon(self._spec(), plan, work.decided(), before, rounds, work.screener.evidence)

    def best(self, number: int) -> int:
        """Most right answers of any model before the round, the initial one included."""
        return max(self._accuracy.initial(self._spec()), best_count(self.state, number))

    def restore(self) -> None:
        """What authorities read of earlier rounds' screening, and is withheld from them."""
        ScreenedRederivation(self.store, self.committee, self.state, self.pause).restore()

    def rederivation(self) -> Rederivation:
        return Rederivation(self.domain, self.store, self.committee, self.reader, self.pause)

    def learning(self, model: Digest) -> LearningTerms:
        """Of the plan of a round that goes on from this model."""
        spec = self._spec()
        return learning_of(spec, self._read(model)) if spec.control.max_local_steps else spec.learning

    def _before(self, number: int) -> TrainedModel:
        """The model that the round starts from."""
        return self._read(there(self.state.plan(number)).model)

    def _read(self, model: Digest) -> TrainedModel:
        layout = Layout.published(self._spec())
        return layout.decode(get_document(self.store, model, layout.max_bytes))

    def _average(self, number: int, opened: Aggregate | Garbage) -> Average:
        """Of the round's model and of those before it, as far back as the content store has them."""
        spec, most = self._spec(), self._spec().control.averaged_rounds
        if isinstance(opened, Garbage) or not most:
            return Average()
        earlier = islice(lineage(self.state, spec, there(self.state.plan(number)).model), most - 1)
        return average_of(spec.model, chain([opened.model.parameters], self._readable(spec, earlier)))

    def _readable(self, spec: TaskSpec, models: Iterable[Digest]) -> Iterator[npt.NDArray[np.float32]]:
        """Parameters of these models, up to the first that is not there."""
        layout = Layout.published(spec)
        with suppress(HearthError):
            for model in models:
                yield layout.from_safetensors(get_document(self.store, model, layout.max_bytes))

    def _scheme(self, number: int) -> RoundScheme:
        return RoundScheme.of(there(self.state.plan(number)), self._spec().committee)

    def _spec(self) -> TaskSpec:
        return there(self.state.spec)

    def _committed(self, work: Work) -> dict[Address, SignedCommitment]:
        return there(self.state.committed(work.number))

    def _allocation_before(self, number: int) -> Allocation:
        return there(allocation_before(self.state, number))
