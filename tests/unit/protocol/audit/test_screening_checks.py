"""Check 30 on a screened task: it holds, and whatever is said otherwise in any of its documents does not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import cached_property
from typing import Any, Final

import pytest

from protocol.audit.case import Case
from protocol.audit.evidence import ChainEvidence
from protocol.audit.opened import open_rounds
from protocol.audit.report import Line, Report, Status
from protocol.audit.screening_checks import check_screened
from protocol.identifiers import ZERO_DIGEST, Digest, to_hex
from protocol.messages.chain import KeyRequested, ScreeningRequested
from protocol.messages.keys import KeyRequest
from protocol.messages.screening import GramRequest, Screening
from protocol.messages.screening_terms import ABANDON, NO_SCREENING
from protocol.messages.task import TaskSpec
from protocol.round.screening_verdict import settled_verdict
from protocol.task.documents import Absent, Document, Kind, Lack
from protocol.task.fold import fold
from protocol.task.state import TaskState
from storage.evidence import fetch_from, read_evidence, read_state, with_beacons
from tests.attacks.screened_task import screened_player

LIED: Final = 2  # the round in which an authority lied
NO_CLAIM: Final = {"sightings dropped", "accused dropped"}  # a quorum is left; nobody has to accuse anybody


@dataclass
class Told:
    """A played task, and what an auditor reads of it."""

    evidence: ChainEvidence
    state: TaskState
    store: Any

    def lines(
        self,
        state: TaskState | None = None,
        evidence: ChainEvidence | None = None,
        answers: Mapping[Digest, bytes | Lack] | None = None,
    ) -> list[Line]:
        """Of check 30 alone. ``answers``: bytes that content has instead."""
        given, found = fetch_from(self.store), answers or {}
        case = Case(
            Report(),
            evidence or self.evidence,
            state or self.state,
            lambda digest, *sizes: found[digest] if digest in found else given(digest, *sizes),
        )
        case, opened = open_rounds(case)
        for facts in case.state.rounds:
            check_screened(case, facts, opened.get(facts.number))
        return case.report.lines

    def with_document(self, kind: Kind, number: int, document: Document | Absent) -> TaskState:
        """As if the digest on chain, or in another document, named this."""
        (digest,) = {wanted.digest for wanted in self.state.wanted_of(number) if wanted.kind is kind}
        known = {**self.state.documents, (kind, digest): document}
        screened = {earlier: verdict for earlier, verdict in self.state.screened.items() if earlier < number}
        return replace(self.state, documents=known, screened=screened)

    def with_spec(self, spec: TaskSpec) -> TaskState:
        assert self.state.posted is not None
        known = {**self.state.documents, (Kind.SPEC, self.state.posted.terms.spec): spec}
        return replace(self.state, documents=known, screened={})

    @cached_property
    def spec(self) -> TaskSpec:
        assert isinstance(self.state.spec, TaskSpec)
        return self.state.spec

    def screening(self, number: int) -> Screening:
        found = self.state.screening(number)
        assert isinstance(found, Screening)
        return found


@pytest.fixture(scope="module")
def told() -> Told:
    player = screened_player("check 30")
    evidence = read_evidence(player.reader, player.task)
    state = read_state(player.store, evidence)
    return Told(with_beacons(player.reader, evidence, state), state, player.store)


def _bad(lines: list[Line], number: int) -> list[Line]:
    return [line for line in lines if line.status is not Status.PASS and line.subject.startswith(f"round {number}")]


def test_it_holds_and_names_who_lied_and_whom_nobody_screened(told: Told) -> None:
    lines = told.lines()
    assert {line.status for line in lines} == {Status.PASS}, lines
    liar = to_hex(told.spec.committee.members[1])
    assert {line.subject: line.detail for line in lines if line.detail} == {
        "round 2 openings": f"authority {liar} signed a lie",
        "round 4": "nobody was screened: too few authorities opened the round, and the task goes on without",
    }
    assert [line.subject for line in lines] == [
        *(f"round {number}{part}" for number in (1, 2, 3) for part in (" request", " openings", "")),
        "round 4 request",
        "round 4",
    ]


def test_what_is_entered_for_later_rounds_is_what_everybody_enters(told: Told) -> None:
    """From documents alone, by the function that servers and authorities use."""
    fetch = fetch_from(told.store)

    def read(digest: Digest, most: int) -> bytes:
        found = fetch(digest, most, 2**18)
        assert isinstance(found, bytes)
        return found

    state = replace(told.state, screened={})
    case, opened = open_rounds(Case(Report(), told.evidence, state, fetch))
    assert case.state.screened == told.state.screened
    for number, verdict in case.state.screened.items():
        assert verdict == settled_verdict(case.state, told.spec, number, read)
        assert opened[number].verdict == verdict


def _changed(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Every value with one leaf of it changed, and every list without its last part."""
    if is_dataclass(value) and not isinstance(value, type):
        for part in fields(value):
            for what, other in _changed(getattr(value, part.name), part.name):
                yield f"{name} {what}", replace(value, **{part.name: other})
    elif isinstance(value, bool):
        yield name, not value
    elif isinstance(value, int):
        yield name, value + 1
    elif isinstance(value, str):
        yield name, value + "x"
    elif isinstance(value, bytes):
        yield name, value[:-1] + bytes([value[-1] ^ 1])
    elif isinstance(value, tuple) and value:
        yield f"{name} dropped", value[:-1]
        for what, other in _changed(value[-1], name):
            yield what, (*value[:-1], other)


def test_no_field_of_a_screening_can_be_another(told: Told) -> None:
    screening, seen = told.screening(LIED), 0
    for what, other in _changed(screening, ""):
        bad = _bad(told.lines(told.with_document(Kind.SCREENING, LIED, other)), LIED)
        if what.strip() in NO_CLAIM:
            assert not bad, what
            continue
        seen += 1
        assert bad, what
        assert all("(fault: edge server)" in line.detail or line.status is Status.UNKNOWN for line in bad), what
        assert any(line.subject == f"round {LIED} openings" for line in bad), (what, bad)
    assert seen > 30


def test_no_field_of_a_request_for_openings_can_be_another(told: Told) -> None:
    for number in (2, 3):
        request = told.state.gram_request(number)
        assert isinstance(request, GramRequest)
        seen = 0
        for what, other in _changed(request, ""):
            bad = _bad(told.lines(told.with_document(Kind.GRAM, number, other)), number)
            failed = {line.subject for line in bad if line.status is Status.FAIL}
            assert failed & {f"round {number} request", f"round {number} openings"}, (number, what, bad)
            seen += 1
        assert seen >= 7


def test_no_key_is_requested_for_others_than_the_openings_say(told: Told) -> None:
    request = told.state.request(LIED)
    assert isinstance(request, KeyRequest)
    fewer = told.with_document(Kind.REQUEST, LIED, replace(request, entries=request.entries[:-1]))
    (line,) = _bad(told.lines(fewer), LIED)
    assert (line.subject, line.status) == (f"round {LIED}", Status.FAIL)
    assert "clients in the key request" in line.detail
    assert to_hex(told.spec.edge_server) in line.detail and "(fault: edge server)" in line.detail


def test_a_request_without_a_screening_comes_late_for_all_and_where_the_task_allows_it(told: Told) -> None:
    request, number = told.state.request(4), 4
    assert isinstance(request, KeyRequest)
    fewer = told.with_document(Kind.REQUEST, number, replace(request, entries=request.entries[1:]))
    strict = replace(told.spec, screening=replace(told.spec.screening, unopened=ABANDON))
    collecting = replace(told.spec, screening=replace(told.spec.screening, probation=4))
    facts = told.state.rounds[number - 1]
    assert facts.requested is not None
    middle = facts.opened.settle_until - told.spec.durations.settle_seconds // 2
    soon = {**told.evidence.times, facts.requested.block: middle}
    cases = [
        told.lines(fewer),
        told.lines(told.with_spec(strict)),
        told.lines(told.with_spec(collecting)),
        told.lines(evidence=replace(told.evidence, times=soon)),
    ]
    for lines in cases:
        bad = [line for line in lines if line.subject == "round 4" and line.status is Status.FAIL]
        assert bad and "(fault: edge server)" in bad[0].detail, lines


def test_no_screening_where_it_was_needed_is_a_failure(told: Told) -> None:
    request = told.state.request(LIED)
    assert isinstance(request, KeyRequest)
    state = told.with_document(Kind.REQUEST, LIED, replace(request, screening=ZERO_DIGEST))
    bad = _bad(told.lines(state), LIED)
    assert [(line.subject, line.status) for line in bad] == [(f"round {LIED}", Status.FAIL)]


def test_what_is_missing_is_unknown_and_later_rounds_with_it(told: Told) -> None:
    """And what the digest names and is no such document fails, and counts for nobody: later rounds are judged."""
    digest, keeper = told.screening(LIED).digest(), told.state.rounds[LIED - 1].server
    missing = told.lines(told.with_document(Kind.SCREENING, LIED, Absent(digest, Lack.MISSING, keeper)))
    assert {line.status for line in _bad(missing, LIED)} == {Status.UNKNOWN}
    assert to_hex(keeper) in _bad(missing, LIED)[0].detail
    assert {line.status for line in _bad(missing, 3)} == {Status.UNKNOWN}
    malformed = told.lines(told.with_document(Kind.SCREENING, LIED, Absent(digest, Lack.MALFORMED, keeper)))
    assert Status.FAIL in {line.status for line in _bad(malformed, LIED)}
    assert Status.FAIL in {line.status for line in _bad(malformed, 3)}, "the histories of round 3 are others then"


@pytest.mark.parametrize("place", [0, -1])
def test_no_byte_of_an_answer_can_be_another(told: Told, place: int) -> None:
    """Nor more of them, or fewer; and bytes that the store alone spoilt are its fault."""
    for signed in (*told.screening(LIED).openings, *told.screening(LIED).accused):
        digest = signed.statement.answers
        data = bytearray(fetch_from(told.store)(digest, 2**24, 2**18))  # type: ignore[arg-type]
        data[place] ^= 2
        state = replace(told.state, screened={1: told.state.screened[1]})
        for other in (bytes(data), bytes(data[:-1]), bytes(data) + b"\0"):
            bad = _bad(told.lines(state, answers={digest: other}), LIED)
            is_liar = signed in told.screening(LIED).accused  # a lie more or less is a lie
            assert is_liar or Status.FAIL in {line.status for line in bad}, signed
        bad = _bad(told.lines(state, answers={digest: Lack.CORRUPT}), LIED)
        assert {line.status for line in bad} == {Status.UNKNOWN}
        assert "(fault: content store)" in bad[0].detail
        bad = _bad(told.lines(state, answers={digest: Lack.MALFORMED}), LIED)
        assert Status.FAIL in {line.status for line in bad}


def test_the_block_that_draws_is_the_one_that_had_to(told: Told) -> None:
    facts = told.state.rounds[LIED - 1]
    event = facts.screening
    assert event is not None
    block, first = event.beacon_block, event.beacon_block - told.spec.confirmations
    times = told.evidence.times
    lies: list[dict[str, Any]] = [
        {"times": {**times, first: facts.opened.commit_until - told.spec.durations.commit_seconds}},
        {"beacons": {**told.evidence.beacons, block: bytes(32)}},
    ]
    for lie in lies:
        bad = _bad(told.lines(evidence=replace(told.evidence, **lie)), LIED)
        assert [(line.subject, line.status) for line in bad] == [(f"round {LIED} request", Status.FAIL)], lie
    untold: list[dict[str, Any]] = [
        {"times": {known: time for known, time in times.items() if known != first}},
        {"beacons": {}},
    ]
    for lack in untold:
        bad = _bad(told.lines(evidence=replace(told.evidence, **lack)), LIED)
        assert {line.status for line in bad} == {Status.UNKNOWN}, lack


def test_a_key_requested_before_any_opening_and_openings_of_a_task_without_screening(told: Told) -> None:
    events = told.evidence.events
    unasked = fold(told.state.task, [e for e in events if not isinstance(e, ScreeningRequested)], told.state.documents)
    bad = _bad(told.lines(unasked), LIED)
    assert {line.status for line in bad} == {Status.FAIL}
    assert "whose openings were not" in bad[-1].detail or "nobody requested" in bad[0].detail
    plain = told.with_spec(replace(told.spec, screening=NO_SCREENING))
    assert [line.status for line in told.lines(plain)] == [Status.FAIL] * 4
    quiet = fold(told.state.task, [e for e in events if not isinstance(e, KeyRequested | ScreeningRequested)], {})
    assert {line.status for line in told.lines(quiet)} <= {Status.UNKNOWN}
