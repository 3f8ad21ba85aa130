"""The contract's round states and protocol/round/state_table.py are one table.

given a round in every state
    when every call that moves rounds is tried, before commitUntil, up to settleUntil and after it
        should make exactly the steps of TRANSITIONS, and leave the state alone whenever it refuses
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

from protocol.cohort import sum_of
from protocol.round.state_table import FINAL, TRANSITIONS, RoundState, may_move
from storage.ledger.ethereum import abi
from tests.contracts.accusations import statements
from tests.contracts.bonded import WINDOW
from tests.contracts.ledger import Ledger
from tests.contracts.scene import BATCH, PLAN, RECORD, REQUEST, ROOT, Scene, label_of, publication

CALLS = (
    "openRound",
    "commitBatch",
    "commitDirect",
    "requestScreening",
    "requestKey",
    "publishRound",
    "abandonRound",
    "expireRound",
    "dispute",
)


def bring_to(scene: Scene, state: RoundState) -> None:
    if state is RoundState.NONE:
        scene.enrolled().pass_rosters()
    elif state in (RoundState.OPEN, RoundState.EXPIRED):
        scene.opened()
        if state is RoundState.EXPIRED:
            scene.pass_after(scene.ledger.round_view(1, 1).settle_until)
            scene.by_edge("expireRound", 1)
    elif state is RoundState.FROZEN:
        scene.opened().by(scene.ledger.edge, "dispute", statements(scene))
    elif state is RoundState.ABANDONED:
        scene.opened().pass_after(scene.ledger.round_view(1, 1).commit_until)
        scene.abandon()
    else:
        scene.requested()
        if state is RoundState.PUBLISHED:
            scene.publish()
    assert scene.ledger.round_view(1, 1).state is state


def arguments_of(scene: Scene, name: str) -> tuple[object, ...]:
    batch: dict[str, tuple[object, ...]] = {
        "openRound": (1, 1, PLAN, label_of(1), sum_of(scene.cohort()).root, 3),
        "commitBatch": (1, 1, ROOT, BATCH, 3),
        "commitDirect": scene.direct(scene.clients[0]),
        "requestScreening": (1, 1, scene.ledger.chain.height, 0, REQUEST),
        "requestKey": (1, 1, REQUEST),
        "publishRound": (1, 1, publication(ROOT, 0)),
        "abandonRound": (1, 1, RECORD, ROOT, 0),
        "expireRound": (1, 1),
        "dispute": (statements(scene),),
    }
    return batch[name]


def is_refused(scene: Scene, name: str) -> bool:
    try:
        scene.ledger.refusal(scene.ledger.edge, name, *arguments_of(scene, name))
    except AssertionError:
        return False
    return True


def test_should_make_exactly_the_steps_of_the_table() -> None:
    observed: dict[tuple[RoundState, RoundState], set[str]] = defaultdict(set)
    for before in RoundState:
        scene = Scene(Ledger())
        scene.terms = replace(scene.terms, dispute_seconds=WINDOW)
        bring_to(scene, before)
        chain, view = scene.ledger.chain, scene.ledger.round_view(1, 1)
        window = scene.ledger.task_view(1).payable_from
        windows = {
            window - 1,
            window,
            scene.ledger.now,
            view.commit_until - scene.terms.objection_seconds,
            view.commit_until,
            view.commit_until + 1,
            view.settle_until,
            view.settle_until + 1,
        }
        for instant in sorted(instant for instant in windows if instant >= scene.ledger.now):
            for name in CALLS:
                snapshot = chain.snapshot()
                scene.ledger.pass_to(instant)
                if not is_refused(scene, name):
                    scene.by(scene.ledger.edge, name, *arguments_of(scene, name))
                    observed[before, scene.ledger.round_view(1, 1).state].add(name)
                chain.revert(snapshot)
    assert observed == {step: set(calls.split(", ")) for step, calls in TRANSITIONS.items()}


def test_should_know_every_call_that_takes_a_round() -> None:
    taking = {entry.name for entry in abi.functions().values() if "uint64" in str(entry.inputs)}
    assert taking == {*CALLS[:-1], "compensate", "roundOf", "hasCommittedDirectly", "isCompensated"}


def test_should_leave_a_final_state_by_a_dispute_alone() -> None:
    moves = {after for before in FINAL for after in RoundState if may_move(before, after)}
    assert moves == {RoundState.FROZEN}
    assert not any(may_move(RoundState.FROZEN, after) for after in RoundState)
