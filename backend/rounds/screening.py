"""The screening of one task's rounds at its edge server: which updates came, the request, openings, and the verdict.

Nothing but the request is kept: what the authorities answer to it they answer again, and the chain says the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import structlog

from backend.aggregation.verifier import VerifiedCiphertext, VerifiedSum, fold, verify
from backend.rounds.committee_client import CommitteeClient
from backend.rounds.journal import EdgeJournal
from backend.rounds.moves import Screened
from backend.rounds.not_ready import NotReadyError
from backend.rounds.opening_answers import OpeningAnswers, openings_to
from protocol.canonical import encode
from protocol.errors import EncryptionError, MalformedError, VerificationError
from protocol.identifiers import ZERO_DIGEST, Address, Digest, to_hex
from protocol.messages.screening import GramRequest, Screening
from protocol.messages.settlement import UNAVAILABLE, Verdict
from protocol.messages.submission import SignedCommitment
from protocol.messages.task import TaskSpec
from protocol.round.scheme import RoundScheme
from protocol.round.screening_answers import agree_on
from protocol.round.screening_request import beacon_of, find_beacon_block, request_for
from protocol.round.screening_verdict import check_screening, derive_verdict, round_verdict
from protocol.screening.verdict import Unfit
from protocol.task.documents import Absent, UnderivableError, there
from protocol.task.state import TaskState
from storage.content.interface import ContentStore
from storage.ledger.interface import Ledger
from storage.screened_rounds import read_answers_from
from storage.task_reader import TaskReader

KEPT_BYTES: Final = 256 * 1024 * 1024  # of ciphertexts, from their examination until they are added
TOLD_BLOCKS: Final = 256  # how far back the chain tells a contract the hash of a block
DEEP_BLOCKS: Final = 2  # at most, that lie upon the block of the beacon: a chain that takes it back costs the round

log = structlog.get_logger()


@dataclass
class Screener:
    """Of the round that runs. ``found``: what is known of each ciphertext that was looked for, by its digest; ``kept``:
    those that came, as far as memory allows. ``decided``: on which request its verdict was taken, zero for none."""

    number: int = 0
    found: dict[Digest, Unfit | None] = field(default_factory=dict)
    kept: dict[Digest, VerifiedCiphertext] = field(default_factory=dict)
    overdue: bool = False
    answers: OpeningAnswers | None = None
    asked: Digest = ZERO_DIGEST  # the request for which authorities were asked last
    decided: Digest | None = None
    evidence: Screening | None = None


@dataclass
class RoundScreening:
    """Of one task."""

    store: ContentStore
    journal: EdgeJournal
    committee: CommitteeClient
    reader: TaskReader
    pause: Callable[[float], None]  # between two looks for a ciphertext

    @property
    def state(self) -> TaskState:
        return self.reader.state

    def known(self, work: Screener) -> Screened:
        """What the next move depends on."""
        requested, came = self._requested(work.number), None
        if requested != ZERO_DIGEST and not isinstance(self.state.gram_request(work.number), Absent):
            came = len(there(self.state.gram_request(work.number)).entries)
        elif (found := self._examined(work)) is not None:
            came = len(found)
        evidence = work.evidence.digest() if self.holds(work) and work.evidence is not None else ZERO_DIGEST
        return Screened(came, work.overdue, work.asked == requested != ZERO_DIGEST, evidence)

    def holds(self, work: Screener) -> bool:
        """The verdict is of the request on chain, or of its absence: the chain can take one back."""
        return work.decided == self._requested(work.number)

    def examine(self, work: Screener) -> None:
        """Every committed ciphertext is fetched here, once."""
        self._look_for(work, self._committed(work.number).values())

    def request(self, work: Screener, ledger: Ledger) -> tuple[int, int, Digest] | None:
        """Block of the beacon, direct commitments and digest of the request, which is in content and records then.

        None while there is no such block, too few lie upon it, or it is too late for it (``overdue``).
        """
        number, spec, facts = work.number, self._spec(), self.state.rounds[work.number - 1]
        head = ledger.block_number()
        block = find_beacon_block(facts, spec.confirmations, head, ledger.block_timestamp)
        if block is None or head < block + min(spec.confirmations, DEEP_BLOCKS):
            return None
        work.overdue = head >= block + TOLD_BLOCKS
        drawn = ledger.block_hash(block)
        if work.overdue or drawn is None:
            return None
        request = self._request(work, drawn)
        self.journal.keep_gram(self.state.task, number, request)
        self.store.put(encode(request))
        return block, len(facts.directs), request.digest()

    def put_again(self, number: int) -> None:
        """The request on chain, should the content store have lost it."""
        requested = self._requested(number)
        if requested != ZERO_DIGEST and isinstance(self.state.gram_request(number), Absent):
            kept = self.journal.gram(self.state.task, number)
            if kept is not None and kept.digest() == requested:
                self.store.put(encode(kept))

    def ask(self, work: Screener) -> Verdict:
        """The verdict that follows from what the authorities open; answers and evidence are in content then.

        Raises NotReadyError, EncryptionError, VerificationError while their answers do not open the request.
        """
        number, spec = work.number, self._spec()
        plan, request = there(self.state.plan(number)), there(self.state.gram_request(number))
        work.asked = request.digest()
        answers = work.answers = openings_to(request, plan, spec.committee, work.answers)
        answers.ask(self.committee)
        if not answers.enough:
            raise NotReadyError("too few key authorities see the request for openings, or answer it")
        given = answers.given
        agreed = agree_on({j: answer.answers for j, answer in given.items()}, spec.committee, request)
        for j in agreed.accused:
            log.warning("a key authority lied", authority=to_hex(spec.committee.members[j - 1]), opening=True)
        verdict = derive_verdict(self.state, spec, number, agreed.openings)
        signed, accused = ([given[j].signed for j in members] for members in (agreed.members, agreed.accused))
        evidence = Screening(request.digest(), answers.sightings, tuple(signed), tuple(accused), verdict)
        decided = self._verdict(work, evidence)
        for j in (*agreed.members, *agreed.accused):
            self.store.put(given[j].answers)
        self.store.put(encode(evidence))
        work.evidence, work.decided = evidence, request.digest()
        return decided

    def go_unopened(self, work: Screener) -> Verdict:
        """Of all that came, by their weights."""
        verdict = self._verdict(work, None)
        work.evidence, work.decided = None, self._requested(work.number)
        return verdict

    def follow(self, work: Screener) -> Verdict:
        """The verdict that the request for the key on chain follows from, whoever made it. Raises VerificationError,
        EncryptionError, MalformedError where it follows from none, UnderivableError while something is missing."""
        number, spec = work.number, self._spec()
        request, named = there(self.state.request(number)), self.state.screening(number)
        evidence = None if named is None else there(named)
        if evidence is not None:
            check_screening(self.state, spec, number, evidence, partial(read_answers_from, self.store))
        verdict = self._verdict(work, evidence)
        if verdict.accepted != tuple(entry.client for entry in request.entries):
            raise VerificationError("a key was requested for others than the openings accept", code="E_VERDICT")
        work.evidence, work.decided = evidence, self._requested(number)
        return verdict

    def total(self, work: Screener, verdict: Verdict) -> VerifiedSum | None:
        """The sum of the accepted, from what is kept of them and the rest; None where nothing is kept."""
        if not work.kept:
            return None
        committed = self._committed(work.number)
        wanted = [committed[client] for client in verdict.accepted]
        total = fold(self._scheme(work.number), self._ciphertexts(work, wanted))
        if total.clients == set(verdict.accepted):
            work.kept.clear()
        return total

    def _verdict(self, work: Screener, evidence: Screening | None) -> Verdict:
        number, committed = work.number, self._committed(work.number)
        request = self.state.gram_request(number)
        came = {entry.client for entry in request.entries} if isinstance(request, GramRequest) else self._examined(work)
        if came is None:
            raise UnderivableError("which updates came is not known")
        absent = {client: signed for client, signed in committed.items() if client not in came}
        self._look_for(work, absent.values())
        unfit = {client: self._reason(work, signed) for client, signed in absent.items()}
        opened = None if evidence is None else evidence.verdict
        return round_verdict(there(self.state.plan(number)), unfit, opened, sorted(came))

    def _request(self, work: Screener, drawn: Digest) -> GramRequest:
        """The one that was made before, while it is of this beacon: it may be under way."""
        number, kept = work.number, self.journal.gram(self.state.task, work.number)
        label = self.state.rounds[number - 1].opened.label
        if kept is not None and (kept.label, kept.beacon) == (label, beacon_of(self.state, number, drawn)):
            return kept
        came = self._examined(work)
        assert came is not None  # decided upon only once it is known
        return request_for(self.state, self._spec(), number, drawn, came)

    def _examined(self, work: Screener) -> frozenset[Address] | None:
        """Whose ciphertexts came; None while some were not looked for."""
        committed = self.state.committed(work.number)
        if isinstance(committed, Absent):
            return None
        digests = {client: signed.commitment.ciphertext for client, signed in committed.items()}
        if not set(digests.values()) <= work.found.keys():
            return None
        return frozenset(client for client, digest in digests.items() if work.found[digest] is None)

    def _look_for(self, work: Screener, wanted: Iterable[SignedCommitment]) -> None:
        scheme = self._scheme(work.number)
        for signed in wanted:
            digest = signed.commitment.ciphertext
            if digest in work.found:
                continue
            found = verify(self.store, scheme, signed, self.pause)
            work.found[digest] = found if isinstance(found, Unfit) else None
            if isinstance(found, VerifiedCiphertext) and (len(work.kept) + 1) * scheme.body_bytes <= KEPT_BYTES:
                work.kept[digest] = found

    def _ciphertexts(self, work: Screener, wanted: Iterable[SignedCommitment]) -> Iterator[VerifiedCiphertext]:
        for signed in wanted:
            kept = work.kept.get(signed.commitment.ciphertext)
            found = kept or verify(self.store, self._scheme(work.number), signed, self.pause)
            if isinstance(found, VerifiedCiphertext):
                yield found

    def _reason(self, work: Screener, signed: SignedCommitment) -> str:
        """Of one that is not in the request; what came later came too late."""
        found = work.found[signed.commitment.ciphertext]
        return UNAVAILABLE if found is None else found.value

    def _requested(self, number: int) -> Digest:
        facts = self.state.round(number)
        return facts.screening.request if facts is not None and facts.screening is not None else ZERO_DIGEST

    def _committed(self, number: int) -> dict[Address, SignedCommitment]:
        return there(self.state.committed(number))

    def _scheme(self, number: int) -> RoundScheme:
        return RoundScheme.of(there(self.state.plan(number)), self._spec().committee)

    def _spec(self) -> TaskSpec:
        return there(self.state.spec)


UNFOUNDED: Final = (VerificationError, EncryptionError, MalformedError)  # what says so of a request for a key
