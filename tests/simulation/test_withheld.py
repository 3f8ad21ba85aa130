"""Any single document of a round is withheld for ever: every round ends, everybody is paid, and nothing dies."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from protocol.content.cid import Cid
from protocol.identifiers import Digest
from protocol.messages.settlement import RoundRecord
from protocol.round.state_table import RoundState
from protocol.task.documents import Kind
from tests.simulation.world import World

Finder = Callable[[World], Digest | None]
ENDED = {RoundState.PUBLISHED, RoundState.ABANDONED, RoundState.EXPIRED}


def _of_kind(kind: Kind) -> Finder:
    def find(world: World) -> Digest | None:
        state = world.reader().state
        wanted = state.wanted_of(1) if state.rounds else ()
        return next((document.digest for document in wanted if document.kind is kind), None)

    return find


def _ciphertext(world: World) -> Digest | None:
    sealed = world.phones[0].agent.journal.sealed.get(1)
    return sealed.commitment.commitment.ciphertext if sealed else None


def _residues(world: World) -> Digest | None:
    state = world.reader().state
    record = state.record(1) if state.rounds else None
    return record.keys[0].statement.residues if isinstance(record, RoundRecord) else None


OTHERS = (Kind.SPEC, Kind.GRAM, Kind.SCREENING)  # what a task that is not screened has none of, and its spec
FINDERS: dict[str, Finder] = {kind.value: _of_kind(kind) for kind in Kind if kind not in OTHERS}
FINDERS |= {"ciphertext": _ciphertext, "partial key": _residues}


def _withhold_once_named(world: World, find: Finder, stop_first: bool) -> bool:
    """Before anybody else could have read it; the first server may be gone for good from then on."""
    digest = find(world)
    if digest is None:
        return False
    names = {Cid(codec, digest).text for codec in ("raw", "dag-pb")} & world.store.objects.objects.keys()
    world.store.withheld |= names
    if names and stop_first:
        world.servers.pop(0).kill()
    return bool(names)


@pytest.mark.parametrize("stop_first", [False, True], ids=["the server goes on", "the server is gone"])
@pytest.mark.parametrize("name", FINDERS)
def test_every_round_ends_and_everybody_is_paid(name: str, stop_first: bool, tmp_path: Path) -> None:
    world = World(1, tmp_path, servers=2, phones=3, rounds=2)
    world.faults.calm, withheld = True, False
    try:
        for _ in range(3_000):
            for process in (*world.servers, *world.phones, *world.authorities):
                world.step(process)
                withheld = withheld or _withhold_once_named(world, FINDERS[name], stop_first)
            if world.invariants.settled():
                break
            world.jump()
        assert withheld and world.invariants.settled()
        state = world.reader().state
        assert len(state.rounds) == world.spec.rounds
        assert {facts.state for facts in state.rounds} <= ENDED
        assert state.rounds[-1].state is RoundState.PUBLISHED, "the next round is as good as any"
        assert stop_first == (state.acting != world.spec.edge_server)
    finally:
        world.close()
