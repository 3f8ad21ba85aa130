"""The margins of a round follow from blocks that everybody has, and a spec that leaves no room for them is refused."""

from __future__ import annotations

from dataclasses import replace
from itertools import accumulate

import pytest

from protocol.errors import MalformedError, Party
from protocol.messages.screening_terms import KRUM, ScreeningTerms
from protocol.messages.task import TaskSpec
from protocol.task.margins import STRETCH_BLOCKS, block_seconds, check_durations, landing_seconds, pace_blocks
from tests.samples import sample_spec

STRETCHES = 6


def times(*paces: int) -> dict[int, int]:
    """Of blocks with so many seconds between two of a stretch; the first block is from long ago."""
    found = {0: 0, 1: 10**9}
    for pace in paces:
        for _ in range(STRETCH_BLOCKS):
            found[len(found)] = found[len(found) - 1] + pace
    return found


def test_the_pace_is_that_of_the_blocks_before() -> None:
    known = times(*[12] * STRETCHES)
    assert pace_blocks(49) == (1, 9, 17, 25, 33, 41, 49)
    assert block_seconds(known, 49) == 12
    assert block_seconds({**known, 49: known[49] + 1}, 49) == 12, "of the whole stretch, not of its last block"
    assert block_seconds(times(*[12] * STRETCHES, 2), 49) == 12, "what comes later does not count"


def test_it_is_rounded_up_and_never_nothing() -> None:
    assert block_seconds({block: block + block // 8 for block in pace_blocks(49)}, 49) == 2
    assert block_seconds(dict.fromkeys(range(50), 7), 49) == 1
    assert block_seconds({}, 49) == block_seconds({49: 100}, 49) == 1


@pytest.mark.parametrize("dense", range(STRETCHES))
def test_a_chain_that_makes_blocks_on_demand_may_have_idled(dense: int) -> None:
    """In all stretches but one."""
    paces = [1 if stretch == dense else 3600 for stretch in range(STRETCHES)]
    assert block_seconds(times(*paces), 49) == 1


def test_a_task_on_such_a_chain_does_not_make_it_slow() -> None:
    """Blocks as the transactions of one task come: a burst at once, then twenty seconds of training."""
    rounds = [*[0] * 9, 20] * 5
    known = dict(enumerate(accumulate([0, *rounds], initial=0)))
    for head in range(42, 50):
        assert block_seconds(known, head) == 1
        idle = {block: time + (60 if block == head else 0) for block, time in known.items()}
        assert block_seconds(idle, head) == 1, "a minute before the next transaction"


def test_missed_blocks_do_not_make_a_regular_chain_slower_or_faster() -> None:
    known = times(12, 13, 12, 12, 15, 12)
    assert block_seconds(known, 49) == 12


def test_a_chain_that_is_too_young_has_no_pace() -> None:
    every = {block: 3 * block for block in range(60)}
    assert [block for block in range(60) if block_seconds(every, block) == 3] == list(range(42, 60))
    assert {block_seconds(every, block) for block in range(42)} == {1}


@pytest.mark.parametrize("block", range(60))
def test_only_blocks_that_are_there_are_asked_for(block: int) -> None:
    blocks = pace_blocks(block)
    assert blocks == tuple(sorted(set(blocks))) and blocks[-1] == block
    assert all(min(1, block) <= number for number in blocks) and len(blocks) <= STRETCHES + 1


def spec_for(seconds: int, confirmations: int, **durations: int) -> TaskSpec:
    """The shortest that such a chain allows."""
    spec = sample_spec(confirmations=confirmations)
    landing = landing_seconds(spec, seconds)
    training = max(20, 2 * confirmations * seconds)
    objection = (1 + confirmations) * seconds
    shortest = {
        "commit_seconds": max(2 * (2 * training + objection), 2 * training + 2 * landing + objection),
        "objection_seconds": objection,
        "settle_seconds": 4 * landing,
    }
    return replace(
        spec,
        schedule=replace(spec.schedule, training_seconds=training),
        durations=replace(spec.durations, **{**shortest, **durations}),
    )


@pytest.mark.parametrize(("seconds", "confirmations"), [(1, 0), (12, 0), (12, 3), (12, 12), (2, 64)])
def test_a_spec_with_room_for_the_margins_is_taken_and_a_shorter_one_names_the_line(
    seconds: int, confirmations: int
) -> None:
    spec = spec_for(seconds, confirmations)
    check_durations(spec, seconds)
    short = {
        "settle_seconds": replace(spec.durations, settle_seconds=spec.durations.settle_seconds - 1),
        "objection_seconds": replace(spec.durations, objection_seconds=spec.durations.objection_seconds - 1),
        "commit_seconds": replace(
            spec.durations,
            commit_seconds=2 * (spec.schedule.training_seconds + landing_seconds(spec, seconds))
            + spec.durations.objection_seconds
            - 1,
        ),
    }
    for line, durations in short.items():
        if 2 * (2 * spec.schedule.training_seconds + durations.objection_seconds) > durations.commit_seconds:
            continue  # refused by the spec itself
        with pytest.raises(MalformedError, match=line) as refused:
            check_durations(replace(spec, durations=durations), seconds)
        assert refused.value.fault is Party.MANUFACTURER


def test_a_screened_round_has_a_block_to_wait_for_and_a_request_more() -> None:
    spec = spec_for(12, 3)
    check_durations(spec, 12)
    terms = ScreeningTerms(KRUM, norm_bound=2**10, clip=2**10, window=2)
    with pytest.raises(MalformedError, match="settle_seconds"):
        check_durations(replace(spec, screening=terms), 12)
    more = replace(spec.durations, settle_seconds=5 * landing_seconds(spec, 12) + 4 * 12)
    check_durations(replace(spec, screening=terms, durations=more), 12)


def test_phones_must_be_able_to_hear_of_a_round() -> None:
    spec = sample_spec(confirmations=12)
    with pytest.raises(MalformedError, match="training_seconds"):
        check_durations(spec, 12)


def test_a_draw_must_be_confirmed_while_the_chain_tells_its_block() -> None:
    """A hundred blocks and more twice, and the time to look: 256 are not enough any more."""

    def drawing(confirmations: int) -> TaskSpec:
        spec = spec_for(12, confirmations)
        return replace(spec, cohort=replace(spec.cohort, max_cohort=4))

    check_durations(drawing(124), 12)
    check_durations(spec_for(12, 126), 12)
    with pytest.raises(MalformedError, match="confirmations: 126"):
        check_durations(drawing(126), 12)


def test_a_substitute_needs_the_same_time() -> None:
    spec = spec_for(12, 3, takeover_seconds=100)
    check_durations(spec, 12)
    landing = landing_seconds(spec, 12)
    alone = replace(spec, edge_substitutes=(b"\x0b" * 20,))
    check_durations(replace(alone, durations=replace(spec.durations, settle_seconds=100 + 4 * landing)), 12)
    with pytest.raises(MalformedError, match="settle_seconds"):
        check_durations(replace(alone, durations=replace(spec.durations, settle_seconds=99 + 4 * landing)), 12)
