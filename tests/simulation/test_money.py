"""Courses of a task on which money could go astray: what each costs is held against what it owes, at its end."""

from __future__ import annotations

from pathlib import Path

from protocol.content.cid import Cid
from protocol.identifiers import Address
from protocol.messages.chain import BondForfeited, Compensated, DrawLapsed, RoundExpired
from protocol.messages.settlement import GARBAGE, PUBLISHED, RoundRecord
from protocol.round.state_table import RoundState
from protocol.task.documents import Absent
from protocol.task.round_facts import RoundFacts
from tests.simulation.world import World


def _play(world: World) -> None:
    """In calm weather, to the end: every invariant of money is checked there."""
    world.faults.calm = True
    try:
        world.finish()
    finally:
        world.close()


def _run_until(world: World, reached: str) -> RoundFacts:
    """Round 1 is opened, batched or requested."""
    world.faults.calm = True
    for _ in range(2_000):
        for process in (*world.servers, *world.phones, *world.authorities):
            world.step(process)
            facts = world.reader().state.round(1)
            if facts is not None and getattr(facts, reached) is not None:
                return facts
        world.jump()
    raise AssertionError(f"round 1 was never {reached}")


def _states(world: World) -> list[RoundState]:
    return [facts.state for facts in world.reader().state.rounds]


def test_authorities_that_fall_silent_cost_the_manufacturer_what_publishing_would(tmp_path: Path) -> None:
    world = World(1, tmp_path, servers=1, phones=3, rounds=2)
    _run_until(world, "batched")
    world.silence(1_000)
    for _ in range(2_000):
        for process in (*world.servers, *world.phones):
            world.step(process)
        if isinstance(world.reader().state.rounds[0].ended, RoundExpired):
            break
        world.jump()
    _play(world)
    assert _states(world) == [RoundState.EXPIRED, RoundState.PUBLISHED]
    paid = [event.amount for event in world.events() if isinstance(event, Compensated)]
    assert paid == [world.spec.rewards.update_reward] * 3
    assert not any(isinstance(event, BondForfeited) for event in world.events())


def _leave_alone(world: World) -> Address:
    """The server is gone for good, and its batch with it."""
    facts = _run_until(world, "batched")
    assert facts.batched is not None
    gone = world.servers.pop(0)
    gone.kill()
    names = world.store.objects.objects
    world.store.withheld |= {name for name in names if Cid.parse(name).digest == facts.batched.batch}
    return gone.signer.address


def test_a_server_that_leaves_its_round_alone_pays_for_it(tmp_path: Path) -> None:
    """Its phones end the round themselves."""
    world = World(1, tmp_path, servers=1, phones=3, rounds=2)
    gone = _leave_alone(world)
    _play(world)
    paid = [event.amount for event in world.events() if isinstance(event, Compensated)]
    (lost,) = [event for event in world.events() if isinstance(event, BondForfeited)]
    assert (lost.holder, lost.amount) == (gone, 3 * world.spec.rewards.participation)
    assert paid == [world.spec.rewards.participation] * 3
    assert _states(world) == [RoundState.EXPIRED]


def test_nobody_loses_anything_where_a_substitute_finishes_the_round(tmp_path: Path) -> None:
    """Phones that cannot see themselves in the batch commit directly."""
    world = World(1, tmp_path, servers=2, phones=3, rounds=2)
    _leave_alone(world)
    _play(world)
    assert _states(world) == [RoundState.PUBLISHED] * 2
    assert not [event for event in world.events() if isinstance(event, Compensated | BondForfeited)]


def test_nonsense_gains_nobody_anything(tmp_path: Path) -> None:
    world = World(1, tmp_path, servers=1, phones=3, rounds=2, nonsense=frozenset({1}))
    _play(world)
    records = [world.reader().state.record(number) for number in (1, 2)]
    assert [record.outcome for record in records if isinstance(record, RoundRecord)] == [GARBAGE, PUBLISHED]
    first = world.reader().state.allocation(1)
    assert not isinstance(first, Absent)
    flat, phones = world.spec.rewards.participation, {phone.signer.address for phone in world.phones}
    assert {entry.cumulative for entry in first.entitlements if entry.client in phones} == {flat}


def test_drawn_cohorts_and_latecomers_are_paid_for_what_they_did(tmp_path: Path) -> None:
    world = World(1, tmp_path, servers=1, phones=4, rounds=3, late=1, cohort=3)
    _play(world)
    state, late = world.reader().state, world.phones[-1].signer.address
    assert _states(world) == [RoundState.PUBLISHED] * 3
    assert late in state.enrolled and late not in state.enrolled_before(1)
    for facts in state.rounds:
        assert facts.opened.cohort == 3 and any(facts.opened.beacon)
    assert not any(isinstance(event, DrawLapsed) for event in world.events())
