"""A task's history forgets what the chain took back, and misses nothing when a document comes late."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from backend.rounds.history import TaskHistory
from protocol.canonical import encode
from protocol.round.planning import terms_of
from storage.content.interface import ContentError
from storage.content.memory import MemoryStore
from tests.ports.chains import running_chain
from tests.ports.ledger_scene import Scene
from tests.samples import sample_spec


@pytest.fixture
def scene() -> Iterator[Scene]:
    scene = Scene(running_chain("memory"))
    yield scene
    scene.close()


def _posted(scene: Scene) -> MemoryStore:
    store, spec = MemoryStore(), sample_spec()
    store.put(encode(spec))
    scene.manufacturer.post_task(terms_of(spec), spec.budget())
    return store


def test_what_the_chain_took_back_never_happened(scene: Scene) -> None:
    store = _posted(scene)
    first, second, third = scene.clients
    scene.edge.enrol([scene.enrolment(first)])
    history = TaskHistory(scene.edge, store, 1)
    snapshot = scene.chain.ask("evm_snapshot")
    scene.edge.enrol([scene.enrolment(second)])
    scene.edge.leave(scene.leave(first))
    history.refresh()
    assert (set(history.enrolled), history.left) == ({first.address, second.address}, {first.address})
    scene.chain.ask("evm_revert", snapshot)
    scene.edge.enrol([scene.enrolment(third)])
    history.refresh()
    assert (set(history.enrolled), history.left) == ({first.address, third.address}, set())


def test_an_event_whose_document_is_not_there_yet_is_read_again(scene: Scene) -> None:
    store = _posted(scene)
    scene.enrol_all()
    history = TaskHistory(scene.edge, store, 1)
    scene.chain.pass_time(scene.edge.task(1).enrol_until - scene.edge.now() + 1)
    scene.edge.open_round(1, 1, b"\x71" * 32, b"\x72" * 32, 3)
    scene.edge.leave(scene.leave(scene.clients[0]))
    for _ in range(2):
        with pytest.raises(ContentError):
            history.refresh()
        assert history.left == set(), "nothing is skipped"
