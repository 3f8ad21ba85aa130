"""Each object of a running task is on every node of its operator, and goes when nobody needs it any more."""

from __future__ import annotations

from dataclasses import replace

import pytest

from backend.keeping import Node, TaskKeeper
from protocol.content.cid import Cid
from protocol.messages.chain import RoundPublished
from protocol.task.objects import objects_of
from storage.content.interface import StoreUnavailableError, get_document
from storage.content.memory import MemoryStore
from tests.unit.backend.rounds.scene_server import Scene

DAY = 86_400


class Unsteady(MemoryStore):
    away = False
    asked = 0

    def unpin(self, cid: Cid) -> None:
        if self.away:
            raise StoreUnavailableError("away")
        super().unpin(cid)

    def pinned(self, cid: Cid) -> bool:
        self.asked += 1
        if self.away:
            raise StoreUnavailableError("away")
        return super().pinned(cid)


@pytest.fixture
def scene() -> Scene:
    made = Scene()
    made.start()
    made.enrol()
    made.until(lambda: made.state.current)
    made.submit(1)
    made.ended(RoundPublished, 1)
    return made


def keeper(scene: Scene, *nodes: Node) -> TaskKeeper:
    return TaskKeeper(scene.store, nodes, lambda: {1: scene.state}, lambda: scene.driver.now, 10 * DAY)


def test_everything_of_a_task_is_on_both_nodes(scene: Scene) -> None:
    one, other = Node("one", Unsteady()), Node("other", Unsteady())
    keeping = keeper(scene, one, other)
    keeping.look()
    objects = {wanted.what: wanted for wanted in objects_of(scene.state)}
    assert {"spec", "test set", "initial model", "plan", "batch", "ciphertext", "record", "model"} <= objects.keys()
    for node in (one, other):
        for wanted in objects_of(scene.state):
            if wanted.what != "key envelope":  # the players have none
                assert get_document(node.store, wanted.digest, wanted.max_bytes, wanted.chunk_bytes)
    counted = {node: (needed, there) for task, node, needed, there in keeping.counts() if task == 1}
    assert counted["one"] == counted["other"] and 0 < counted["one"][1] <= counted["one"][0]


def test_a_node_that_is_away_is_asked_once_in_a_look_and_gets_all_when_it_is_back(scene: Scene) -> None:
    one, other = Unsteady(), Unsteady()
    keeping = keeper(scene, Node("one", one), Node("other", other))
    other.away = True
    keeping.look()
    assert other.asked == 1 and one.objects and not other.objects
    other.away = False
    keeping.look()
    assert other.objects == one.objects


def test_what_is_known_to_be_there_is_not_asked_for_again(scene: Scene) -> None:
    one = Unsteady()
    keeping = keeper(scene, Node("one", one))
    keeping.look()
    objects, one.asked = dict(one.objects), 0
    keeping.look()
    assert one.objects == objects and one.asked <= 2 * len(scene.state.enrolled)  # of envelopes that are nowhere


def test_content_goes_after_the_days_that_it_is_kept_and_not_from_a_store_of_others(scene: Scene) -> None:
    one, shared = Unsteady(), Node("shared", Unsteady(), own=False)
    keeping = keeper(scene, Node("one", one), shared)
    keeping.look()
    posted, kept = scene.state.posted, dict(one.objects)
    assert posted is not None
    scene.pass_time_to(posted.claim_until + 10 * DAY)
    scene.driver.look()
    keeping.look()
    assert one.objects == kept
    scene.pass_time_to(posted.claim_until + 10 * DAY + 1)
    scene.driver.look()
    one.away = True
    keeping.look()
    one.away = False
    assert one.objects == kept
    keeping.look()
    assert not one.objects and shared.store.pinned(Cid("raw", posted.terms.spec))


def test_what_another_task_needs_stays(scene: Scene) -> None:
    one, posted = Unsteady(), scene.state.posted
    assert posted is not None
    late = posted.claim_until + 10 * DAY + 1
    other = replace(scene.state, rounds=(), enrolled={}, posted=replace(posted, claim_until=late))
    states = {1: scene.state, 2: other}
    keeping = TaskKeeper(scene.store, [Node("one", one)], lambda: states, lambda: posted.claim_until, 10 * DAY)
    keeping.look()
    everything = len(one.objects)
    keeping = TaskKeeper(scene.store, [Node("one", one)], lambda: states, lambda: late, 10 * DAY)
    keeping.look()  # it finds again what it kept before it was started again
    assert len(one.objects) == 3 < everything, "the spec, the first model and the test set are of both"
