"""What the evidence of a screened round shows of its authorities that the judge can convict them of."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from protocol.audit.breaches import Breach, TwoOpenings, TwoSightings, find_breaches
from protocol.domain import Domain
from protocol.identifiers import sha256
from protocol.messages.keys import SignedSighting
from protocol.messages.screening import Screening, SignedOpening
from protocol.signing import address_of, sign
from protocol.task.documents import Kind
from protocol.task.state import TaskState
from storage.evidence import read_evidence, read_state
from storage.ledger.proofs import proof_of
from tests.attacks.screened_task import screened_player
from tests.samples import private_key
from tests.tiny_task import authority_key

LIED, OTHER = 2, sha256(b"other answers")


class Shown:
    def __init__(self) -> None:
        player = screened_player("screened breaches", last=LIED)
        self.domain: Domain = player.domain
        self.state: TaskState = read_state(player.store, read_evidence(player.reader, player.task))
        found = self.state.screening(LIED)
        assert isinstance(found, Screening)
        self.screening = found

    def breaches(self, **changes: Any) -> list[Breach]:
        """With these parts of the evidence."""
        (digest,) = {wanted.digest for wanted in self.state.wanted_of(LIED) if wanted.kind is Kind.SCREENING}
        told = {**self.state.documents, (Kind.SCREENING, digest): replace(self.screening, **changes)}
        return list(find_breaches(self.domain, replace(self.state, documents=told)))

    def opening(self, key: bytes, **changes: Any) -> SignedOpening:
        said = replace(self.screening.openings[0].statement, **changes)
        return SignedOpening(said, sign(self.domain, said, key))


@pytest.fixture(scope="module")
def shown() -> Shown:
    return Shown()


def test_one_lie_of_an_authority_is_named_by_the_audit_and_is_nothing_for_a_judge(shown: Shown) -> None:
    assert shown.screening.accused and shown.breaches() == []


@pytest.mark.parametrize("field", ["answers", "request"])
def test_two_openings_of_one_authority_under_one_label(shown: Shown, field: str) -> None:
    first, second = shown.screening.openings[0], shown.opening(authority_key(1), **{field: OTHER})
    expected = TwoOpenings(shown.state.task, LIED, first.statement.authority, first, second)
    assert shown.breaches(accused=(second,)) == [expected]
    found = proof_of(expected)
    assert (found.kind, found.culprit) == ("twoOpenings", address_of(authority_key(1)))


def test_openings_of_other_places_or_other_hands_accuse_nobody(shown: Shown) -> None:
    key = authority_key(1)
    elsewhere: list[dict[str, Any]] = [{"label": OTHER}, {"round": 9}, {"task": 9}]
    harmless = [shown.opening(key, answers=OTHER, **place) for place in elsewhere]
    harmless += [shown.opening(private_key("stranger"), answers=OTHER), shown.opening(key, key_epoch=9)]
    assert shown.breaches(accused=tuple(harmless)) == []


def test_two_sightings_of_requests_for_openings(shown: Shown) -> None:
    first = shown.screening.sightings[0]
    said = replace(first.statement, digest=OTHER)
    second = SignedSighting(said, sign(shown.domain, said, authority_key(1)))
    expected = TwoSightings(shown.state.task, LIED, first.statement.authority, first, second)
    assert shown.breaches(sightings=(*shown.screening.sightings, second)) == [expected]
