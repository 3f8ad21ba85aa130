"""How many blocks one query of a node's logs may span: learnt from its refusals, and kept for the next query."""

from __future__ import annotations

import re
from typing import Final

from storage.ledger.ethereum.rpc import AnswerTooLargeError, RpcRefusedError
from storage.ledger.ethereum.wordings import is_doubtful, is_too_much

BLOCKS: Final = 5_000  # public nodes cap a query at 500 to 10,000 blocks, or as many results
STRANGE: Final = 16  # what is no known wording is asked for by so much smaller ranges, which few refusals end
# "this block range should work: [0x0, 0x1f4]"
_OFFERED: Final = re.compile(r"\[\s*0x([0-9a-f]+)\s*,\s*0x([0-9a-f]+)\s*\]", re.IGNORECASE)
# "limit of 500 blocks", "a 2K block range"; "maximum block range: 5000"
_LIMITS: Final = (
    re.compile(r"(\d[\d,]*)(k?)[ -]?(?:blocks?|range)\b", re.IGNORECASE),
    re.compile(r"(?:blocks?|range)(?: limit)?(?::| is)? (\d[\d,]*)(k?)\b(?! *(?:results|logs|to|-))", re.IGNORECASE),
)


class LogRanges:
    """Of one node. ``blocks``: of the next query; None while it answers for all at once.

    A limit of blocks stays; one of results holds where the results are, so ranges grow again behind it.
    """

    def __init__(self, first: int = BLOCKS) -> None:
        self._first = first
        self._most: int | None = None  # blocks; more were refused for their number
        self.blocks: int | None = None

    def answered(self, span: int) -> None:
        """Twice as much is asked for the next time, as far as that was not refused."""
        if self.blocks is not None and span >= self.blocks:
            self.blocks = min(2 * self.blocks, self._most or 2 * self.blocks)

    def refused(self, start: int, end: int, error: RpcRefusedError | AnswerTooLargeError) -> None:
        """Fewer are asked for the next time. Raises ``error`` where that is of no use."""
        span, reason = end - start + 1, error.reason if isinstance(error, RpcRefusedError) else "too large"
        if span <= 1 or is_doubtful(reason):
            raise error
        offered, limit = _offered(start, reason), _limit(reason)
        if limit is not None:
            self._most = limit
        wanted = offered or limit or min(span // (2 if is_too_much(reason) else STRANGE), self._first)
        self.blocks = max(1, wanted if wanted < span else span // 2)


def _offered(start: int, reason: str) -> int | None:
    """Blocks of the range that the node says would do."""
    found = _OFFERED.search(reason)
    low, high = (int(found[1], 16), int(found[2], 16)) if found else (0, 0)
    return high - low + 1 if found and low == start <= high else None


def _limit(reason: str) -> int | None:
    """Blocks that the node says it answers for."""
    for pattern in _LIMITS:
        if found := pattern.search(reason):
            number = int(found[1].replace(",", "")[:9]) * (1_000 if found[2] else 1)
            return number or None
    return None
