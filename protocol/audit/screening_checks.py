"""Check 30: a screened round, from the request for its openings to the set whose sum was asked for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from protocol.audit.case import Case, known, read
from protocol.audit.evidence import MissingEvidenceError
from protocol.audit.opened import Opened, accused_of
from protocol.audit.report import require, same
from protocol.errors import HearthError, Party, VerificationError
from protocol.identifiers import ZERO_DIGEST, Address, to_hex
from protocol.messages.chain import RoundAbandoned, ScreeningRequested
from protocol.messages.screening import GRAM_KIND
from protocol.messages.task import TaskSpec
from protocol.round.screening_request import check_beacon_block, check_request_for
from protocol.round.screening_verdict import round_verdict
from protocol.round.sightings import check_sightings, sighting
from protocol.round.unscreened import check_unscreened
from protocol.task.documents import UnderivableError
from protocol.task.round_facts import RoundFacts


def check_screened(case: Case, facts: RoundFacts, opened: Opened | None) -> None:
    """The lines of one round. ``opened``: None in a task that is not screened, or whose spec nobody can read."""
    subject, spec = f"round {facts.number}", case.state.spec
    if opened is None or not isinstance(spec, TaskSpec):
        if facts.screening is not None:
            with case.report.check(30, subject):
                known(case.state.spec, "the spec")
                raise VerificationError("openings are requested in a task that is not screened")
        return
    if facts.screening is not None:
        with case.report.check(30, f"{subject} request"), _sent_by(facts.screening_by or facts.server):
            _check_request(case, spec, facts, facts.screening)
    publisher = facts.requested_by or facts.ended_by or facts.server
    if opened.published is not None or opened.problem is not None:
        with case.report.check(30, f"{subject} openings") as remarks, _sent_by(publisher):
            _check_sightings(case, spec, facts, opened)
            if opened.problem is not None:
                raise opened.problem
            remarks += [f"authority {to_hex(member)} signed a lie" for member in accused_of(opened)]
    with case.report.check(30, subject) as remarks, _sent_by(publisher):
        remarks += _check_set(case, spec, facts, opened)


@contextmanager
def _sent_by(server: Address) -> Iterator[None]:
    """Whatever does not hold of a round's screening, the edge server that put it there could see; its address is told.
    What cannot be read is unknown."""
    try:
        yield
    except MissingEvidenceError:
        raise
    except UnderivableError as error:
        raise MissingEvidenceError(str(error.args[0])) from error
    except HearthError as error:
        reason = f"by {to_hex(server)}: {error.args[0]}"
        raise VerificationError(reason, fault=Party.EDGE_SERVER) from error


def _check_request(case: Case, spec: TaskSpec, facts: RoundFacts, event: ScreeningRequested) -> None:
    evidence = case.evidence

    def time_of(block: int) -> int:
        return known(evidence.times.get(block), f"the time of block {block}")

    request = read(case.state.gram_request(facts.number), "screening request")
    check_beacon_block(facts, spec.confirmations, time_of)
    drawn = known(evidence.beacons.get(event.beacon_block), f"block {event.beacon_block}")
    same(f"hash of block {event.beacon_block}", event.beacon, drawn)
    check_request_for(case.state, spec, facts.number, request)


def _check_sightings(case: Case, spec: TaskSpec, facts: RoundFacts, opened: Opened) -> None:
    """Without them no authority opens a round, so nobody had the openings of another request either."""
    published = opened.published
    if published is None or facts.screening is None:
        return
    label, digest = facts.opened.label, facts.screening.request
    seen = partial(sighting, case.evidence.task, facts.number, GRAM_KIND, label, digest)
    check_sightings(case.evidence.domain, spec.committee, seen, published.sightings)


def _check_set(case: Case, spec: TaskSpec, facts: RoundFacts, opened: Opened) -> list[str]:
    """Whose sum was asked for is what the openings say; nobody asked for one before, or without them at will."""
    number, requested = facts.number, facts.requested
    if requested is None:
        return _check_abandoned(case, facts, opened)
    require(facts.screening is not None, "a key is requested of a round whose openings were not")
    request = read(case.state.request(number), "key request")
    plan, came = read(case.state.plan(number), "plan"), read(case.state.gram_request(number), "screening request")
    if request.screening == ZERO_DIGEST:
        time = case.evidence.time(requested)
        check_unscreened(spec, plan, request, came, facts.opened.settle_until, time)
        return ["nobody was screened: too few authorities opened the round, and the task goes on without"]
    clients = (entry.client for entry in came.entries)
    accepted = round_verdict(plan, {}, opened.verdict, clients).accepted
    same("clients in the key request", tuple(entry.client for entry in request.entries), accepted)
    return []


def _check_abandoned(case: Case, facts: RoundFacts, opened: Opened) -> list[str]:
    """Or one that expired, or runs: without a request for its key nothing of a round is anybody's sum."""
    if not isinstance(facts.ended, RoundAbandoned):
        return []
    record = read(case.state.record(facts.number), "round record")
    if facts.screening is None:
        same("screening of a round that nobody opened", record.screening, ZERO_DIGEST)
    verdict = opened.verdict
    return [] if verdict is None or not verdict.accepted else [f"{len(verdict.accepted)} clients were accepted"]
