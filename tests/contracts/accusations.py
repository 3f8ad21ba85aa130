"""Proofs of breaches in round 1 of a scene, as anybody could file them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from protocol.identifiers import ZERO_DIGEST
from protocol.messages.chain import BondForfeited, Credited, RoundFrozen
from protocol.messages.keys import PartialKeyStatement, SightingStatement, SignedPartialKey, SignedSighting
from protocol.messages.round import RoundStatement, SignedRoundStatement
from protocol.messages.screening import OpeningStatement, SignedOpening
from protocol.round.state_table import RoundState
from storage.ledger import proofs
from storage.ledger.signer import Signer
from tests.contracts.ledger import Refusal
from tests.contracts.scene import Scene, label_of
from tests.reference_ledger.books import Role
from tests.samples import private_key

AUTHORITIES: Final = [Signer(private_key("authority", number)) for number in (1, 2, 3)]
AUTHORITY: Final = AUTHORITIES[0]


def refusal(scene: Scene, proof: bytes) -> Refusal:
    return scene.ledger.refusal(scene.ledger.stranger, "dispute", proof)


def statements(
    scene: Scene, signer: Signer | None = None, server: Signer | None = None, number: int = 1, **changes: Any
) -> bytes:
    """By default two labels of round 1, signed by the edge server."""
    accused, domain = server or scene.ledger.edge, scene.ledger.domain
    one = RoundStatement(scene.task, number, label_of(number), ZERO_DIGEST)
    other = replace(one, **(changes or {"label": label_of(9)}))
    signed = SignedRoundStatement(other, (signer or accused).sign(domain, other))
    return proofs.two_statements(accused.address, SignedRoundStatement(one, accused.sign(domain, one)), signed)


def keys(scene: Scene, authority: Signer = AUTHORITY, /, **changes: Any) -> bytes:
    """Two partial keys under one label; without ``changes`` they are one."""
    one = PartialKeyStatement(scene.task, 1, label_of(1), b"\x01" * 32, authority.address, 0, b"\x02" * 32)
    both = (one, replace(one, **changes))
    return proofs.two_keys(*(SignedPartialKey(said, authority.sign(scene.ledger.domain, said)) for said in both))


def openings(scene: Scene, authority: Signer = AUTHORITY, /, **changes: Any) -> bytes:
    """Two answers to requests for openings under one label; without ``changes`` they are one."""
    one = OpeningStatement(scene.task, 1, label_of(1), b"\x01" * 32, authority.address, 0, b"\x02" * 32)
    both = (one, replace(one, **changes))
    return proofs.two_openings(*(SignedOpening(said, authority.sign(scene.ledger.domain, said)) for said in both))


def sightings(scene: Scene, **changes: Any) -> bytes:
    one = SightingStatement(scene.task, 1, b"\x01" * 32, label_of(1), b"\x02" * 32, AUTHORITY.address)
    both = (one, replace(one, **changes))
    return proofs.two_sightings(*(SignedSighting(said, AUTHORITY.sign(scene.ledger.domain, said)) for said in both))


def convict(scene: Scene, proof: bytes, culprit: bytes) -> None:
    """The books after it, of whomever; a round without commitments owes nobody anything."""
    ledger = scene.ledger
    before, bond = ledger.task_view(scene.task), ledger.view("bondOf", scene.task, culprit)
    is_server, amount = bond[0] == Role.EDGE_SERVER, bond[3]
    state = ledger.round_view(scene.task, 1).state
    events = scene.by(ledger.stranger, "dispute", proof).events
    frozen = [RoundFrozen] if is_server else []
    assert [type(event) for event in events] == [*frozen, BondForfeited, Credited]
    forfeited = events[-2]
    assert isinstance(forfeited, BondForfeited)
    said = (forfeited.holder, forfeited.reporter, forfeited.amount)
    assert said == (culprit, ledger.stranger.address, amount)
    view = ledger.task_view(scene.task)
    owed = view.reserved - before.reserved
    assert forfeited.share == (amount - owed) // 2
    assert (view.escrow - before.escrow, before.deposits - view.deposits) == (
        amount - forfeited.share,
        amount - forfeited.share,
    )
    assert ledger.view("creditOf", scene.task, ledger.stranger.address) == forfeited.share
    assert ledger.round_view(scene.task, 1).state is (RoundState.FROZEN if is_server else state)
    assert ledger.view("bondOf", scene.task, culprit)[0] == Role.NONE
    assert ledger.balance(ledger.address) == view.escrow + view.deposits
