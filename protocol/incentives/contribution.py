"""What a round was worth to the manufacturer, and each accepted update's part in it: whole wei from public counts.

Updates are encrypted, so nobody can look into one. What everyone can see is how many right answers the model gives on
the public test set, and who has a long good record. After the reputation-scaled payments of Zhang and van der Schaar
(INFOCOM 2012); docs/adr/0010-contribution-from-the-gain.md says why this and not a divided pool.
"""

from __future__ import annotations

from dataclasses import dataclass

from protocol.messages.task import MICRO, RewardTerms


@dataclass(frozen=True, slots=True)
class Progress:
    """Right answers on the task's test set, of ``examples``."""

    best: int  # most of any model before the round, the initial one included
    correct: int  # of the round's model
    examples: int


def contribution(weight: int, maximum: int, progress: Progress, rewards: RewardTerms) -> int:
    """Contribution share of one accepted update; 0 <= ``weight`` <= ``maximum``, the task's largest weight.

    ``contribution`` is released in proportion to the gain over the best model so far, all of it from
    ``target_gain_ppm`` on, and paid in proportion to the weight. One division, rounded down: what is left over, like
    everything not released, stays in the escrow and is the manufacturer's at the refund.
    """
    if progress.examples == 0:
        return 0
    gain = max(0, progress.correct - progress.best)
    target = rewards.target_gain_ppm * progress.examples
    released = min(gain * MICRO, target)
    return rewards.contribution * released * weight // (target * maximum)
