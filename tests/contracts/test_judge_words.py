"""What the judge finds in two signed messages of one party.

given two signed statements of an edge server
    when labels or models differ in one round
        should convict it
    when they agree, are of different rounds, or one is not signed by it
        should refuse
given two signed partial keys, two openings, or two sightings, of an authority
    when they differ in what they answer under one label
        should convict it
    when they differ in nothing, or in the place that they speak of
        should refuse
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from protocol.identifiers import ZERO_DIGEST
from protocol.messages.keys import SightingStatement, SignedSighting
from protocol.messages.round import RoundStatement, SignedRoundStatement
from protocol.round.state_table import RoundState
from storage.ledger import proofs
from storage.ledger.ethereum.calls import encode_proof
from tests.contracts.accusations import AUTHORITY, convict, keys, openings, refusal, sightings, statements
from tests.contracts.bonded import bonded
from tests.contracts.scene import BATCH, ROOT, Scene, label_of

_WORD = (0, 0, bytes(32), bytes(32), bytes(20), 0, bytes(32))
_EMPTY = (_WORD, b"", _WORD, b"")


@pytest.fixture
def opened(deployed: Scene) -> Scene:
    bonded(deployed).open()
    return deployed


@pytest.mark.parametrize("changes", [{"label": label_of(9)}, {"label": label_of(9), "model": BATCH}])
def test_should_convict_a_server_of_a_second_plan(opened: Scene, changes: dict[str, Any]) -> None:
    convict(opened, statements(opened, **changes), opened.ledger.edge.address)


@pytest.mark.parametrize(
    "changes",
    [{"label": label_of(1)}, {"round": 2, "label": label_of(2)}, {"task": 2, "label": label_of(2)}, {"model": BATCH}],
)
def test_should_refuse_statements_without_conflict(opened: Scene, changes: dict[str, Any]) -> None:
    assert refusal(opened, statements(opened, **changes)) == ("NoConflict",)


def test_should_refuse_statements_of_somebody_else(opened: Scene) -> None:
    ledger = opened.ledger
    assert refusal(opened, statements(opened, signer=ledger.stranger)) == ("SignatureInvalid", ledger.edge.address)
    one = RoundStatement(1, 1, label_of(1), ZERO_DIGEST)
    other = replace(one, label=label_of(9))
    for accused in (ledger.stranger, ledger.substitute, AUTHORITY):  # the substitute is not acting
        signed = [SignedRoundStatement(said, accused.sign(ledger.domain, said)) for said in (one, other)]
        proof = proofs.two_statements(accused.address, *signed)
        assert refusal(opened, proof) == ("NotAccused", accused.address)


@pytest.mark.parametrize("field", ["request", "residues"])
def test_should_convict_an_authority_of_a_second_key(opened: Scene, field: str) -> None:
    changes: dict[str, Any] = {field: BATCH}
    assert refusal(opened, keys(opened)) == ("NoConflict",)
    assert refusal(opened, keys(opened, label=label_of(2), **changes)) == ("NoConflict",)
    convict(opened, keys(opened, **changes), AUTHORITY.address)


@pytest.mark.parametrize("field", ["request", "answers"])
def test_should_convict_an_authority_of_a_second_opening(opened: Scene, field: str) -> None:
    changes: dict[str, Any] = {field: BATCH}
    assert refusal(opened, openings(opened)) == ("NoConflict",)
    for place in ({"label": label_of(2)}, {"round": 2}, {"task": 2}):
        assert refusal(opened, openings(opened, **place, **changes)) == ("NoConflict",)
    convict(opened, openings(opened, **changes), AUTHORITY.address)


def test_should_take_no_key_for_an_opening_or_the_other_way_round(opened: Scene) -> None:
    """They have the same members: what was signed as one says nothing as the other."""
    selectors = {name: encode_proof(name, *_EMPTY)[:4] for name in ("twoKeys", "twoOpenings")}
    as_openings = selectors["twoOpenings"] + keys(opened, residues=BATCH)[4:]
    as_keys = selectors["twoKeys"] + openings(opened, answers=BATCH)[4:]
    for proof in (as_openings, as_keys):
        assert refusal(opened, proof) == ("SignatureInvalid", AUTHORITY.address)


@pytest.mark.parametrize("change", [{}, {"label": label_of(2)}, {"kind": BATCH}, {"round": 2}, {"task": 2}])
def test_should_convict_an_authority_of_a_second_sighting(opened: Scene, change: dict[str, Any]) -> None:
    """Of one kind under one label; whatever else differs is another place."""
    if change:
        assert refusal(opened, sightings(opened, digest=BATCH, **change)) == ("NoConflict",)
    assert refusal(opened, sightings(opened)) == ("NoConflict",)
    convict(opened, sightings(opened, digest=BATCH), AUTHORITY.address)


def test_should_refuse_sightings_of_somebody_else(opened: Scene) -> None:
    ledger, one = opened.ledger, SightingStatement(1, 1, BATCH, label_of(1), b"\x02" * 32, AUTHORITY.address)
    for accused in (AUTHORITY, ledger.edge):
        both = [replace(one, authority=accused.address, digest=digest) for digest in (one.digest, BATCH)]
        forged = [SignedSighting(said, ledger.stranger.sign(ledger.domain, said)) for said in both]
        name = "SignatureInvalid" if accused is AUTHORITY else "NotAccused"
        assert refusal(opened, proofs.two_sightings(*forged)) == (name, accused.address)


def test_should_take_nothing_but_proofs(opened: Scene) -> None:
    unknown = encode_proof("twoStatements", bytes(20), (9, 1, BATCH, BATCH), b"", (9, 1, ROOT, BATCH), b"")
    # which of the two is missed first is up to the compiler
    assert refusal(opened, unknown) in (("NotAccused", bytes(20)), ("TaskUnknown", 9))
    for proof in (b"", bytes(4), statements(opened)[:-100]):
        assert refusal(opened, proof) in (("FailedCall",), ("Unknown", b""))
    assert opened.ledger.round_view(1, 1).state is RoundState.OPEN
