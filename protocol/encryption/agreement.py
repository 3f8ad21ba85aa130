"""Which key authorities lie, from their answers alone and whatever the suite.

Honest answers lie on one polynomial of degree t-1: a Reed-Solomon code word of n symbols, whose distance is n - t + 1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import combinations

from protocol.errors import EncryptionError, MalformedError


def liars(partials: Mapping[int, bytes], t: int, combine: Callable[[Mapping[int, bytes]], bytes]) -> tuple[int, ...]:
    """Those whose answers are not on the polynomial that all others agree on, ascending; nobody when that is open.

    ``combine`` is the suite's, and raises for answers that are no keys or disagree. At most (n - t) / 2 of n answers
    are accused: within that radius only one polynomial is possible. So t + 1 answers show that one lies and accuse
    nobody; t + 2 name one liar.
    """
    for count in range((len(partials) - t) // 2 + 1):
        for accused in combinations(sorted(partials), count):
            if _agree({j: partial for j, partial in partials.items() if j not in accused}, combine):
                return accused
    return ()


def _agree(partials: Mapping[int, bytes], combine: Callable[[Mapping[int, bytes]], bytes]) -> bool:
    try:
        combine(partials)
    except (EncryptionError, MalformedError):
        return False
    return True
