"""How a round ends: the documents that go into content, and what their digests put on chain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from protocol.canonical import encode
from protocol.content.cid import cid_of
from protocol.encryption.port import DecryptedSum
from protocol.identifiers import ZERO_DIGEST, Address, Digest, sha256
from protocol.incentives.contribution import Progress
from protocol.incentives.rewards import allocation_root, fees, settle, total_owed
from protocol.messages.chain import Publication
from protocol.messages.keys import KeyRequest, PartialKeyAnswer, Sightings
from protocol.messages.round import RoundPlan
from protocol.messages.screening import Screening, ScreeningVerdict
from protocol.messages.settlement import Allocation, RoundRecord, Verdict
from protocol.messages.task import TaskSpec
from protocol.model.layout import Layout
from protocol.model.trained import TrainedModel
from protocol.privacy.spending import Rounds, spent
from protocol.round.averaging import Average
from protocol.round.record import Outcome, round_record
from protocol.sparse.codec import encode_sums


@dataclass(frozen=True, slots=True)
class Aggregate:
    """A decrypted sum and what came of it. Authorities are named by their position in the committee, from 1."""

    decrypted: DecryptedSum
    key: bytes
    members: tuple[int, ...]  # whose shares made the key
    accused: tuple[int, ...]  # who signed something else, provably
    model: TrainedModel  # after the round

    @property
    def max_residual(self) -> int:
        return self.decrypted.max_residual

    def arrays(self, layout: Layout) -> tuple[bytes, ...]:
        """Sums and model, as they are in content."""
        return encode_sums(self.decrypted.sums), layout.encode(self.model)


@dataclass(frozen=True, slots=True)
class Garbage:
    """So many shares agree on a key that it is the right one, and what it opens is no sum."""

    key: bytes
    members: tuple[int, ...]  # who agree, ``Committee.beyond_doubt`` at least
    accused: tuple[int, ...] = ()
    max_residual: int = 0

    def arrays(self, _: Layout) -> tuple[bytes, ...]:
        """None: the model stays as it was."""
        return ()


@dataclass(frozen=True, slots=True)
class Settlement:
    """``documents`` are in content before anything of it goes on chain."""

    documents: tuple[bytes, ...]
    record: RoundRecord
    allocation: Allocation
    publication: Publication | None  # None: the round is abandoned

    @property
    def record_digest(self) -> Digest:
        return cid_of(encode(self.record)).digest

    @property
    def root(self) -> Digest:
        return allocation_root(self.allocation)

    @property
    def allocated(self) -> int:
        return total_owed(self.allocation)


def publish(
    spec: TaskSpec,
    plan: RoundPlan,
    verdict: Verdict,
    request: KeyRequest,
    sightings: Sightings,
    answers: Mapping[int, PartialKeyAnswer],
    reached: Aggregate | Garbage,
    before: Allocation,
    progress: Progress,
    publisher: Address,
    rounds: Rounds,
    average: Average,
    screening: Screening | None = None,
) -> Settlement:
    """``answers`` of authorities by position; those that made the key and those that lied go on record.

    ``sightings``: of the request; ``before``: the allocation that stands, with those who enrolled since; ``progress``:
    counts of right answers, of garbage those of the model that stays; ``publisher``: the edge server that sends it;
    ``rounds``: how often each mechanism was planned, this round included; ``average``: of this model and earlier ones;
    ``screening``: what the verdict follows from, None where nothing was opened.
    """
    used, accused = ([answers[j] for j in positions] for positions in (reached.members, reached.accused))
    arrays = reached.arrays(Layout.published(spec))
    aggregate, model = (cid_of(array).digest for array in arrays) if arrays else (ZERO_DIGEST, plan.model)
    served = fees(spec, publisher, [answer.signed.statement.authority for answer in used])
    allocation = settle(spec, before, plan.round, verdict, progress if arrays else None, served, _opened(screening))
    outcome = Outcome(
        sightings=sightings,
        keys=tuple(answer.signed for answer in used),
        accused=tuple(answer.signed for answer in accused),
        functional_key=sha256(reached.key),
        aggregate=aggregate,
        max_residual=reached.max_residual,
        model=model,
        correct=progress.correct,
        examples=progress.examples,
        average=average,
    )
    record = _record(spec, plan, verdict, request.digest(), outcome, allocation, rounds, screening)
    residues = (answer.residues for answer in (*used, *accused))
    publication = Publication(
        outcome.model,
        cid_of(encode(record)).digest,
        allocation_root(allocation),
        total_owed(allocation),
        outcome.correct,
        outcome.examples,
    )
    averaged = (average.document,) if average.rounds else ()
    documents = (
        *_evidence(screening), encode(request), *residues, *arrays, *averaged, encode(allocation), encode(record)
    )  # fmt: skip
    return Settlement(documents, record, allocation, publication)


def abandon(
    spec: TaskSpec,
    plan: RoundPlan,
    verdict: Verdict,
    before: Allocation,
    rounds: Rounds,
    screening: Screening | None = None,
) -> Settlement:
    """No key was requested, and there is no model: those who delivered are paid their participation all the same."""
    allocation = settle(spec, before, plan.round, verdict, None, {}, _opened(screening))
    record = _record(spec, plan, verdict, ZERO_DIGEST, None, allocation, rounds, screening)
    return Settlement((*_evidence(screening), encode(allocation), encode(record)), record, allocation, None)


def _opened(screening: Screening | None) -> ScreeningVerdict | None:
    return None if screening is None else screening.verdict


def _evidence(screening: Screening | None) -> tuple[bytes, ...]:
    return () if screening is None else (encode(screening),)


def _record(
    spec: TaskSpec,
    plan: RoundPlan,
    verdict: Verdict,
    request: Digest,
    outcome: Outcome | None,
    allocation: Allocation,
    rounds: Rounds,
    screening: Screening | None,
) -> RoundRecord:
    charge, owed = spent(rounds, plan.learning, spec.privacy), cid_of(encode(allocation)).digest
    evidence = ZERO_DIGEST if screening is None else screening.digest()
    return round_record(plan.label(), verdict, request, outcome, charge, owed, evidence)
