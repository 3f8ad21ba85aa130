"""commitBatch and commitDirect.

given an open round
    when its edge server commits a batch until commitUntil
        should keep root and count and emit BatchCommitted
    when it does so again, or with a count outside 1..cohort, or without root or batch, or late
        should refuse
    when anyone relays one signed commitment of a planned client until commitUntil
        should count it, once per client, and emit DirectCommitted
    when the signature is not the client's over exactly this (a copy, another chain, ledger, task, round or label)
        should refuse
    when the client's place in the cohort is not proven, or the ciphertext is missing, or it is late
        should refuse
"""

from __future__ import annotations

from dataclasses import astuple, replace
from typing import Any

import pytest

from protocol.cohort import place_of, sum_of
from protocol.keccak import keccak
from protocol.messages.round import CohortNode, CohortPlace
from protocol.messages.submission import Commitment
from protocol.round.state_table import RoundState
from tests.contracts.scene import BATCH, CIPHERTEXT, NONCE, PLAN, ROOT, ZERO, Scene, label_of
from tests.samples import cohort_of


def direct_refusal(scene: Scene, call: tuple[object, ...]) -> tuple[object, ...]:
    return scene.ledger.refusal(scene.ledger.stranger, "commitDirect", *call)


def test_should_keep_one_batch(opened: Scene) -> None:
    event, until = opened.commit_batch(count=2).sole(), opened.ledger.now + 30
    assert event == {
        "event": "BatchCommitted", "task": 1, "round": 1, "root": ROOT, "batch": BATCH, "count": 2,
        "object_until": until,
    }  # fmt: skip
    shown = opened.ledger.round_view(1, 1)
    assert (shown.state, shown.batch_root, shown.batched) == (RoundState.OPEN, ROOT, 2)
    assert shown.object_until == until
    edge = opened.ledger.edge.address
    assert opened.edge_refusal("commitBatch", 1, ROOT, BATCH, 1) == ("AlreadyCommitted", 1, 1, edge)


def test_should_refuse_a_malformed_batch(opened: Scene) -> None:
    opened.pass_training()
    for count in (0, 4, 2**32 - 1):
        assert opened.edge_refusal("commitBatch", 1, ROOT, BATCH, count) == ("CohortWrong", count, 1, 3)
    assert opened.edge_refusal("commitBatch", 1, ZERO, BATCH, 2) == ("DigestZero",)
    assert opened.edge_refusal("commitBatch", 1, ROOT, ZERO, 2) == ("DigestZero",)
    assert opened.edge_refusal("commitBatch", 2, ROOT, BATCH, 2) == ("RoundUnexpected", 1, 2, RoundState.NONE)


@pytest.mark.parametrize("late", [False, True])
def test_should_take_direct_commitments_until_commit_until(opened: Scene, late: bool) -> None:
    until = opened.ledger.round_view(1, 1).commit_until
    opened.ledger.pass_to(until + late)
    direct = opened.direct(opened.clients[0])
    if late:
        assert direct_refusal(opened, direct) == ("TooLate", until)
    else:
        opened.by(opened.ledger.stranger, "commitDirect", *direct)


def test_should_take_no_batch_before_every_phone_has_sent(opened: Scene) -> None:
    due = opened.ledger.round_view(1, 1).commit_until - 300 + 2 * 20
    opened.ledger.pass_to(due - 1)
    assert opened.edge_refusal("commitBatch", 1, ROOT, BATCH, 2) == ("TooEarly", due)
    opened.ledger.pass_to(due)
    opened.by_edge("commitBatch", 1, ROOT, BATCH, 2)


@pytest.mark.parametrize("late", [False, True])
def test_should_take_a_batch_that_leaves_time_for_objections(opened: Scene, late: bool) -> None:
    until = opened.ledger.round_view(1, 1).commit_until
    opened.ledger.pass_to(until - 30 + late)
    if late:
        assert opened.edge_refusal("commitBatch", 1, ROOT, BATCH, 2) == ("TooLate", until - 30)
    else:
        opened.commit_batch(count=2)
        assert opened.ledger.round_view(1, 1).object_until == until


def test_should_hear_whom_a_batch_leaves_out_before_any_key(opened: Scene) -> None:
    """The escape cannot be closed: a root of nothing that says it is of everybody, and a key request at once."""
    opened.commit_batch(count=3)
    until = opened.ledger.round_view(1, 1).object_until
    assert opened.edge_refusal("requestKey", 1, ROOT) == ("TooEarly", until)
    opened.ledger.pass_to(until)
    assert opened.edge_refusal("requestKey", 1, ROOT) == ("TooEarly", until)
    opened.by(opened.ledger.stranger, "commitDirect", *opened.direct(opened.clients[0]))
    opened.pass_after(until)
    opened.by_edge("requestKey", 1, ROOT)


def test_should_not_wait_for_objections_without_a_batch(opened: Scene) -> None:
    for client in opened.clients:
        opened.by(opened.ledger.stranger, "commitDirect", *opened.direct(client))
    opened.by_edge("requestKey", 1, ROOT)


def test_should_count_a_direct_commitment_once_per_client(opened: Scene) -> None:
    client, ledger = opened.clients[0], opened.ledger
    call = opened.direct(client)
    event = opened.by(ledger.stranger, "commitDirect", *call).sole()
    assert event == {
        "event": "DirectCommitted", "task": 1, "round": 1, "client": client.address, "label": label_of(1),
        "nonce": NONCE, "ciphertext": CIPHERTEXT, "signature": call[1],
    }  # fmt: skip
    assert ledger.view("hasCommittedDirectly", 1, 1, client.address) is True
    assert ledger.view("hasCommittedDirectly", 1, 1, opened.clients[1].address) is False
    again = opened.direct(client, ciphertext=b"\x43" * 32)
    for repeated in (call, again):
        assert direct_refusal(opened, repeated) == ("AlreadyCommitted", 1, 1, client.address)
    opened.by(ledger.stranger, "commitDirect", *opened.direct(opened.clients[1]))
    assert ledger.round_view(1, 1).direct == 2


def test_should_let_one_who_left_finish_the_round(opened: Scene) -> None:
    client, ledger = opened.clients[0], opened.ledger
    opened.by(ledger.stranger, "leave", *opened.leave_call(client))
    opened.by(ledger.stranger, "commitDirect", *opened.direct(client))


@pytest.mark.parametrize("count", [2, 3])
def test_should_refuse_who_is_not_planned(enrolled: Scene, count: int) -> None:
    """One who enrolled and was left out, and one who did not: neither borrows a place."""
    enrolled.open(cohort=count)
    out = enrolled.outsider if count == 3 else enrolled.clients[2]
    call = enrolled.commitment(out)
    for weights in (enrolled.cohort(count), cohort_of([out.address, *(one.address for one in enrolled.clients)])):
        for entry in weights:
            place = astuple(place_of(weights, entry.client))
            assert direct_refusal(enrolled, (*call, place)) == ("NotPlanned", 1, out.address)


@pytest.mark.parametrize("change", ["index", "past", "weight", "node", "totals", "shorter", "longer", "overflow"])
def test_should_refuse_a_place_that_is_not_proven(opened: Scene, change: str) -> None:
    for client in opened.clients:
        place = place_of(opened.cohort(), client.address)
        nodes, empty = place.siblings, CohortNode(ZERO, 0)
        wrong = {
            "index": replace(place, index=place.index ^ 1),
            "past": replace(place, index=place.index + 4),
            "weight": replace(place, weight=3),
            "node": replace(place, siblings=(replace(nodes[0], node=ROOT), *nodes[1:])),
            "totals": replace(place, siblings=(replace(nodes[0], totals=nodes[0].totals + 1), *nodes[1:])),
            "shorter": replace(place, siblings=nodes[1:]),
            "longer": replace(place, siblings=(*nodes, empty)),
            "overflow": replace(place, siblings=(CohortNode(nodes[0].node, 2**256 - 1), *nodes[1:])),
        }[change]
        call = *opened.commitment(client), astuple(wrong)
        assert direct_refusal(opened, call) == ("NotPlanned", 1, client.address)


def test_should_refuse_a_tree_that_counts_otherwise_than_the_round(enrolled: Scene) -> None:
    """Two are planned; the root adds up three."""
    enrolled.pass_rosters()
    enrolled.by_edge("openRound", 1, PLAN, label_of(1), sum_of(enrolled.cohort(3)).root, 2)
    client = enrolled.clients[0]
    assert direct_refusal(enrolled, enrolled.direct(client)) == ("NotPlanned", 1, client.address)


@pytest.mark.parametrize("part", [(64, 96), (160, 64)], ids=["squares", "sum"])
def test_should_refuse_totals_that_run_over(enrolled: Scene, part: tuple[int, int]) -> None:
    """The root is made so that a sibling fills one part up: what runs over would count as a client, or weigh."""
    enrolled.pass_rosters()
    start, bits = part
    (entry,) = enrolled.cohort(1)
    leaf, own = sum_of([entry]).root, 1 << 224 | 2 << 160 | 4 << 64 | 2
    full = (0 if start == 160 else 1 << 224) | (2**bits - 1) << start
    root = keccak(leaf + own.to_bytes(32, "big") + ROOT + full.to_bytes(32, "big"))
    enrolled.by_edge("openRound", 1, PLAN, label_of(1), root, 2)
    client = next(one for one in enrolled.clients if one.address == entry.client)
    call = *enrolled.commitment(client), astuple(CohortPlace(0, 2, (CohortNode(ROOT, full),)))
    assert direct_refusal(enrolled, call) == ("NotPlanned", 1, client.address)


def test_should_refuse_what_is_empty_or_of_another_plan(opened: Scene) -> None:
    empty = opened.direct(opened.clients[0], ciphertext=ZERO)
    assert direct_refusal(opened, empty) == ("DigestZero",)
    other_label = opened.direct(opened.clients[0], label=label_of(2))
    assert direct_refusal(opened, other_label) == ("LabelWrong", label_of(2), label_of(1))
    other_round = opened.direct(opened.clients[0], round=2)
    assert direct_refusal(opened, other_round) == ("RoundUnexpected", 1, 2, RoundState.NONE)


def test_should_refuse_a_copied_commitment(opened: Scene) -> None:
    """A client without an update of its own takes over another's ciphertext, or even its signature."""
    victim, thief = opened.clients[:2]
    message, signature, place = opened.direct(victim)
    stolen = (*message[:2], thief.address, *message[3:])
    assert direct_refusal(opened, (stolen, signature, opened.place(thief))) == ("SignatureInvalid", thief.address)
    by_thief = thief.sign(opened.ledger.domain, Commitment(1, 1, victim.address, label_of(1), NONCE, CIPHERTEXT))
    assert direct_refusal(opened, (message, by_thief, place)) == ("SignatureInvalid", victim.address)


@pytest.mark.parametrize("field", ["task", "round", "label", "nonce", "ciphertext", "chain_id", "ledger"])
def test_should_refuse_a_signature_over_anything_else(opened: Scene, field: str) -> None:
    client, domain = opened.clients[0], opened.ledger.domain
    message = Commitment(1, 1, client.address, label_of(1), NONCE, CIPHERTEXT)
    signed, where = message, domain
    if field in ("chain_id", "ledger"):
        where = replace(domain, chain_id=1) if field == "chain_id" else replace(domain, ledger=bytes(20))
    else:
        value = getattr(message, field)
        changed: dict[str, Any] = {field: value + 1 if isinstance(value, int) else value[:-1] + b"\xff"}
        signed = replace(message, **changed)
    call = astuple(message), client.sign(where, signed), opened.place(client)
    assert direct_refusal(opened, call) == ("SignatureInvalid", client.address)


def test_should_refuse_a_commitment_replayed_in_the_next_round(published: Scene) -> None:
    old = published.direct(published.clients[0])
    published.open(2)
    assert direct_refusal(published, old) == ("RoundUnexpected", 1, 1, RoundState.PUBLISHED)
    moved = ((1, 2, *old[0][2:]), *old[1:])
    assert direct_refusal(published, moved) == ("LabelWrong", label_of(1), label_of(2))
    relabelled = ((1, 2, old[0][2], label_of(2), *old[0][4:]), *old[1:])
    assert direct_refusal(published, relabelled) == ("SignatureInvalid", published.clients[0].address)
