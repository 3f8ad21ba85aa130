"""An authority answers under its bond alone, and says for ever what it issued."""

from __future__ import annotations

from dataclasses import replace

import pytest

from protocol.canonical import decode, encode
from protocol.errors import HearthError, Party
from protocol.identifiers import sha256
from protocol.messages.chain import BondView
from protocol.messages.issued import IssuedRecord, IssuedStatement, SignedIssued
from protocol.messages.keys import KeyRequest
from protocol.messages.round import RoundPlan
from protocol.signing import verify
from tests.samples import DOMAIN
from tests.unit.backend.key_authority.scene import TASK, Scene, authority_signer, plan, request, spec


def refused(scene: Scene, code: str, under: RoundPlan, shown: KeyRequest, number: int = 1) -> None:
    with pytest.raises(HearthError) as caught:
        scene.ask(under, shown, number)
    assert caught.value.code == code
    with pytest.raises(HearthError) as caught:
        scene.authority.sight(TASK, number, encode(shown))
    assert caught.value.code == code


def test_without_its_bond_it_signs_nothing(empty: Scene) -> None:
    """Nobody could convict it."""
    bonded = replace(spec(), deposits=replace(spec().deposits, authority=10))
    empty.prepare()
    empty.records.keep_task(TASK, encode(bonded))
    agreed = plan(spec=sha256(encode(bonded)))
    shown = request(agreed)
    empty.ledger.record(shown)
    refused(empty, "E_BOND", agreed, shown)
    empty.ledger.bond_view = BondView(2, 0, True, 10, 0)
    assert empty.authority.sight(TASK, 1, encode(shown))
    assert empty.ask(agreed, shown)


def test_dismissed_it_signs_nothing_more(scene: Scene) -> None:
    first = scene.ask_recorded(plan(), request(plan()))
    scene.ledger.bond_view = replace(scene.ledger.bond_view, role=0)
    assert scene.ask(plan(), request(plan())) == first, "that is signed"
    second = plan(2)
    scene.ledger.record(request(second), 2)
    refused(scene, "E_DISMISSED", second, request(second), 2)


def _issued(scene: Scene) -> list[SignedIssued]:
    return list(decode(IssuedRecord, scene.authority.issued(TASK)).issued)


def test_what_it_issued_it_says_for_ever(scene: Scene) -> None:
    assert _issued(scene) == []
    for number in (1, 2):
        agreed = plan(number)
        shown = request(agreed)
        scene.ledger.record(shown, number)
        scene.authority.sight(TASK, number, encode(shown))
        assert len(_issued(scene)) == number - 1, "to have seen it is not to have answered it"
        scene.ask(agreed, shown, number)
    own = authority_signer(1).address
    expected = [IssuedStatement(TASK, n, plan(n).label(), request(plan(n)).digest(), own) for n in (1, 2)]
    before = _issued(scene)
    assert [signed.statement for signed in before] == expected
    for signed in before:
        verify(DOMAIN, signed.statement, signed.signature, own, Party.KEY_AUTHORITY)
    scene.restart()
    scene.ledger.down = True
    assert _issued(scene) == before
