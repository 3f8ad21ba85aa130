"""When a batch may come, and how long whoever it leaves out can object: as the contract has it, in seconds.

Every phone has sent before any batch, and has ``objection_seconds`` after it to commit directly. So no edge server,
however fast, races anybody out of a round.
"""

from __future__ import annotations

from protocol.messages.chain import TaskTerms


def batch_window(terms: TaskTerms, commit_until: int) -> tuple[int, int]:
    """First and last instant at which a round with this end of its commit phase takes a batch."""
    opened = commit_until - terms.commit_seconds
    return opened + 2 * terms.training_seconds, commit_until - terms.objection_seconds


def key_after(commit_until: int, object_until: int, everyone: bool) -> int:
    """No key is requested until this instant has passed. ``object_until``: of the batch, 0 without one; ``everyone``:
    as many commitments as clients in the cohort."""
    return object_until if everyone else commit_until
