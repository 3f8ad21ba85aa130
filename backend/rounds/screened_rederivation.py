"""What somebody withholds of a round's screening, made again: the authorities answer the request on chain as before.

Whatever matches a digest on chain goes into content, where everybody finds it; who was asked then, and answered, is
found by trying.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, islice, product
from typing import Final, TypeVar

from backend.aggregation.verifier import verify
from backend.rounds.committee_client import CommitteeClient
from backend.rounds.opening_answers import OpeningAnswers
from protocol.canonical import encode
from protocol.identifiers import ZERO_DIGEST, Digest
from protocol.messages.keys import KeyRequest
from protocol.messages.screening import MAX_SCREENING_BYTES, GramRequest, Screening
from protocol.messages.settlement import RoundRecord
from protocol.messages.task import TaskSpec
from protocol.round.publication import Settlement, abandon
from protocol.round.scheme import RoundScheme
from protocol.round.screening_answers import Sizes, agree_on, least_answers
from protocol.round.screening_request import request_for
from protocol.round.screening_verdict import derive_verdict, round_verdict
from protocol.screening.verdict import Unfit
from protocol.task.documents import Absent, Lack, UnderivableError, there
from protocol.task.past import allocation_before, rounds_planned
from protocol.task.state import TaskState
from storage.content.interface import ContentStore
from storage.reading import read_content

MAX_GUESSES: Final = 1_000  # at who saw the request and who answered it
T = TypeVar("T")


@dataclass
class ScreenedRederivation:
    """Of one task."""

    store: ContentStore
    committee: CommitteeClient
    state: TaskState
    pause: Callable[[float], None]

    def recover(self, number: int) -> None:
        """Of an ended round. Raises HearthError, UnderivableError among them, where nothing could be made again."""
        request = self.state.gram_request(number)
        if isinstance(request, Absent):
            self._request(number)
            return
        spec, plan = there(self.state.spec), there(self.state.plan(number))
        answers = OpeningAnswers(spec.committee, plan, request)
        answers.ask(self.committee)
        if not answers.enough:
            raise UnderivableError("too few key authorities answer again")
        for answer in answers.given.values():
            self.store.put(answer.answers)
        facts, named = self.state.rounds[number - 1], self._named(number)
        for evidence in islice(self._evidence(number, spec, request, answers), MAX_GUESSES):
            if named is None:
                settlement = self._abandonment(number, spec, request, evidence)
                if facts.ended is None or settlement.record_digest != getattr(facts.ended, "record", None):
                    continue
                for document in settlement.documents:
                    self.store.put(document)
                return
            if evidence.digest() == named:
                self.store.put(encode(evidence))
                return
        raise UnderivableError("no evidence that can be made again is the one that was named")

    def restore(self) -> None:
        """What was read of screenings, and the content store has no more: authorities read it there. Raises HearthError
        for answers that nobody gives again."""
        for number, facts in enumerate(self.state.rounds, start=1):
            request, evidence = self.state.gram_request(number), self.state.screening(number)
            if facts.screening is None or not isinstance(request, GramRequest):
                continue
            kept: list[GramRequest | Screening] = [request]
            if isinstance(evidence, Screening):
                kept.append(evidence)
                said = [signed.statement.answers for signed in (*evidence.openings, *evidence.accused)]
                if any(self._lacks(digest, 2 * Sizes.of(request).all_bytes) for digest in said):
                    self.recover(number)
            for document in kept:
                if self._lacks(document.digest(), MAX_SCREENING_BYTES):
                    self.store.put(encode(document))

    def _lacks(self, digest: Digest, max_bytes: int) -> bool:
        return isinstance(read_content(self.store, digest, max_bytes), Lack)

    def _request(self, number: int) -> None:
        spec, facts = there(self.state.spec), self.state.rounds[number - 1]
        if facts.screening is None:
            raise UnderivableError("nobody was asked to open the round")
        scheme = RoundScheme.of(there(self.state.plan(number)), spec.committee)
        committed = there(self.state.committed(number))
        came = [c for c, one in committed.items() if not isinstance(verify(self.store, scheme, one, self.pause), Unfit)]
        request = request_for(self.state, spec, number, facts.screening.beacon, came)
        if request.digest() != facts.screening.request:
            raise UnderivableError("other updates came then than those that can be had now")
        self.store.put(encode(request))

    def _named(self, number: int) -> Digest | None:
        """None where nobody can read what names it: the record of an abandoned round."""
        requested = self.state.rounds[number - 1].requested is not None
        naming: KeyRequest | RoundRecord | Absent = (
            self.state.request(number) if requested else self.state.record(number)
        )
        if isinstance(naming, Absent):
            if requested:
                raise UnderivableError("the request for the round's key cannot be read")
            return None
        if naming.screening == ZERO_DIGEST:
            raise UnderivableError("nothing more is named")
        return naming.screening

    def _evidence(
        self, number: int, spec: TaskSpec, request: GramRequest, answers: OpeningAnswers
    ) -> Iterator[Screening]:
        """The most of them first."""
        given, committee = answers.given, spec.committee
        everybody = agree_on({j: answer.answers for j, answer in given.items()}, committee, request)
        verdict = derive_verdict(self.state, spec, number, everybody.openings)
        seen = _subsets(answers.sightings, committee.quorum)
        for sightings, used in product(list(seen), _subsets(tuple(given), least_answers(committee))):
            openings = tuple(given[j].signed for j in used if j in everybody.members)
            accused = tuple(given[j].signed for j in used if j in everybody.accused)
            if len(openings) >= least_answers(committee):
                yield Screening(request.digest(), sightings, openings, accused, verdict)

    def _abandonment(self, number: int, spec: TaskSpec, request: GramRequest, evidence: Screening) -> Settlement:
        """Of a round whose record is withheld, if nobody's ciphertext was missing."""
        plan, came = there(self.state.plan(number)), [entry.client for entry in request.entries]
        verdict = round_verdict(plan, {}, evidence.verdict, came)
        before = there(allocation_before(self.state, number))
        return abandon(spec, plan, verdict, before, rounds_planned(self.state, spec, number), evidence)


def _subsets(items: Sequence[T], least: int) -> Iterator[tuple[T, ...]]:
    for size in range(len(items), least - 1, -1):
        yield from combinations(items, size)
