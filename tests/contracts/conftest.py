"""Each test gets the ledger as it was right after deployment, or a task at some step of its life."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import pytest

from tests.contracts.ledger import Ledger
from tests.contracts.scene import Scene


@cache
def _scene(step: str) -> Scene:
    scene = Scene(Ledger())
    if step != "deployed":
        getattr(scene, step)()
    return scene


def _fresh(step: str) -> Iterator[Scene]:
    scene = _scene(step)
    snapshot, terms, earned = scene.ledger.chain.snapshot(), scene.terms, dict(scene.earned)
    yield scene
    scene.ledger.chain.revert(snapshot)
    scene.task, scene.terms, scene.earned = 1, terms, earned


@pytest.fixture
def deployed() -> Iterator[Scene]:
    yield from _fresh("deployed")


@pytest.fixture
def enrolled() -> Iterator[Scene]:
    yield from _fresh("enrolled")


@pytest.fixture
def opened() -> Iterator[Scene]:
    yield from _fresh("opened")


@pytest.fixture
def requested() -> Iterator[Scene]:
    yield from _fresh("requested")


@pytest.fixture
def published() -> Iterator[Scene]:
    yield from _fresh("published")
