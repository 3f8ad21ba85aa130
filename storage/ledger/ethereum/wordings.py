"""What nodes and the balancers before them mean, in the words of many providers.

JSON-RPC has no code that all of them use for "later": EIP-1474 gives -32005 to every limit, of rates and of results.
"""

from __future__ import annotations

import re
from typing import Final

LATER_CODES: Final = frozenset({429, -32005, -32029, -32016, -32090, -32097})
_LATER: Final = re.compile(
    r"too many requests|rate.?limit|(request|call|over) rate|requests? (per|count|limit)|request count exceeded"
    r"|compute units|throughput|throttl|quota|credits? (exceeded|limit)|(exceeded its .*)?capacity (exceeded|limit)"
    r"|try again (later|in)|retry (later|in|after)|please (slow|retry)|slow down|server (is )?busy|overloaded"
    r"|temporarily unavailable|service unavailable|bad gateway|gateway time-?out|no (available|healthy) (node|upstream)"
    r"|error code: 1015",
    re.IGNORECASE,
)
# A limit of one query of logs, not of queries in time: to ask the same again is of no use.
_TOO_MUCH: Final = re.compile(
    r"block.?range|range of blocks|blocks? (distance|limit|span)"
    r"|(limit|limited|maximum|max|most|up) (of |to |is )?(an? )?[\d,]+k?.{0,8} (blocks?|range)"
    r"|more than [\d,]+ (results|logs)|\d+ (results|logs)|results? in range|max results|over [\d,]+ blocks"
    r"|(response|result|log).{0,9} (size|too large|set)"
    r"|too (wide|large|many (results|logs|blocks))|query (timeout|timed out)",
    re.IGNORECASE,
)
# Of a node that is behind the one asked before, or that has just lost what stands behind it.
_DOUBTFUL: Final = re.compile(
    r"header not found|header for hash not found|unknown block|block (was )?not found|could not find block"
    r"|(beyond|after|above|past|greater than) (the )?(current |latest |last )?(head|latest|last)|invalid block range"
    r"|^\s*internal( json-?rpc| server)? error\W*$|upstream|connection (reset|refused|closed)|execution aborted",
    re.IGNORECASE,
)


def is_later(code: int, reason: str) -> bool:
    """The node would answer the same question, at another time."""
    return bool(_LATER.search(reason)) or (code in LATER_CODES and not is_too_much(reason))


def is_too_much(reason: str) -> bool:
    """The node would answer a smaller query."""
    return bool(_TOO_MUCH.search(reason)) and not _LATER.search(reason) and not is_doubtful(reason)


def is_doubtful(reason: str) -> bool:
    """The next node behind the same endpoint may answer: to be asked a few times before it is believed."""
    return bool(_DOUBTFUL.search(reason))
