"""The screened task in which an edge server lies to a key authority, and what it hears."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from protocol.errors import HearthError
from tests.played_conduct import Conduct
from tests.unit.backend.key_authority.screened_scene import PROBATION, Screened, screened

ROUND = 3  # with histories of two updates
UNOPENED = 4


def played(name: str) -> Screened:
    made = screened(name)
    made.play(1, PROBATION)
    made.play(2, Conduct())
    made.play(ROUND, Conduct(lying=(2,)))
    made.play(UNOPENED, Conduct(unopened=True))
    return made


def refused(act: Callable[[], bytes]) -> str:
    """The code of the refusal."""
    with pytest.raises(HearthError) as caught:
        act()
    return caught.value.code
