"""How many blocks a query of logs spans, by what providers say about their limits."""

from __future__ import annotations

import pytest

from storage.ledger.ethereum.log_ranges import LogRanges
from storage.ledger.ethereum.rpc import RpcRefusedError
from storage.ledger.ethereum.wordings import is_later, is_too_much

WORDINGS = [
    ("query returned more than 10000 results", None),
    ("block range is too wide", None),
    ("exceed maximum block range: 5000", 5_000),
    ("Log response size exceeded. You can make eth_getLogs requests with up to a 2K block range", 2_000),
    ("Log response size exceeded. this block range should work: [0x10, 0x203]", 500),
    ("Query timeout exceeded. Try with this block range [0x10, 0x80f].", 2_048),
    ("eth_getLogs is limited to a 10,000 range", 10_000),
    ("limit of 500 blocks", 500),
    ("ranges over 10000 blocks are not supported on freetier", 10_000),
    ("eth_getLogs range is too large, max is 1k blocks", 1_000),
    ("Under the Free tier plan, you can make eth_getLogs requests with up to a 10 block range.", 10),
    ("requested too many blocks from 16 to 999999, maximum is set to 2048", None),
]


@pytest.mark.parametrize(("words", "expected"), WORDINGS)
def test_a_node_that_tells_its_limit_is_believed(words: str, expected: int | None) -> None:
    assert is_too_much(words) and not any(is_later(code, words) for code in (-32602, -32005, -32600, -32000))
    ranges = LogRanges()
    ranges.refused(16, 999_999, RpcRefusedError("eth_getLogs", -32005, words))
    assert ranges.blocks == (expected or 5_000)


def test_ranges_shrink_and_grow_again_but_not_beyond_what_was_refused() -> None:
    ranges = LogRanges()
    ranges.refused(0, 999_999, RpcRefusedError("eth_getLogs", -32000, "exceed maximum block range: 5000"))
    ranges.refused(0, 4_999, RpcRefusedError("eth_getLogs", -32005, "query returned more than 10000 results"))
    assert ranges.blocks == 2_500
    ranges.answered(100)
    assert ranges.blocks == 2_500, "the rest of the chain shows nothing"
    for _ in range(3):
        ranges.answered(ranges.blocks)
    assert ranges.blocks == 5_000


def test_strange_refusals_of_a_range_end_soon() -> None:
    ranges, refusal, start, tries = LogRanges(), RpcRefusedError("eth_getLogs", -32601, "no such method"), 0, 0
    end = 999_999
    with pytest.raises(RpcRefusedError):
        for _ in range(10):
            ranges.refused(start, end, refusal)
            end, tries = (ranges.blocks or 0) - 1, tries + 1
    assert tries <= 5
