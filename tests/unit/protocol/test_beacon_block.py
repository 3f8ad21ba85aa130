"""Which block draws a round's sketch: the first of which nobody knew anything while a commitment could still come."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.errors import Party, VerificationError
from protocol.messages.chain import BatchCommitted, DirectCommitted, RoundOpened, ScreeningRequested
from protocol.round.screening_request import check_beacon_block, closed_at, find_beacon_block
from protocol.task.round_facts import RoundFacts
from tests.samples import client_address

EDGE, COHORT, OPENED, COMMIT_UNTIL, OBJECT_UNTIL = bytes([9]) * 20, 4, 10, 200, 120
WHERE: dict[str, Any] = {"log_index": 0, "transaction": bytes(32)}


def facts(batched: int, *directs: int) -> RoundFacts:
    """``directs``: blocks in which somebody committed directly."""
    opened = RoundOpened(
        block=OPENED, task=1, round=1, plan=bytes(32), label=bytes(32), cohort_root=bytes(32), cohort=COHORT,
        beacon=bytes(32), commit_until=COMMIT_UNTIL, settle_until=500, **WHERE,
    )  # fmt: skip
    batch = BatchCommitted(
        block=OPENED + 1, task=1, round=1, root=bytes(32), batch=bytes(32), count=batched, object_until=OBJECT_UNTIL,
        **WHERE,
    )  # fmt: skip
    sent = {
        client_address(number): DirectCommitted(
            block=block, task=1, round=1, client=client_address(number), label=bytes(32), nonce=bytes(16),
            ciphertext=bytes(32), signature=bytes(65), **WHERE,
        )
        for number, block in enumerate(directs)
    }  # fmt: skip
    return RoundFacts(opened, EDGE, batch if batched else None, sent)


def drawn_by(told: RoundFacts, block: int) -> RoundFacts:
    event = ScreeningRequested(
        task=1, round=1, beacon_block=block, beacon=bytes(32), request=bytes(32), block=99, **WHERE
    )
    return replace(told, screening=event)


def time_of(block: int) -> int:
    """Ten seconds each, from 100 on."""
    return 100 + 10 * (block - OPENED)


@pytest.mark.parametrize(
    ("told", "first"),
    [
        (facts(COHORT), 13),  # later than the objections to the batch, at 120
        (facts(COHORT - 1), 21),  # somebody may commit until 200
        (facts(COHORT - 1, 12), 13),  # nobody is missing
        (facts(COHORT - 1, 18), 19),  # but the last one came late, when the time for objections was over
        (facts(0), 21),
    ],
)
def test_the_first_block_after_the_time_and_after_the_last_commitment(told: RoundFacts, first: int) -> None:
    assert find_beacon_block(told, 0, 40, time_of) == first
    assert find_beacon_block(told, 3, 40, time_of) == first + 3
    assert [find_beacon_block(told, 3, head, time_of) for head in (10, first, first + 2)] == [None] * 3
    for block in range(OPENED, 40):
        if block == first + 2:
            check_beacon_block(drawn_by(told, block), 2, time_of)
        else:
            with pytest.raises(VerificationError) as refused:
                check_beacon_block(drawn_by(told, block), 2, time_of)
            assert refused.value.fault is Party.EDGE_SERVER


@given(st.lists(st.integers(0, 30), min_size=30, max_size=30), st.integers(0, 5), st.data())
def test_what_is_found_is_what_is_checked_on_every_clock(
    steps: list[int], confirmations: int, data: st.DataObject
) -> None:
    """Many blocks may have one time."""
    times = {OPENED + number: 100 + sum(steps[:number]) for number in range(31)}
    directs = data.draw(st.lists(st.integers(OPENED + 1, OPENED + 20), max_size=3))
    told = facts(data.draw(st.sampled_from([0, 1, 2, 3, 4])), *directs)
    block = find_beacon_block(told, confirmations, OPENED + 30, times.__getitem__)
    if block is None:
        return
    check_beacon_block(drawn_by(told, block), confirmations, times.__getitem__)
    first = block - confirmations
    assert times[first] > closed_at(told) and all(first > direct for direct in directs)
    for other in range(OPENED + 1 + confirmations, OPENED + 31):
        if other != block:
            with pytest.raises(VerificationError):
                check_beacon_block(drawn_by(told, other), confirmations, times.__getitem__)
