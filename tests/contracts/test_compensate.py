"""compensate.

given a round that expired or was frozen
    when anyone shows the place and the commitment of a client, in the batch or sent directly
        should pay the client its participation, and its contribution as well once a key was requested, and emit
        Compensated, once
        should do so for whoever left, for the key that its enrolment named, and when no server has a role any more
        should leave what the tree owes alone
    when the leaf is another client's, of another round or label, badly signed or in no batch, or nobody planned it
        should refuse
given a round that runs, or has a tree
    should refuse
given the time for claims
    when the task is refunded before its end
        should keep back what is owed, a batch counted as the whole cohort
    when it is over
        should refuse, and refund the rest
"""

from __future__ import annotations

from dataclasses import astuple
from typing import Any

import pytest

from protocol.cohort import place_of
from protocol.messages.submission import BatchLeaf, SignedCommitment
from protocol.round.state_table import RoundState
from storage.ledger.ethereum.calls import batch_leaf_values
from tests.contracts.accusations import statements
from tests.contracts.bonded import (
    CONTRIBUTION,
    EDGE_BOND,
    NO_LEAF,
    PARTICIPATION,
    bonded,
    commit,
    commit_all,
    compensate,
    compensation_call,
    expire,
    refusal,
    request,
    signed,
)
from tests.contracts.scene import RECORD, ROOT, Scene, label_of, publication

REWARD = PARTICIPATION + CONTRIBUTION


def end(scene: Scene, how: str) -> None:
    if how.startswith("requested") or how == "published, frozen":
        request(scene)
    if how == "published, frozen":
        scene.publish()
    if how.endswith("frozen"):
        scene.by(scene.ledger.stranger, "dispute", statements(scene))
    else:
        expire(scene)


@pytest.mark.parametrize(
    ("how", "amount"),
    [
        ("open, expired", PARTICIPATION),
        ("open, frozen", PARTICIPATION),
        ("requested, expired", REWARD),
        ("requested, frozen", REWARD),
        ("published, frozen", REWARD),
    ],
)
def test_should_pay_whoever_committed_once(deployed: Scene, how: str, amount: int) -> None:
    scene, ledger = bonded(deployed), deployed.ledger
    first, second, third = scene.clients
    scene.open()
    batch = commit(scene, signed(scene, first), signed(scene, second))
    scene.by(ledger.stranger, "commitDirect", *scene.direct(third))
    end(scene, how)
    before = ledger.task_view(1)
    assert before.reserved == 3 * amount
    for client, shown in ((first, batch), (second, batch), (third, None)):
        assert not ledger.view("isCompensated", 1, 1, client.address)
        event = compensate(scene, client, shown).sole()
        expected = {"task": 1, "round": 1, "client": client.address, "amount": amount}
        assert event == {"event": "Compensated", **expected}
        assert ledger.view("isCompensated", 1, 1, client.address)
        assert ledger.balance(client.address) == amount
        call = compensation_call(scene, client, shown)
        assert refusal(scene, "compensate", *call) == ("NothingToPay", 1, client.address)
    after = ledger.task_view(1)
    assert (after.reserved, after.escrow, after.claimed) == (0, before.escrow - 3 * amount, 0)
    assert ledger.balance(ledger.address) == after.escrow + after.deposits


def test_should_pay_who_is_in_the_batch_and_committed_directly_once(deployed: Scene) -> None:
    scene, client = bonded(deployed), deployed.clients[0]
    scene.open()
    scene.by(scene.ledger.stranger, "commitDirect", *scene.direct(client))
    batch = commit_all(scene)
    expire(scene)
    compensate(scene, client, batch)
    call = compensation_call(scene, client, None)
    assert refusal(scene, "compensate", *call) == ("NothingToPay", 1, client.address)


@pytest.mark.parametrize("step", ["open", "requested", "published", "abandoned"])
def test_should_refuse_while_a_round_runs_and_when_it_has_a_tree(deployed: Scene, step: str) -> None:
    scene, client = bonded(deployed), deployed.clients[0]
    scene.open()
    batch = commit_all(scene)
    if step == "abandoned":
        scene.pass_after(scene.ledger.round_view(1, 1).commit_until)
        scene.by_edge("abandonRound", 1, RECORD, ROOT, 0)
    elif step != "open":
        request(scene)
        if step == "published":
            scene.publish()
    state = RoundState[step.upper()]
    call = compensation_call(scene, client, batch)
    assert refusal(scene, "compensate", *call) == ("RoundUnexpected", 1, 1, state)
    assert refusal(scene, "compensate", 1, 2, *call[2:]) == ("RoundUnexpected", 1, 2, RoundState.NONE)


@pytest.mark.parametrize("flaw", ["other", "round", "label", "task", "signature", "index", "proof", "none"])
def test_should_refuse_what_is_no_leaf_of_the_client(deployed: Scene, flaw: str) -> None:
    scene = bonded(deployed)
    first, second, third = scene.clients
    scene.open()
    changes: dict[str, dict[str, Any]] = {
        "round": {"round": 2},
        "label": {"label": label_of(2)},
        "task": {"task": 2},
        "signature": {"signer": third},
    }
    batch = commit(scene, signed(scene, first, **changes.get(flaw, {})), signed(scene, second))
    expire(scene)
    spoiled: dict[str, dict[str, Any]] = {"index": {"index": 1}, "proof": {"proof": (ROOT,)}}
    call = compensation_call(scene, first, batch, **spoiled.get(flaw, {}))
    if flaw == "other":
        call = (*call[:4], compensation_call(scene, second, batch)[4])
    elif flaw == "none":
        call = (*call[:4], NO_LEAF)
    name = "ProofInvalid" if flaw != "signature" else "SignatureInvalid"
    assert refusal(scene, "compensate", *call)[0] == name
    compensate(scene, second, batch)


def test_should_refuse_whom_nobody_planned(deployed: Scene) -> None:
    """Its commitment is in the batch all the same."""
    scene = bonded(deployed)
    first, second, third = scene.clients
    scene.open(cohort=2)
    batch = commit(scene, signed(scene, first), signed(scene, third))
    expire(scene)
    placed = [astuple(place_of(scene.cohort(2), one.address)) for one in (first, second)]
    own, others = (compensation_call(scene, one, batch) for one in (first, third))
    for place in (*placed, scene.place(third)):
        call = (*others[:3], place, others[4])
        assert refusal(scene, "compensate", *call) == ("NotPlanned", 1, third.address)
    scene.by(scene.ledger.stranger, "compensate", *own[:3], placed[0], own[4])


def test_should_refuse_who_committed_in_no_way(deployed: Scene) -> None:
    """No batch: a tree of one leaf under the root of zeros is nobody's."""
    scene, client = bonded(deployed), deployed.clients[0]
    scene.open()
    expire(scene)
    leaf = BatchLeaf(0, signed(scene, client), ())
    for shown in (NO_LEAF, batch_leaf_values(leaf)):
        call = (*compensation_call(scene, client, None)[:4], shown)
        assert refusal(scene, "compensate", *call) == ("ProofInvalid", 1, client.address)


def test_should_take_the_named_signer_for_the_client(deployed: Scene) -> None:
    scene, ledger = deployed, deployed.ledger
    first, second, _ = scene.clients
    scene.post(participation=PARTICIPATION, edge_bond=EDGE_BOND)
    scene.by(ledger.stranger, "placeBond", 1, ledger.edge.address, value=EDGE_BOND)
    message, signature = scene.enrolment(first, signer=ledger.stranger.address)
    scene.by(ledger.stranger, "enrol", [message], [signature])
    scene.enrol(*scene.clients[1:])
    scene.open()
    own = SignedCommitment(signed(scene, second).commitment, signed(scene, second, signer=ledger.stranger).signature)
    batch = commit(scene, signed(scene, first, signer=ledger.stranger), own)
    expire(scene)
    compensate(scene, first, batch)
    call = compensation_call(scene, second, batch)
    assert refusal(scene, "compensate", *call) == ("SignatureInvalid", second.address)


def test_should_pay_who_left_beside_what_the_tree_owes(deployed: Scene) -> None:
    """Round 1 was published, round 2 left alone: two payments that know nothing of each other."""
    scene, client, ledger = bonded(deployed, dispute_seconds=0), deployed.clients[0], deployed.ledger
    scene.open()
    scene.request()
    scene.publish()
    scene.open(2)
    scene.by(ledger.stranger, "commitDirect", *scene.direct(client, round=2))
    scene.by(ledger.stranger, "leave", *scene.leave_call(client))
    scene.pass_after(ledger.round_view(1, 2).settle_until)
    scene.by(ledger.stranger, "expireRound", 1, 2)
    scene.by(ledger.stranger, "compensate", 1, 2, *compensation_call(scene, client, None)[2:])
    assert ledger.balance(client.address) == PARTICIPATION
    assert scene.claim(client).sole()["amount"] == REWARD
    assert ledger.balance(client.address) == PARTICIPATION + REWARD


@pytest.mark.parametrize("late", [False, True])
def test_should_keep_it_back_until_claims_end(deployed: Scene, late: bool) -> None:
    """Two of three are in the batch; the third could be, for all that the contract knows."""
    scene, ledger = bonded(deployed), deployed.ledger
    first, second, _ = scene.clients
    scene.open()
    batch = commit(scene, signed(scene, first), signed(scene, second))
    expire(scene)
    until = ledger.task_view(1).claim_until
    scene.pass_after(ledger.task_view(1).task_until)
    scene.by(ledger.stranger, "refund", 1)
    shown = ledger.task_view(1)
    assert shown.escrow == shown.reserved == 3 * PARTICIPATION
    compensate(scene, first, batch)
    assert refusal(scene, "refund", 1)[0] == "NothingToPay"
    ledger.pass_to(until + late)
    call = compensation_call(scene, second, batch)
    if late:
        assert refusal(scene, "compensate", *call) == ("TooLate", until)
    else:
        compensate(scene, second, batch)
        ledger.pass_to(until + 1)
    event = scene.by(ledger.stranger, "refund", 1).sole()
    assert event["amount"] == (2 if late else 1) * PARTICIPATION
    assert ledger.task_view(1).escrow == 0


def test_should_pay_fresh_trees_before_and_after(deployed: Scene) -> None:
    """What a later round allocates is measured by what the tree that stands allocates, not by compensations."""
    scene, ledger = bonded(deployed, dispute_seconds=0), deployed.ledger
    scene.open()
    batch = commit_all(scene)
    request(scene)
    expire(scene)
    scene.open(2)
    scene.request(2)
    scene.publish(2)
    for client in scene.clients:
        compensate(scene, client, batch)
    scene.claim_many(*scene.clients)
    assert [ledger.balance(client.address) for client in scene.clients] == [2 * REWARD] * 3
    assert scene.edge_refusal("publishRound", 2, publication(ROOT, 0))[0] == "RoundUnexpected"
