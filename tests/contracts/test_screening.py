"""requestScreening: the sketch of a round is drawn when no ciphertext can be chosen any more.

given an open round
    when its openings are requested while somebody could still commit
        should refuse, as for a key
    when another party asks, or without a request, or after settleUntil, or without enough authorities
        should refuse
    when the request counts other direct commitments than there are
        should refuse, naming how many there are
    when the block that draws is to come, is this one, or is older than the chain tells
        should refuse
    when all is well
        should show the request, say the block and its hash, and leave the round open
given a round whose openings were requested
    when they are requested again, or a batch or a client commits
        should refuse
    when its key is requested, or it is abandoned, or it expires
        should let it
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from protocol.round.state_table import RoundState
from tests.contracts.bonded import PARTICIPATION, bonded, commit_all, expire
from tests.contracts.scene import BATCH, PLAN, REQUEST, ROOT, ZERO, Scene
from tests.reference_ledger.rounds import HASHES

SKETCH = b"\x14" * 32
NAME = "requestScreening"


def last_block(scene: Scene) -> int:
    return scene.ledger.chain.height


def call(scene: Scene, back: int = 0, direct: int = 0, request: bytes = SKETCH) -> tuple[str, int, int, int, bytes]:
    """By a block so many before the last one."""
    return NAME, 1, last_block(scene) - back, direct, request


@pytest.fixture
def waited(opened: Scene) -> Scene:
    """Nobody committed, and nobody can any more."""
    opened.pass_after(opened.ledger.round_view(1, 1).commit_until)
    return opened


@pytest.fixture
def complete(opened: Scene) -> Scene:
    """All three committed by themselves, long before commitUntil."""
    for client in opened.clients:
        opened.by(opened.ledger.stranger, "commitDirect", *opened.direct(client))
    return opened


def test_should_fix_request_and_block_and_leave_the_round_open(waited: Scene) -> None:
    before, named = waited.ledger.round_view(1, 1), last_block(waited)
    event = waited.by_edge(*call(waited)).sole()
    assert event == {
        "event": "ScreeningRequested", "task": 1, "round": 1, "beacon_block": named,
        "beacon": waited.ledger.chain.blocks[named].header.hash, "request": SKETCH,
    }  # fmt: skip
    assert waited.ledger.round_view(1, 1) == replace(before, screening=SKETCH)


def test_should_wait_until_nobody_can_commit(opened: Scene) -> None:
    ledger, until = opened.ledger, opened.ledger.round_view(1, 1).commit_until
    opened.commit_batch(count=2)
    ledger.pass_to(until)
    assert opened.edge_refusal(*call(opened)) == ("TooEarly", until)
    ledger.pass_to(until + 1)
    opened.by_edge(*call(opened))


def test_should_wait_for_objections_of_a_full_cohort(opened: Scene) -> None:
    opened.commit_batch(count=3)
    until = opened.ledger.round_view(1, 1).object_until
    opened.ledger.pass_to(until)
    assert opened.edge_refusal(*call(opened)) == ("TooEarly", until)
    opened.ledger.pass_to(until + 1)
    opened.by_edge(*call(opened))


def test_should_take_it_until_settle_until(waited: Scene) -> None:
    until = waited.ledger.round_view(1, 1).settle_until
    waited.ledger.pass_to(until + 1)
    assert waited.edge_refusal(*call(waited)) == ("TooLate", until)


def test_should_take_it_at_settle_until(waited: Scene) -> None:
    waited.ledger.pass_to(waited.ledger.round_view(1, 1).settle_until)
    waited.by_edge(*call(waited))


def test_should_refuse_no_request_and_a_round_that_is_not_open(waited: Scene) -> None:
    assert waited.edge_refusal(*call(waited, request=ZERO)) == ("DigestZero",)
    name, _, *rest = call(waited)
    assert waited.edge_refusal(name, 2, *rest) == ("RoundUnexpected", 1, 2, RoundState.NONE)
    waited.by_edge("requestKey", 1, REQUEST)
    assert waited.edge_refusal(*call(waited)) == ("RoundUnexpected", 1, 1, RoundState.REQUESTED)


def test_should_take_over_as_every_call_of_a_server_does(deployed: Scene) -> None:
    scene = bonded(deployed)
    scene.open()
    commit_all(scene)
    ledger, view = scene.ledger, scene.ledger.round_view(1, 1)
    until = view.commit_until + scene.terms.takeover_seconds
    ledger.pass_to(until)
    arguments = (1, 1, last_block(scene), 0, SKETCH)
    assert ledger.refusal(ledger.substitute, NAME, *arguments) == ("TooEarly", until)
    ledger.pass_to(until + 1)
    taken, screened = scene.by(ledger.substitute, NAME, *arguments).events
    assert (type(taken).__name__, type(screened).__name__) == ("TakenOver", "ScreeningRequested")
    assert ledger.refusal(ledger.substitute, NAME, *arguments) == ("AlreadyScreened", 1, 1)


def test_should_count_direct_commitments(opened: Scene) -> None:
    """One that comes while the request is on its way is in no request."""
    opened.by(opened.ledger.stranger, "commitDirect", *opened.direct(opened.clients[2]))
    opened.pass_after(opened.ledger.round_view(1, 1).commit_until)
    for wrong in (0, 2, 2**32 - 1):
        assert opened.edge_refusal(*call(opened, direct=wrong)) == ("DirectWrong", wrong, 1)
    opened.by_edge(*call(opened, direct=1))


def test_should_refuse_a_block_that_the_chain_does_not_tell(waited: Scene) -> None:
    for _ in range(HASHES):
        waited.ledger.chain.mine()
    head = last_block(waited)
    for block in (head + 1, head + 2, 2**256 - 1, head - HASHES, 0):
        assert waited.edge_refusal(NAME, 1, block, 0, SKETCH) == ("BeaconUnknown", block)
    oldest = head + 1 - HASHES
    event = waited.by_edge(NAME, 1, oldest, 0, SKETCH).sole()
    assert event["beacon"] == waited.ledger.chain.blocks[oldest].header.hash


def test_should_be_once(waited: Scene) -> None:
    waited.by_edge(*call(waited))
    assert waited.edge_refusal(*call(waited, request=PLAN)) == ("AlreadyScreened", 1, 1)


def test_should_take_no_second_commitment_of_a_client_in_the_batch(opened: Scene) -> None:
    """The one way to commit that is left before commitUntil."""
    ledger, twice = opened.ledger, opened.clients[0]
    opened.commit_batch(count=3)
    opened.pass_after(ledger.round_view(1, 1).object_until)
    opened.by_edge(*call(opened))
    assert ledger.now < ledger.round_view(1, 1).commit_until
    assert ledger.refusal(ledger.stranger, "commitDirect", *opened.direct(twice)) == ("AlreadyScreened", 1, 1)
    assert ledger.round_view(1, 1).direct == 0


def test_should_take_no_batch_of_clients_that_all_committed_by_themselves(complete: Scene) -> None:
    complete.pass_training()
    complete.by_edge(*call(complete, direct=3))
    assert complete.edge_refusal("commitBatch", 1, ROOT, BATCH, 3) == ("AlreadyScreened", 1, 1)
    assert complete.ledger.round_view(1, 1).batched == 0


def test_should_take_both_as_long_as_nothing_is_screened(opened: Scene) -> None:
    ledger = opened.ledger
    opened.commit_batch(count=3)
    for client in opened.clients:
        opened.by(ledger.stranger, "commitDirect", *opened.direct(client))
    assert (ledger.round_view(1, 1).batched, ledger.round_view(1, 1).direct) == (3, 3)


def test_should_go_on_to_a_key(waited: Scene) -> None:
    waited.by_edge(*call(waited))
    waited.by_edge("requestKey", 1, REQUEST)
    shown = waited.ledger.round_view(1, 1)
    assert (shown.state, shown.screening, shown.request) == (RoundState.REQUESTED, SKETCH, REQUEST)
    waited.publish()
    waited.open(2)
    assert waited.ledger.round_view(1, 2).screening == ZERO


def test_should_go_on_to_an_abandonment(waited: Scene) -> None:
    waited.by_edge(*call(waited))
    waited.abandon()
    assert waited.ledger.round_view(1, 1).state is RoundState.ABANDONED


def test_should_owe_participation_alone_when_it_is_left_alone(deployed: Scene) -> None:
    """No sum was opened."""
    scene = bonded(deployed)
    scene.open()
    commit_all(scene)
    scene.pass_after(scene.ledger.round_view(1, 1).object_until)
    scene.by_edge(*call(scene))
    expire(scene)
    assert scene.ledger.task_view(1).reserved == 3 * PARTICIPATION
