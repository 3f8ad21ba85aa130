"""What an auditor finds of the openings of a task's rounds, before it checks anything else: later plans stand on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial

from protocol.audit.case import Case, lacking, read
from protocol.audit.evidence import MissingEvidenceError
from protocol.content.cid import CHUNK_BYTES
from protocol.errors import HearthError, MalformedError, Party, VerificationError
from protocol.identifiers import Address, Digest, to_hex
from protocol.messages.screening import Screening, ScreeningVerdict
from protocol.messages.task import TaskSpec
from protocol.round.screening_verdict import check_screening
from protocol.task.documents import Absent, Lack, Screened, UnderivableError
from protocol.task.fold import apply
from protocol.task.round_facts import RoundFacts


@dataclass(frozen=True, slots=True)
class Opened:
    """Of one round of a screened task. ``published``: the evidence that its key's request, or the record of an
    abandoned round, names; None where they name none. ``problem``: why nothing follows from it."""

    published: Screening | None
    problem: HearthError | None = None

    @property
    def verdict(self) -> ScreeningVerdict | None:
        """None: nothing was opened. Raises MissingEvidenceError where that cannot be told, or does not hold."""
        if self.problem is not None:
            raise MissingEvidenceError("needs what the openings of the round say")
        return self.published.verdict if self.published else None


def open_rounds(case: Case) -> tuple[Case, Mapping[int, Opened]]:
    """Of every round of a screened task, and the case with what counts of the ended ones entered into its state. One
    round after the other, since histories of a round are made of what those before it opened."""
    spec, state, found = case.state.spec, case.state, dict[int, Opened]()
    if not isinstance(spec, TaskSpec) or not spec.screening.on:
        return case, found
    for facts in state.rounds:
        case.report.tell(f"openings of round {facts.number}")
        opened = found[facts.number] = _open(replace(case, state=state), spec, facts)
        is_known = not isinstance(opened.problem, MissingEvidenceError)
        if is_known and not facts.running and facts.number not in state.screened:
            counts = opened.published.verdict if opened.published and opened.problem is None else None
            state = apply(state, Screened(facts.number, counts))
    return replace(case, state=state), found


def _open(case: Case, spec: TaskSpec, facts: RoundFacts) -> Opened:
    state, number = case.state, facts.number
    try:
        named = state.screening(number)
        if isinstance(named, Absent):
            named = read(named, "screening, or what names it,")
        if named is None:
            return Opened(None)
        if facts.screening is None:
            raise VerificationError("a screening of openings that nobody requested on chain")
    except HearthError as error:
        return Opened(None, error)
    try:
        read(state.gram_request(number), "screening request")
        if state.screened.get(number) != named.verdict:  # which whoever made the state has opened with the same code
            check_screening(state, spec, number, named, partial(_answers, case))
    except UnderivableError as error:
        return Opened(named, MissingEvidenceError(str(error.args[0])))
    except HearthError as error:
        return Opened(named, error)
    return Opened(named)


def _answers(case: Case, digest: Digest, max_bytes: int) -> bytes:
    """An authority's, from content. Raises MissingEvidenceError; MalformedError for what its digest says is larger."""
    found = case.fetch(digest, max_bytes, CHUNK_BYTES)
    if found is Lack.MALFORMED:
        raise MalformedError(f"answers of more than {max_bytes} bytes", fault=Party.EDGE_SERVER)
    if isinstance(found, Lack):
        raise lacking(found, f"an authority's answers {to_hex(digest)}")
    return found


def accused_of(opened: Opened) -> tuple[Address, ...]:
    """Authorities that signed a lie, by evidence that holds."""
    if opened.published is None or opened.problem is not None:
        return ()
    return tuple(signed.statement.authority for signed in opened.published.accused)
