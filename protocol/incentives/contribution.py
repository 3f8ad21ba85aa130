"""What a round was worth to the manufacturer, and each accepted update's part in it: integers from public counts.

Updates are encrypted, so nobody can measure a single one. Public are the model's right answers on the test set and
each client's reputation. Payments in proportion to reputation follow Zhang and van der Schaar (INFOCOM 2012);
docs/adr/0010-contribution-from-the-gain.md says why the reward of a round is not a divided pool.
"""

from __future__ import annotations

from dataclasses import dataclass

from protocol.messages.learning import MICRO
from protocol.messages.task import RewardTerms


@dataclass(frozen=True, slots=True)
class Progress:
    """Right answers on the task's test set, of ``examples``."""

    best: int  # most of any model before the round, the initial one included
    correct: int  # of the round's model
    examples: int


def contribution(weight: int, maximum: int, progress: Progress, rewards: RewardTerms) -> int:
    """Contribution share of one accepted update; 0 <= ``weight`` <= ``maximum``, the task's largest weight.

    ``contribution`` is released in proportion to the gain over the best model so far, all of it from
    ``target_gain_ppm`` on, and paid in proportion to the weight. There is one division, rounded down. The remainder and
    what is not released stay in the escrow and are the manufacturer's at the refund.
    """
    return _released(weight, maximum, progress, rewards)


def contribution_pool(updates: int, progress: Progress, rewards: RewardTerms) -> int:
    """What so many accepted updates of a screened round are paid together, whatever their weights: as much of a whole
    ``contribution`` for each as the gain releases. One division, rounded down."""
    return _released(updates, 1, progress, rewards)


def _released(numerator: int, denominator: int, progress: Progress, rewards: RewardTerms) -> int:
    if progress.examples == 0:
        return 0
    gain = max(0, progress.correct - progress.best)
    target = rewards.target_gain_ppm * progress.examples
    released = min(gain * MICRO, target)
    return rewards.contribution * released * numerator // (target * denominator)
