"""An edge server that lies in what it signs and settles: the audit names the check; honest bad luck passes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from protocol.audit.report import Status
from protocol.messages.round import ClientWeight
from protocol.messages.settlement import ABANDONED, MALFORMED, Allocation, Rejection
from scripts.audit import run_audit
from tests.played_task import EXPIRED, OPEN, SETTLED, Conduct, Player
from tests.tiny_task import funded_ledger

LIES: Mapping[str, tuple[int, Conduct]] = {
    "a better accuracy": (19, Conduct(lies={"record": lambda record: replace(record, correct=record.correct + 1)})),
    "less privacy spent": (20, Conduct(lies={"record": lambda record: replace(record, epsilon_micro=1)})),
    "a smaller residual": (17, Conduct(lies={"record": lambda record: replace(record, max_residual=0)})),
    "a client robbed of its place": (
        13,
        Conduct(lies={"verdict": lambda verdict: replace(verdict, accepted=verdict.accepted[1:])}),
    ),
    "a client rejected as malformed": (
        13,
        Conduct(
            lies={
                "verdict": lambda verdict: replace(
                    verdict,
                    accepted=verdict.accepted[1:],
                    rejected=(Rejection(verdict.accepted[0], MALFORMED),),
                )
            }
        ),
    ),
    "a favourite's weight": (8, Conduct(lies={"plan": lambda plan: replace(plan, weights=_heavier(plan.weights))})),
    "an index set of its own": (9, Conduct(lies={"indices": lambda indices: _others(indices)})),
    "a root over other commitments": (10, Conduct(lies={"root": lambda root: bytes([root[0] ^ 1]) + root[1:]})),
    "a model of its own": (18, Conduct(lies={"parameters": lambda parameters: parameters + np.float32(0.5)})),
    "a favourite's reward": (21, Conduct(lies={"allocation": lambda allocation: _favoured(allocation)})),
}


@pytest.mark.parametrize("lie", LIES)
def test_every_lie_of_the_edge_server(lie: str) -> None:
    """Signed and settled on the real chain, as a lying server would; the audit names the check."""
    check, conduct = LIES[lie]
    player = Player(funded_ledger(lie), rounds=1)
    player.play(1, conduct)
    report = run_audit(player.reader, player.store, player.task)
    assert report.status is Status.FAIL
    assert check in {line.number for line in report.lines if line.status is Status.FAIL}, report.failed


def _others(indices: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint32]:
    """As many coordinates, and none of them."""
    return np.setdiff1d(np.arange(2 * len(indices), dtype=np.uint32), indices)[: len(indices)]


def _heavier(weights: tuple[ClientWeight, ...]) -> tuple[ClientWeight, ...]:
    return (replace(weights[0], weight=weights[0].weight + 1), *weights[1:])


def _favoured(allocation: Allocation) -> Allocation:
    """One reward from the last client to the first: the total is right."""
    first, *others, last = allocation.entitlements
    reward = last.cumulative_wei
    return replace(
        allocation,
        entitlements=(
            replace(first, cumulative_wei=first.cumulative_wei + reward),
            *others,
            replace(last, cumulative_wei=0),
        ),
    )


def test_what_the_verdict_calls_absent_cannot_be_refuted_and_changes_nothing() -> None:
    player = Player(funded_ledger("absent"), rounds=2)
    player.play(1, Conduct(unavailable=(1,), corrupt=(2,)))
    player.play(2, Conduct(silent=(0, 1, 2), requested=False, end=ABANDONED))
    report = run_audit(player.reader, player.store, player.task)
    assert report.status is Status.PASS, report.failed
    remarks = [line.detail for line in report.lines if "cannot be refuted" in line.detail]
    assert len(remarks) == 2


def test_expired_rounds_pass() -> None:
    player = Player(funded_ledger("expired"), rounds=2)
    player.play(1, Conduct(silent=(0,), end=EXPIRED))
    player.play(2, Conduct(direct=(2,), twice=(3,)))
    report = run_audit(player.reader, player.store, player.task)
    assert report.status is Status.PASS, report.failed


def test_frozen_rounds_pay_nobody_and_pass() -> None:
    """One after it was settled, one while it is open; the rounds around them pay as if they had not been."""
    player = Player(funded_ledger("frozen"), rounds=4)
    player.play(1, Conduct())
    player.play(2, Conduct(frozen=SETTLED))
    player.play(3, Conduct())
    player.play(4, Conduct(frozen=OPEN))
    player.claim(0, 1, 2, 3, 4)
    player.refund()
    view = player.reader.task(player.task)
    assert (view.escrow, view.claimed) == (0, 2 * 5 * player.spec.rewards.update_reward_wei)
    report = run_audit(player.reader, player.store, player.task)
    assert report.status is Status.PASS, report.failed
