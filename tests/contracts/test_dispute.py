"""What follows from a breach, whatever its proof; those are in test_judge_words, _batch and _tree.

given a round that runs, or whose payout can still be disputed
    when a breach of its edge server is proven, by anyone
        should freeze the round, void its tree and end the culprit's role
        should keep back what whoever committed is owed, out of the bond first, and share the rest of the bond between
        reporter and escrow
        should pay nobody anything at once, so that no payee and no token can stop it
        should leave the tree before it claimable, and let the next round be opened and settled
    when the payout could be claimed already, or the round ended unpaid
        should refuse
given any time, whatever the round
    when a breach of an authority is proven
        should end its role and share its bond, and leave round, tree and payout alone
    when its bond is what a key takes
        should open no further round and request no key
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from protocol.cohort import sum_of
from protocol.identifiers import ZERO_DIGEST
from protocol.messages.chain import BondForfeited
from protocol.messages.round import RoundStatement, SignedRoundStatement
from protocol.round.state_table import RoundState
from storage.ledger import proofs
from tests.contracts.accusations import AUTHORITIES, AUTHORITY, convict, keys, refusal, statements
from tests.contracts.bonded import (
    AUTHORITY_BOND,
    CONTRIBUTION,
    EDGE_BOND,
    PAID,
    PARTICIPATION,
    WINDOW,
    bonded,
    commit_all,
    expire,
    request,
)
from tests.contracts.scene import BATCH, PLAN, RECORD, REQUEST, ROOT, Scene, label_of

REWARD = PARTICIPATION + CONTRIBUTION


@pytest.fixture
def opened(deployed: Scene) -> Scene:
    """Round 1 is open; edge servers and authorities have placed bonds."""
    bonded(deployed, edge_fee=0, authority_fee=0).open()
    return deployed


def test_should_freeze_a_running_round(opened: Scene) -> None:
    ledger = opened.ledger
    convict(opened, statements(opened), ledger.edge.address)
    assert ledger.task_view(1).reserved == 0  # nobody had committed
    assert refusal(opened, statements(opened)) == ("NotAccused", ledger.edge.address)
    expected = ("NotEdgeServer", ledger.edge.address, ledger.edge.address)
    assert opened.edge_refusal("commitBatch", 1, BATCH, BATCH, 3) == expected


@pytest.mark.parametrize("requested", [False, True])
def test_should_keep_back_what_is_owed_out_of_the_bond_first(deployed: Scene, requested: bool) -> None:
    scene = bonded(deployed, edge_bond=2_501 if requested else 1_701)
    scene.open()
    commit_all(scene)
    if requested:
        request(scene)
    bond, owed = scene.terms.edge_bond, 3 * (REWARD if requested else PARTICIPATION)
    before = scene.ledger.task_view(1).escrow
    events = scene.by(scene.ledger.stranger, "dispute", statements(scene)).events
    share = max(0, bond - owed) // 2
    forfeited = next(event for event in events if isinstance(event, BondForfeited))
    assert (forfeited.amount, forfeited.share) == (bond, share)
    assert share == (0 if requested else 250)
    shown = scene.ledger.task_view(1)
    assert (shown.reserved, shown.escrow) == (owed, before + bond - share)
    assert scene.ledger.view("creditOf", 1, scene.ledger.stranger.address) == share


def test_should_void_the_payout_and_go_on(opened: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger, client = opened.ledger, opened.clients[0]
    opened.request()
    opened.publish()
    opened.pass_window()
    before = opened.claim_call(client)
    opened.open(2)
    opened.request(2)
    opened.publish(2)
    void = opened.claim_call(client)
    one = RoundStatement(1, 2, label_of(2), b"\x01" * 32)
    both = (one, replace(one, model=b"\x02" * 32))
    signed = [SignedRoundStatement(said, ledger.edge.sign(ledger.domain, said)) for said in both]
    opened.by(ledger.stranger, "dispute", proofs.two_statements(ledger.edge.address, *signed))
    shown = ledger.task_view(1)
    assert (shown.pending_round, shown.payable(ledger.now)[1], shown.reserved) == (0, 3 * REWARD, 3 * REWARD)
    assert (shown.payable_from, shown.pending_root, shown.pending_allocated) == (0, ZERO_DIGEST, 0)
    ledger.pass_to(ledger.now + WINDOW)
    assert ledger.refusal(ledger.stranger, "claim", *void) == ("ProofInvalid", 1, client.address)
    opened.by(ledger.stranger, "claim", *before)
    monkeypatch.setattr(ledger, "edge", ledger.substitute)
    waits = opened.terms.roster_seconds + opened.terms.takeover_seconds
    ledger.pass_to(ledger.round_view(1, 2).settle_until + waits + 1)
    opened.earned = dict.fromkeys(opened.earned, REWARD)
    opened.open(3)
    opened.request(3)
    opened.publish(3)
    opened.pass_window()
    opened.claim_many(*opened.clients)
    assert [ledger.balance(one.address) for one in opened.clients] == [2 * REWARD] * 3
    opened.by(ledger.stranger, "refund", 1)
    assert ledger.task_view(1).escrow == ledger.task_view(1).reserved == 3 * REWARD  # of round 2
    opened.pass_after(ledger.task_view(1).claim_until)
    opened.by(ledger.stranger, "refund", 1)
    assert ledger.task_view(1).escrow == 0


def test_should_come_too_late(opened: Scene) -> None:
    opened.request()
    opened.publish()
    opened.ledger.pass_to(opened.ledger.task_view(1).payable_from)
    assert refusal(opened, statements(opened)) == ("RoundUnexpected", 1, 1, RoundState.PUBLISHED)


def test_should_not_freeze_what_expired(opened: Scene) -> None:
    request_late(opened)
    expire(opened)
    assert refusal(opened, statements(opened)) == ("RoundUnexpected", 1, 1, RoundState.EXPIRED)


def request_late(scene: Scene) -> None:
    scene.pass_after(scene.ledger.round_view(1, 1).commit_until)
    scene.by_edge("requestKey", 1, REQUEST)


@pytest.mark.parametrize("step", ["open", "requested", "abandoned", "published", "payable", "expired"])
def test_should_let_an_authority_freeze_nothing(opened: Scene, step: str) -> None:
    """It could void a payout that it dislikes for the price of its bond."""
    ledger = opened.ledger
    if step == "abandoned":
        opened.pass_after(ledger.round_view(1, 1).commit_until)
        opened.by_edge("abandonRound", 1, RECORD, ROOT, 0)
    elif step == "expired":
        expire(opened)
    elif step != "open":
        opened.request()
        if step != "requested":
            opened.publish()
        if step == "payable":
            opened.pass_window()
    before, state = ledger.task_view(1), ledger.round_view(1, 1)
    convict(opened, keys(opened, residues=BATCH), AUTHORITY.address)
    after = ledger.task_view(1)
    same = ("pending_round", "pending_root", "pending_allocated", "payable_from", "reserved", "stopped", "edge_server")
    assert [getattr(after, name) for name in same] == [getattr(before, name) for name in same]
    assert ledger.round_view(1, 1) == state
    assert after.escrow == before.escrow + AUTHORITY_BOND - AUTHORITY_BOND // 2
    assert refusal(opened, keys(opened, residues=BATCH)) == ("NotAccused", AUTHORITY.address)
    if step == "published":
        opened.pass_window()
        opened.claim_many(*opened.clients)
        assert [ledger.balance(one.address) for one in opened.clients] == [REWARD] * 3


def test_should_wait_for_the_bonds_that_a_key_takes(deployed: Scene) -> None:
    """Two of three: with one conviction the task goes on, with the second one it ends."""
    scene, ledger = deployed, deployed.ledger
    scene.post(**PAID)
    bonds = [(ledger.edge, EDGE_BOND), *((authority, AUTHORITY_BOND) for authority in AUTHORITIES[:2])]
    for holder, amount in bonds:
        scene.by(ledger.stranger, "placeBond", 1, holder.address, value=amount)
    scene.enrol(*scene.clients)
    scene.open()
    convict(scene, keys(scene, AUTHORITIES[1], residues=BATCH), AUTHORITIES[1].address)
    assert not ledger.task_view(1).stopped
    missing = ("BondMissing", 1, bytes(20))
    until = ledger.round_view(1, 1).commit_until
    ledger.pass_to(until + 1)
    assert scene.edge_refusal("requestKey", 1, REQUEST) == missing
    scene.by_edge("abandonRound", 1, RECORD, ROOT, 0)  # rather than to let it expire
    ledger.pass_to(ledger.task_view(1).payable_from)
    call = ("openRound", 2, PLAN, label_of(2), sum_of(scene.cohort()).root, 3)
    assert scene.edge_refusal(*call) == missing
    scene.by(ledger.stranger, "placeBond", 1, AUTHORITIES[2].address, value=AUTHORITY_BOND)
    scene.by_edge(*call)
