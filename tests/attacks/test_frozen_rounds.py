"""Rounds that their server's conviction froze, whenever it did, and that the next server followed up: the audit derives
what counts, and notices what does not follow."""

from __future__ import annotations

from dataclasses import replace

from protocol.audit.report import Status
from protocol.canonical import decode
from protocol.cohort import sum_of
from protocol.identifiers import Address
from protocol.incentives.rewards import total_owed
from protocol.messages.chain import RoundOpened
from protocol.messages.round import MAX_PLAN_BYTES, RoundPlan
from protocol.messages.settlement import ABANDONED
from protocol.round.state_table import RoundState
from scripts.commands.auditor import run_audit
from storage.content.interface import get_document
from tests.played_conduct import OPEN, SETTLED, SUCCEEDED, Conduct
from tests.played_task import Player
from tests.samples import sample_spec
from tests.tiny_task import funded_ledger

REWARDS = sample_spec().rewards


def _weights(player: Player, number: int) -> dict[Address, int]:
    """As planned on chain."""
    opened = [event for event in player.reader.events(player.task) if isinstance(event, RoundOpened)]
    plan = decode(RoundPlan, get_document(player.store, opened[number - 1].plan, MAX_PLAN_BYTES))
    return {entry.client: entry.weight for entry in plan.weights}


def test_frozen_rounds_pay_compensation_alone_and_pass() -> None:
    """One after it was settled, one while it is open; the rounds around them pay as if they had not been."""
    player = Player(funded_ledger("frozen"), rounds=4, substitutes=2)
    everybody = range(len(player.households))
    player.play(1, Conduct())
    player.play(2, Conduct(frozen=SETTLED))
    player.play(3, Conduct())
    player.play(4, Conduct(frozen=OPEN))
    player.claim(*everybody)
    player.refund()
    view, fees = player.reader.task(player.task), 2 * (REWARDS.edge_fee + 2 * REWARDS.authority_fee)
    assert view.claimed == total_owed(player.allocation) - fees >= 2 * 5 * REWARDS.participation
    assert view.reserved == 5 * REWARDS.update_reward + 5 * REWARDS.participation, "the key of one was requested"
    assert view.escrow == view.reserved + fees
    player.compensate(2, *everybody)
    player.compensate(4, *everybody)
    view = player.reader.task(player.task)
    assert (view.reserved, view.escrow) == (0, fees)
    report = run_audit(player.reader, player.store, player.task)
    assert report.status is Status.PASS, report.failed


def test_a_round_frozen_after_its_successor_opened() -> None:
    """The open round keeps the weights that it was planned with, and is settled as if the frozen one had not been."""
    player = Player(funded_ledger("frozen late"), rounds=5, substitutes=3)
    clients = sorted(household.address for household in player.households)
    bad, delivered = player.households[1].address, [household.address for household in player.households[3:]]
    player.play(1, Conduct())
    player.play(2, Conduct(malformed=(1,), frozen=SUCCEEDED))
    player.play(3, Conduct(silent=(0, 1, 2), end=ABANDONED, frozen=SUCCEEDED))
    assert _weights(player, 3) == dict.fromkeys(clients, 4) | {bad: 2}
    player.play(4, Conduct(frozen=OPEN))
    assert _weights(player, 4) == dict.fromkeys(clients, 3) | dict.fromkeys(delivered, 4)
    states = [player.reader.round(player.task, number).state for number in range(1, 5)]
    assert states == [RoundState.PUBLISHED, *[RoundState.FROZEN] * 3]
    report = run_audit(player.reader, player.store, player.task)
    assert report.status is Status.PASS, report.failed
    # one weight as if round 3 still counted
    player.play(5, Conduct(lies={"plan": lambda plan: _with_weight(plan, delivered[0], 4)}))
    report = run_audit(player.reader, player.store, player.task)
    failed = {(line.number, line.subject) for line in report.lines if line.status is Status.FAIL}
    assert (8, "round 5") in failed, report.failed


def _with_weight(plan: RoundPlan, client: Address, weight: int) -> RoundPlan:
    weights = [replace(entry, weight=weight) if entry.client == client else entry for entry in plan.weights]
    return replace(plan, weights=tuple(weights), cohort=sum_of(weights))
