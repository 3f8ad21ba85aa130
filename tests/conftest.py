"""Every run draws the same examples, and no example is judged by how long it takes."""

from __future__ import annotations

import pytest
from hypothesis import settings

from protocol.encryption.suite import prepare

settings.register_profile("hearth", derandomize=True, deadline=None, database=None)
settings.load_profile("hearth")


@pytest.fixture(autouse=True, scope="session")
def _compiled() -> None:
    """This process encrypts with the compiled loops, however little; the demonstrations' processes do with numpy."""
    prepare()
