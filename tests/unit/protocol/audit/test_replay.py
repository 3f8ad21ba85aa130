"""The auditor folds standings from the events of all tasks, whoever posted them.

given one task whose client comes from another
    when the manufacturer of the other is listed, or none is
        should count its standing
    when another one is listed
        should count it as none
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from protocol.audit.evidence import ChainEvidence, Replay
from protocol.messages.chain import Claimed, Enrolled, Event, LedgerRules, Standing, TaskPosted
from protocol.round.planning import terms_of
from tests.samples import DOMAIN, client_address, sample_spec

GIVER, OTHER, CLIENT = b"\x0a" * 20, b"\x0b" * 20, client_address(1)
RULES = LedgerRules(maximum=5, floor=2, waiting_seconds=100, claim_seconds=50)
TIMES = {0: 1_000, 1: 1_010, 2: 1_020, 3: 1_150, 4: 1_160, 5: 1_170}


def event(kind: type[Any], block: int, task: int, **fields: Any) -> Event:
    made: Event = kind(block=block, log_index=0, transaction=bytes(32), task=task, **fields)
    return made


def posted(block: int, task: int, manufacturer: bytes, sources: tuple[bytes, ...] = ()) -> Event:
    terms = replace(terms_of(sample_spec()), reputation_sources=sources)
    until = {"enrol_until": 1_600, "task_until": 5_000, "claim_until": 9_000}
    return event(TaskPosted, block, task, manufacturer=manufacturer, terms=terms, escrow=1, **until)


def claimed(block: int, task: int, freed: bool) -> Event:
    return event(Claimed, block, task, client=CLIENT, amount=1, cumulative=1, reputation=5, freed=freed)


def enrolled(block: int, task: int) -> Event:
    said = {"envelope": b"\1" * 32, "reputation": 2, "signer": CLIENT, "deadline": 5_000, "signature": bytes(65)}
    return event(Enrolled, block, task, client=CLIENT, **said)


def evidence(events: tuple[Event, ...]) -> ChainEvidence:
    """No views: a replay reads none."""
    none: Any = None
    empty: dict[Any, Any] = {}
    views = (none, empty, empty, frozenset[bytes](), empty, empty, empty, empty)
    said = (bytes(32),) * len(events)
    return ChainEvidence(DOMAIN, 2, empty, 0, 2, empty, events, said, TIMES, empty, *views, RULES)


@pytest.mark.parametrize(("sources", "counts"), [((), True), ((OTHER, GIVER), True), ((OTHER,), False)])
def test_a_standing_counts_where_its_giver_is_listed(sources: tuple[bytes, ...], counts: bool) -> None:
    task_one = (posted(0, 1, GIVER), enrolled(1, 1), claimed(2, 1, False), claimed(3, 1, True))
    events = (*task_one, posted(4, 2, OTHER, sources), enrolled(5, 2))
    replay = Replay(evidence(events))
    for at in replay:
        if at is events[-1]:
            assert replay.standing(CLIENT) == Standing(3, TIMES[3], 0, 1)
            worth = replay.worth(CLIENT, 2, at)
            assert (worth.counts, worth.reputation) == ((True, 3) if counts else (False, 2))
    assert replay.standing(CLIENT).task == 2
