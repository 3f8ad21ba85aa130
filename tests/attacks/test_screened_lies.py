"""A screened task whose edge server lies consistently, under digests that stand on chain: each lie has a check."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from protocol.audit.audit import audit_task
from protocol.audit.report import CHECKS, Report, Status
from protocol.content.cid import Cid
from protocol.identifiers import ZERO_DIGEST, Digest, sha256, to_hex
from protocol.messages.keys import KeyRequest
from protocol.messages.screening import NORM, ClientLevel, GramRequest, Screening
from protocol.messages.settlement import Allocation, Rejection, RoundRecord, Verdict
from scripts.commands.auditor import run_audit
from storage.content.memory import MemoryStore
from storage.evidence import fetch_from, published_codes, read_evidence, read_state, with_beacons
from tests.attacks.noticing import failed
from tests.attacks.screened_task import ROUNDS, screened_player
from tests.attacks.tampering import Audited, audited_task, changes
from tests.played_screening import with_verdict


@pytest.fixture(scope="module")
def audited() -> Any:
    with audited_task(screened_player("honest screening")) as made:
        yield made


def test_an_honest_screened_task_passes_every_check(audited: Audited) -> None:
    assert {line.number for line in audited.audit().lines} == CHECKS.keys() - {24, 26}


# Of what the chain says of a screening, and the check that notices: the view and the deadlines, or check 30.
NOTICED = {
    "ScreeningRequested.task": 6,
    "ScreeningRequested.everyone": None,  # such an answer is refused whole
    "ScreeningRequested.round": 6,
    "ScreeningRequested.beaconBlock": 30,
    "ScreeningRequested.beaconHash": 30,
    "ScreeningRequested.request": 6,
    "ScreeningRequested left out": 6,
    "roundOf.screening": 6,
}


def test_every_changed_answer_about_screening_is_noticed(audited: Audited) -> None:
    seen = set[str]()
    for change in changes(audited.entries):
        if change.what not in NOTICED:
            continue
        seen.add(change.what)
        report, number = audited.audit(change), NOTICED[change.what]
        if number is None:
            assert report.status is Status.UNKNOWN
        else:
            lines = {line.number for line in report.failed}
            assert number in lines and report.status is Status.FAIL, (change.what, report.failed)
            assert 27 in failed(report) or change.what[0].islower(), change.what
    assert seen == NOTICED.keys()


def _fewer(request: GramRequest) -> GramRequest:
    return replace(request, entries=request.entries[:-1])


def _sparing(screening: Screening) -> Screening:
    """One accepted client is said to be too long."""
    gone = screening.verdict.accepted[0]
    shares = tuple(share for share in screening.verdict.shares if share.client != gone)
    return with_verdict(
        screening, accepted=screening.verdict.accepted[1:], rejected=(Rejection(gone, NORM),), shares=shares
    )


def _generous(screening: Screening) -> Screening:
    """One client has contributed everything."""
    first, *others = screening.verdict.shares
    shares = (replace(first, projected_ppm=10**6), *(replace(other, projected_ppm=0) for other in others))
    return with_verdict(screening, shares=shares)


def _moved(allocation: Allocation) -> Allocation:
    first, second, *others = allocation.entitlements
    first, second = replace(first, cumulative=first.cumulative + 1), replace(second, cumulative=second.cumulative - 1)
    return replace(allocation, entitlements=(first, second, *others))


def _others(request: KeyRequest) -> KeyRequest:
    return replace(request, entries=request.entries[1:])


def _unnamed(request: KeyRequest) -> KeyRequest:
    return replace(request, screening=ZERO_DIGEST)


def _elsewhere(record: RoundRecord) -> RoundRecord:
    return replace(record, screening=sha256(b"another screening"))


def _without_evidence(record: RoundRecord) -> RoundRecord:
    return replace(record, screening=ZERO_DIGEST)


def _accepting(verdict: Verdict) -> Verdict:
    """In probation."""
    clients = tuple(entry.client for entry in verdict.rejected)
    return replace(verdict, accepted=clients, rejected=())


@dataclass(frozen=True)
class Lie:
    """``noticed``: check and subject of lines that fail; ``number``: the round it is told in."""

    said: str
    told: Callable[[Any], Any]
    noticed: set[tuple[int, str]]
    number: int = 2


LIES = {
    "an update that came is left out of the request for openings": Lie("gram request", _fewer, {(13, "round 2")}),
    "another block draws the sketch": Lie("beacon block", lambda block: block - 1, {(30, "round 2 request")}),
    "the openings are said to reject a client": Lie("screening", _sparing, {(30, "round 2 openings")}),
    "the openings are said to know one contributor": Lie("screening", _generous, {(30, "round 2 openings")}),
    "the key is requested for fewer": Lie("request", _others, {(30, "round 2"), (14, "round 2")}),
    "the key's request names no screening, at once": Lie("request", _unnamed, {(30, "round 2"), (14, "round 2")}),
    "the record names another screening": Lie("record", _elsewhere, {(14, "round 2")}),
    "one share is larger": Lie("allocation", _moved, {(21, "round 2")}),
    "probation accepts": Lie("verdict", _accepting, {(13, "round 1")}, number=1),
    "what was opened in probation is not told": Lie("record", _without_evidence, {(13, "round 1")}, number=1),
}


@pytest.mark.parametrize("name", LIES)
def test_every_lie_is_found(name: str) -> None:
    lie = LIES[name]
    conduct = replace(ROUNDS[lie.number], lies={lie.said: lie.told}, lying=())
    player = screened_player(f"lie {name}", {lie.number: conduct}, last=lie.number)
    report = run_audit(player.reader, player.store, player.task)
    found = {(line.number, line.subject) for line in report.lines if line.status is Status.FAIL}
    assert lie.noticed <= found, report.failed
    told = [line.detail for line in report.failed if (line.number, line.subject) in lie.noticed and line.number != 14]
    assert all("(fault: edge server)" in detail and to_hex(player.edge.sender) in detail for detail in told), told


def test_every_changed_byte_of_what_was_asked_and_answered_is_the_store_s_fault(audited: Audited) -> None:
    """And no verdict; without it nothing follows, either."""
    player, state = audited.player, audited.player.screeners.state() if audited.player.screeners else None
    assert state is not None
    digests = set[Digest]()
    for number in range(1, 5):
        screening, request = state.screening(number), state.gram_request(number)
        assert isinstance(request, GramRequest)
        digests.add(request.digest())
        if isinstance(screening, Screening):
            digests |= {screening.digest()}
            digests |= {signed.statement.answers for signed in (*screening.openings, *screening.accused)}
    assert len(digests) == 4 + 3 + 3 * 5
    for digest in digests:
        (name,) = {Cid(kind, digest).text for kind in ("raw", "dag-pb")} & player.store.objects.keys()
        data, store = player.store.objects[name], MemoryStore()
        place = len(data) // 2
        store.objects = {**player.store.objects, name: data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]}
        report = audited.audit(store=store)
        assert report.status is Status.UNKNOWN, report.failed
        assert {line.number for line in report.failed if "(fault: content store)" in line.detail} == {30}
        del store.objects[name]
        assert audited.audit(store=store).status is Status.UNKNOWN


@pytest.mark.parametrize(("level", "status"), [(15, Status.PASS), (8, Status.FAIL), (0, Status.FAIL)])
def test_weights_follow_the_levels_that_openings_gave(audited: Audited, level: int, status: Status) -> None:
    player = audited.player
    evidence = read_evidence(player.reader, player.task)
    state = read_state(player.store, evidence)
    verdict, (first, *_) = state.screened[3], sorted(state.enrolled)
    assert verdict is not None
    given = replace(verdict, levels=(ClientLevel(first, level),))
    told = replace(state, screened={**state.screened, 3: given})
    full = with_beacons(player.reader, evidence, state)
    report: Report = audit_task(full, told, fetch_from(player.store), published_codes())
    (line,) = [line for line in report.lines if (line.number, line.subject) == (8, "round 4")]
    assert line.status is status
    assert status is Status.PASS or to_hex(first) in line.detail
