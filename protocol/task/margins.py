"""How long before a deadline everybody sends, from the pace of the chain and the task's confirmations.

Edge server and phones read the same blocks, those before the opening of the round, so they come to the same instants.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from math import ceil
from typing import Final

from protocol.errors import SpecError
from protocol.messages.chain import RoundOpened
from protocol.messages.task import TaskSpec
from protocol.round.unscreened import unscreened_after

STRETCHES: Final = 6  # of which the shortest counts: a chain that makes blocks on demand may have idled in any other
STRETCH_BLOCKS: Final = 8
INCLUSION_BLOCKS: Final = 3  # until a transaction stands in one, when two do not take it
DRAW_BLOCKS: Final = 256  # after that the chain does not tell any more which cohort a block drew
WORK_SECONDS: Final = 5  # to store what a transaction names, and to look at the chain


def pace_blocks(block: int) -> tuple[int, ...]:
    """The blocks up to ``block`` whose times tell the pace of the chain, ascending. The first block is none of them:
    its time may be anything."""
    first = min(1, block)
    return tuple(sorted({max(first, block - STRETCH_BLOCKS * stretch) for stretch in range(STRETCHES + 1)}))


def block_seconds(times: Mapping[int, int], block: int) -> int:
    """Seconds between two blocks before ``block``, rounded up; 1 while the times of some stretch are not known: a chain
    that young may have idled in all."""
    known = [number for number in pace_blocks(block) if number in times]
    paces = [ceil((times[last] - times[first]) / (last - first)) for first, last in pairwise(known)]
    return max(1, min(paces)) if len(paces) == STRETCHES else 1


def landing_seconds(spec: TaskSpec, seconds: int) -> int:
    """From the decision to send a transaction until the task's confirmations lie upon it; ``seconds``: of a block."""
    return WORK_SECONDS + (INCLUSION_BLOCKS + spec.confirmations) * seconds


@dataclass(frozen=True, slots=True)
class Margins:
    """Instants of one round, in seconds of block time."""

    quiet_from: int  # the edge server sends nothing any more that the batch would have to wait for
    batch_due: int  # it waits for no more phones
    publish_due: int  # the edge server waits for no more key authorities
    openings_due: int  # nor for those that open a screened round: no block is before the middle of the phase any more
    objection: int  # seconds before its time to object ends, when a phone outside of the batch commits directly


def margins(spec: TaskSpec, opened: RoundOpened, times: Mapping[int, int]) -> Margins:
    """At most a quarter of a phase each, to fit into one that is too short for its chain as well, and at most half
    of the time for objections. No batch is due before every phone has sent."""
    seconds, durations = block_seconds(times, opened.block), spec.durations
    landing = landing_seconds(spec, seconds)
    commit, settle = (
        min(landing, max(1, phase // 4)) for phase in (durations.commit_seconds, durations.settle_seconds)
    )
    sent = opened.commit_until - durations.commit_seconds + 2 * spec.schedule.training_seconds
    batch_due = max(sent, opened.commit_until - durations.objection_seconds - commit)
    return Margins(
        quiet_from=batch_due - commit,
        batch_due=batch_due,
        publish_due=opened.settle_until - settle,
        openings_due=unscreened_after(opened.settle_until, durations.settle_seconds) + seconds,
        objection=min(commit, durations.objection_seconds // 2),
    )


def check_durations(spec: TaskSpec, seconds: int) -> None:
    """Raises SpecError where a phase is too short for a chain with a block in ``seconds``.

    Phones have half of the training time to hear of a round, which they do once its opening is confirmed. In the
    commit phase phones send, then what was relayed lands, then the batch; before the objections to it are over there is
    time for a direct commitment and its confirmations, at least. In the settle phase, and in what a takeover leaves of
    it, a request lands and a publication; before them, in a screened task, the block that draws the sketch is confirmed
    and the request for openings lands. A draw is opened once it is confirmed, while its block is known.
    """
    landing, durations = landing_seconds(spec, seconds), spec.durations
    _at_least("schedule.training_seconds", spec.schedule.training_seconds, 2 * spec.confirmations * seconds, seconds)
    sending = 2 * spec.schedule.training_seconds
    _at_least("durations.objection_seconds", durations.objection_seconds, (1 + spec.confirmations) * seconds, seconds)
    _at_least(
        "durations.commit_seconds",
        durations.commit_seconds,
        sending + 2 * landing + durations.objection_seconds,
        seconds,
    )
    takeover = durations.takeover_seconds if spec.edge_substitutes else 0
    opening = (1 + spec.confirmations) * seconds + landing if spec.screening.on else 0
    _at_least("durations.settle_seconds", durations.settle_seconds, takeover + opening + 4 * landing, seconds)
    if spec.cohort.draws and 2 * landing > DRAW_BLOCKS * seconds:
        raise SpecError(
            "task.confirmations",
            f"{spec.confirmations} are too many: a round that is drawn is opened within {DRAW_BLOCKS} blocks, of"
            f" {seconds} s",
        )


def _at_least(line: str, asked: int, least: int, seconds: int) -> None:
    if asked < least:
        raise SpecError(line, f"{asked}: where a block takes {seconds} s this task needs at least {least}")
