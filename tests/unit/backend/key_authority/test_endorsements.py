"""An authority gives its word on the cohort that its own chain has, and on no other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from backend.key_authority.chain_checks import AUTHORITY
from protocol.canonical import decode, encode
from protocol.cohort import sum_of
from protocol.errors import HearthError, Party
from protocol.identifiers import ZERO_DIGEST
from protocol.messages.chain import BondView, RoundOpened
from protocol.messages.rosters import RosterPosted, runs_of
from protocol.messages.round import CohortEvidence, RoundPlan, SignedEndorsement
from protocol.round.endorsing import endorsement_of
from protocol.round.state_table import RoundState
from protocol.signing import verify
from tests.samples import DOMAIN
from tests.unit.backend.key_authority.scene import CLIENTS, TASK, WEIGHTS, Scene, authority_signer, plan, request, spec


def opened(scene: Scene, under: RoundPlan, held: Sequence[bytes] = CLIENTS) -> None:
    """Round 1 with this plan, after rosters of two authorities."""
    for client in CLIENTS:
        scene.ledger.enrol(client)
    for j in (1, 2):
        bits = runs_of(CLIENTS, set(held))
        scene.ledger.tell(RosterPosted, window=0, authority=authority_signer(j).address, held=bits, refused=b"")
    scene.ledger.tell(
        RoundOpened, round=1, plan=ZERO_DIGEST, label=under.label(), cohort_root=under.cohort.root, cohort=3,
        beacon=ZERO_DIGEST, commit_until=500, settle_until=2_000,
    )  # fmt: skip
    scene.ledger.record(request(under), state=RoundState.OPEN)


def endorse(scene: Scene, under: RoundPlan) -> SignedEndorsement:
    body = encode(CohortEvidence(encode(under), ()))
    return decode(SignedEndorsement, scene.authority.endorse(TASK, 1, body))


def refused(scene: Scene, under: RoundPlan) -> str:
    with pytest.raises(HearthError) as caught:
        endorse(scene, under)
    return caught.value.code


def test_it_signs_what_it_derives_as_deep_as_the_task_asks(scene: Scene) -> None:
    opened(scene, plan())
    signed, own = endorse(scene, plan()), authority_signer(1).address
    assert signed.statement == endorsement_of(TASK, 1, plan().label(), own)
    verify(DOMAIN, signed.statement, signed.signature, own, Party.KEY_AUTHORITY)
    assert endorse(scene, plan()) == signed
    scene.ledger.shallow.add(1)
    assert refused(scene, plan()) == "E_NOT_ON_CHAIN"
    assert set(scene.ledger.confirmations_asked) == {spec().confirmations}


def test_another_plan_than_the_one_on_chain_is_refused(scene: Scene) -> None:
    opened(scene, plan())
    assert refused(scene, plan(model=b"\2" * 32)) == "E_NOT_ON_CHAIN"
    fewer = WEIGHTS[:2]
    assert refused(scene, plan(weights=fewer, cohort=sum_of(fewer))) == "E_NOT_ON_CHAIN"
    assert refused(scene, replace(plan(), weights=fewer)) == "E_VERIFICATION", "under the head of the one on chain"


def test_who_is_in_too_few_rosters_is_not_endorsed(scene: Scene) -> None:
    opened(scene, plan(), held=CLIENTS[:2])
    with pytest.raises(HearthError, match="not in the rosters"):
        endorse(scene, plan())


def test_a_dismissed_authority_says_nothing_more(scene: Scene) -> None:
    opened(scene, plan())
    scene.ledger.bond_view = BondView(0, 0, False, 0, 0)
    assert scene.ledger.bond_view.role != AUTHORITY
    assert refused(scene, plan()) == "E_DISMISSED"
