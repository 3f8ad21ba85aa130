"""A screened task in which everything happens: probation, openings with a lie among them, histories, and a round that
too few open."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from protocol.encryption.suite import PAD
from protocol.messages.screening_terms import ALIGNMENT, CONTINUE, ScreeningTerms
from protocol.messages.settlement import ABANDONED
from tests.played_conduct import Conduct
from tests.played_task import Player
from tests.tiny_task import funded_ledger

TERMS: Final = ScreeningTerms(ALIGNMENT, norm_bound=2**18, clip=2**18, window=8, probation=1, unopened=CONTINUE)
ROUNDS: Final[Mapping[int, Conduct]] = {
    1: Conduct(end=ABANDONED),  # probation
    2: Conduct(lying=(2,), direct=(0,)),
    3: Conduct(malformed=(4,)),  # histories of two updates are opened
    4: Conduct(unopened=True),
}


def screened_player(name: str, changed: Mapping[int, Conduct] | None = None, last: int = 4) -> Player:
    """``changed``: rounds that are played another way; ``last``: of those that are."""
    player = Player(funded_ledger(name), rounds=4, scheme=(PAD, 6), authorities=5, screening=TERMS, confirmations=1)
    for number in range(1, last + 1):
        player.play(number, (changed or {}).get(number, ROUNDS[number]))
    return player
