"""The ledger port in every implementation: one suite for the reference in this process, three of the EVM, and
one of these behind a bad endpoint."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from protocol.domain import Domain
from protocol.messages import chain as on_chain
from protocol.messages.chain import Event, TaskPosted
from protocol.round.state_table import RoundState
from storage.ledger.follower import EventFollower
from storage.ledger.interface import LedgerError, TransactionReceipt, TransactionRevertedError
from tests.ports.chains import UNFRIENDLY
from tests.ports.ledger_scene import (
    BATCH,
    CIPHERTEXT,
    IMPLEMENTATIONS,
    LABEL,
    NONCE,
    PLAN,
    RECORD,
    REQUEST,
    ROOT,
    PortScene,
    scene_on,
)

ENVELOPE = b"\x51" * 32


@pytest.fixture(params=[*IMPLEMENTATIONS, UNFRIENDLY])
def scene(request: pytest.FixtureRequest) -> Iterator[PortScene]:
    with scene_on(request.param) as scene:
        yield scene


def said(receipt: TransactionReceipt, kind: type[Event], **fields: Any) -> tuple[Event, ...]:
    """The receipt's one event, if it has exactly these fields; the log index alone is the node's."""
    (event,) = receipt.logs
    place = {"block": receipt.block, "log_index": event.log_index, "transaction": receipt.transaction}
    expected: dict[str, Any] = {**place, "task": 1, **fields}
    assert event == kind(**expected)
    return receipt.logs


def test_every_event_carries_what_was_sent(scene: PortScene) -> None:
    edge, terms, reward = scene.edge, scene.terms, scene.reward
    receipt = scene.post()
    posted_at = edge.block_timestamp(receipt.block)
    view = edge.task(1)
    assert view.enrol_until == posted_at + terms.enrolment_seconds
    assert view.enrol_until < view.task_until < view.claim_until
    untils = {"enrol_until": view.enrol_until, "task_until": view.task_until, "claim_until": view.claim_until}
    sender = scene.manufacturer.sender
    events = [*said(receipt, on_chain.TaskPosted, manufacturer=sender, terms=terms, escrow=scene.escrow, **untils)]

    receipt = scene.enrol_all()
    assert receipt.logs == tuple(
        on_chain.Enrolled(
            block=receipt.block,
            log_index=found.log_index,
            transaction=receipt.transaction,
            task=1,
            client=client.address,
            envelope=ENVELOPE,
            reputation=terms.initial_reputation,
            signer=client.address,
            deadline=view.claim_until - 1,
            signature=scene.enrolment(client).signature,
        )
        for client, found in zip(scene.clients, receipt.logs, strict=True)
    )
    events += receipt.logs

    scene.chain.pass_time(terms.enrolment_seconds + terms.roster_seconds + 1)
    receipt = edge.open_round(1, 1, PLAN, LABEL, scene.cohort_root, 3)
    round_view = edge.round(1, 1)
    assert round_view.commit_until == edge.block_timestamp(receipt.block) + terms.commit_seconds
    assert round_view.settle_until == round_view.commit_until + terms.settle_seconds
    cohort: dict[str, Any] = {"cohort_root": scene.cohort_root, "cohort": 3, "beacon": bytes(32)}
    untils = {"commit_until": round_view.commit_until, "settle_until": round_view.settle_until}
    events += said(
        receipt,
        on_chain.RoundOpened,
        round=1,
        plan=PLAN,
        label=LABEL,
        **cohort,
        **untils,
    )

    scene.chain.pass_time(2 * terms.training_seconds)
    receipt = edge.commit_batch(1, 1, ROOT, BATCH, 2)
    until = edge.block_timestamp(receipt.block) + terms.objection_seconds
    events += said(receipt, on_chain.BatchCommitted, round=1, root=ROOT, batch=BATCH, count=2, object_until=until)

    last = scene.clients[2]
    direct = scene.commitment(last)
    receipt = edge.commit_direct(direct, scene.place(last))
    committed = {"label": LABEL, "nonce": NONCE, "ciphertext": CIPHERTEXT, "signature": direct.signature}
    events += said(receipt, on_chain.DirectCommitted, round=1, client=last.address, **committed)

    scene.chain.pass_time(terms.objection_seconds + 1)
    events += said(edge.request_key(1, 1, REQUEST), on_chain.KeyRequested, round=1, request=REQUEST)

    publication = scene.publication()
    receipt = edge.publish_round(1, 1, publication)
    fields = {name: getattr(publication, name) for name in publication.__dataclass_fields__}
    events += said(receipt, on_chain.RoundPublished, round=1, **fields)

    receipt = edge.leave(scene.leave(last))
    events += said(receipt, on_chain.Left, client=last.address, signature=scene.leave(last).signature)

    edge.open_round(1, 2, PLAN, LABEL, scene.cohort_root, 2)
    events += edge.events(1, edge.block_number())
    scene.chain.pass_time(terms.commit_seconds + 1)
    root = publication.allocation_root
    receipt = edge.abandon_round(1, 2, RECORD, root, 3 * reward)
    abandoned = {"record": RECORD, "allocation_root": root, "allocated": 3 * reward}
    events += said(receipt, on_chain.RoundAbandoned, round=2, **abandoned)

    edge.open_round(1, 3, PLAN, LABEL, scene.cohort_root, 2)
    events += edge.events(1, edge.block_number())
    scene.chain.pass_time(terms.commit_seconds + terms.settle_seconds + 1)
    events += said(edge.expire_round(1, 3), on_chain.RoundExpired, round=3)

    receipt = scene.claim(edge, last.address)
    paid = {"amount": reward, "cumulative": reward, "reputation": 3, "freed": True}
    events += said(receipt, on_chain.Claimed, client=last.address, **paid)

    amount = scene.escrow - 3 * reward
    events += said(scene.manufacturer.refund(1), on_chain.Refunded, manufacturer=sender, amount=amount)
    assert edge.balance(scene.address) == 2 * reward

    assert edge.events() == edge.events(1) == events
    assert edge.events(2) == []
    assert edge.events(1, events[-1].block) == events[-1:]


def test_views_show_the_state_after_each_step(scene: PortScene) -> None:
    edge, terms, first = scene.edge, scene.terms, scene.clients[0].address
    assert edge.task_count() == 0
    scene.post()
    assert edge.task_count() == 1
    assert edge.enrolment(1, first) == on_chain.EnrolmentView(bytes(32), 0, 0, 0, False, False)
    scene.enrol_all()
    assert edge.enrolment(1, first) == on_chain.EnrolmentView(ENVELOPE, 0, 0, terms.initial_reputation, False, False)
    assert edge.round(1, 1).state is RoundState.NONE
    scene.chain.pass_time(terms.enrolment_seconds + terms.roster_seconds + 1)
    edge.open_round(1, 1, PLAN, LABEL, scene.cohort_root, 3)
    assert edge.standing(first) == on_chain.Standing(0, 0, 1, 0)
    assert edge.rules() == on_chain.DEFAULT_RULES
    edge.commit_direct(scene.commitment(scene.clients[0]), scene.place(scene.clients[0]))
    assert edge.has_committed_directly(1, 1, first)
    assert not edge.has_committed_directly(1, 1, scene.clients[1].address)
    scene.chain.pass_time(2 * terms.training_seconds)
    edge.commit_batch(1, 1, ROOT, BATCH, 2)
    scene.chain.pass_time(terms.objection_seconds + 1)
    edge.request_key(1, 1, REQUEST)
    seen = edge.round(1, 1)
    assert (seen.state, seen.label, seen.batch_root, seen.request) == (RoundState.REQUESTED, LABEL, ROOT, REQUEST)
    assert (seen.cohort, seen.batched, seen.direct) == (3, 2, 1)
    edge.publish_round(1, 1, scene.publication())
    task = edge.task(1)
    assert (task.spec, task.manufacturer, task.edge_server) == (terms.spec, scene.manufacturer.sender, edge.sender)
    assert (task.rounds, task.min_clients, task.max_clients) == (3, 2, 5)
    assert (task.enrolled, task.last_round, task.max_cohort, task.stopped) == (3, 1, 5, False)
    assert (task.participation, task.contribution, task.reserved, task.drawn_at) == (0, 1_000, 0, 0)
    assert (task.escrow, task.pending_allocated, task.claimed) == (scene.escrow, 3_000, 0)
    assert task.payable(edge.now()) == (scene.publication().allocation_root, 3_000)
    before = edge.balance(first)
    scene.claim(edge, first)
    assert edge.balance(first) - before == edge.claimed(1, first) == edge.task(1).claimed == 1_000
    assert (edge.standing(first).reputation, edge.standing(first).source) == (2, 1)
    assert edge.domain == Domain(scene.chain.chain_id(), scene.address)


def test_a_refused_call_is_typed_and_nothing_is_sent(scene: PortScene) -> None:
    edge = scene.edge

    def refused(name: str, arguments: tuple[object, ...], call: Any, *parameters: Any) -> None:
        sent = scene.chain.sent(edge.sender)
        with pytest.raises(TransactionRevertedError) as caught:
            call(*parameters)
        assert (caught.value.name, caught.value.arguments) == (name, arguments)
        assert scene.chain.sent(edge.sender) == sent

    refused("TaskUnknown", (7,), edge.task, 7)
    refused("TaskUnknown", (7,), edge.refund, 7)
    refused("EscrowWrong", (scene.escrow - 1, scene.escrow), edge.post_task, scene.terms, scene.escrow - 1)
    scene.open_first_round()
    deadline = edge.round(1, 1).commit_until
    client, other = scene.clients[:2]
    forged = replace(scene.commitment(client), signature=scene.commitment(other).signature)
    refused("SignatureInvalid", (client.address,), edge.commit_direct, forged, scene.place(client))
    other_label = scene.commitment(client, label=b"\x77" * 32)
    refused("LabelWrong", (b"\x77" * 32, LABEL), edge.commit_direct, other_label, scene.place(client))
    refused("TooEarly", (deadline,), edge.request_key, 1, 1, REQUEST)
    refused("RoundUnexpected", (1, 3, RoundState.OPEN.value), edge.open_round, 1, 3, PLAN, LABEL, ROOT, 3)
    refused("NotPlanned", (1, client.address), edge.commit_direct, scene.commitment(client), scene.place(other))
    again = scene.commitment(client), scene.place(client)
    edge.commit_direct(*again)
    refused("AlreadyCommitted", (1, 1, client.address), edge.commit_direct, *again)
    scene.chain.pass_time(scene.terms.commit_seconds + 1)
    refused("TooLate", (deadline - scene.terms.objection_seconds,), edge.commit_batch, 1, 1, ROOT, BATCH, 3)


def test_only_the_edge_server_may_and_the_error_names_both(scene: PortScene) -> None:
    scene.post()
    with pytest.raises(TransactionRevertedError) as caught:
        scene.manufacturer.open_round(1, 1, PLAN, LABEL, scene.cohort_root, 3)
    assert caught.value.name == "NotEdgeServer"
    assert caught.value.arguments == (scene.manufacturer.sender, scene.edge.sender)


def test_confirmations_look_back(scene: PortScene) -> None:
    scene.open_first_round()
    assert scene.edge.round(1, 1).state is RoundState.OPEN
    assert scene.edge.round(1, 1, confirmations=1).state is RoundState.NONE
    scene.chain.mine()
    assert scene.edge.round(1, 1, confirmations=1).state is RoundState.OPEN


def test_nothing_is_new_after_the_last_block(scene: PortScene) -> None:
    scene.post()
    assert scene.edge.events(1, scene.edge.block_number() + 1) == []


def test_values_that_do_not_fit_their_types_are_said(scene: PortScene) -> None:
    scene.post()
    edge = scene.edge
    for call in (
        partial(edge.open_round, 1, 1, PLAN, LABEL, ROOT, 2**32),
        partial(edge.open_round, 1, 2**64, PLAN, LABEL, ROOT, 2),
        partial(edge.expire_round, -1, 1),
        partial(edge.request_key, 1, 1, REQUEST + b"1"),
    ):
        with pytest.raises(LedgerError):
            call()


def test_a_follower_forgets_what_vanished_and_reads_what_came_instead(scene: PortScene) -> None:
    follower = EventFollower(scene.edge, None, Event)
    scene.post()
    assert follower.refresh() == 0
    (first,) = follower.events
    snapshot = scene.chain.snapshot()
    scene.enrol_all()
    assert follower.refresh() == 1
    assert len(follower.events) == 1 + len(scene.clients)
    scene.chain.revert(snapshot)
    for _ in range(3):
        scene.chain.mine()
    assert follower.refresh() == 1
    assert follower.events == (first,)
    scene.enrol_all()
    assert follower.refresh() == 1
    assert list(follower.events) == scene.edge.events()
    assert EventFollower(scene.edge, None, TaskPosted).refresh() == 0
