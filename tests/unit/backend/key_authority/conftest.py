"""One authority per test, ready to be asked for keys."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.backend.key_authority.scene import Scene


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Scene]:
    made = Scene(tmp_path / "authority-1")
    yield made
    made.records.close()


@pytest.fixture
def scene(empty: Scene) -> Scene:
    empty.prepare()
    return empty
