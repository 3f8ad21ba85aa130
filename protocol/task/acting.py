"""Which edge server may act for a task, and from when.

The contract's rule (``_actAsEdgeServer`` in ``Rounds.sol``), and one of the servers' own: whoever has just taken over
gets as long itself, or a server that comes back would take the same round over again.
"""

from __future__ import annotations

from typing import Final

from protocol.identifiers import Address
from protocol.task.state import TaskState

NEVER: Final = 2**63


def due(state: TaskState) -> int:
    """Block time in seconds by which the acting server should have gone on; NEVER for a task that is not posted."""
    if state.posted is None:
        return NEVER
    if state.current is not None:
        return state.current.opened.commit_until
    return rosters_until(state)


def rosters_until(state: TaskState, opened: int | None = None) -> int:
    """The last instant at which a roster for the window of the next round counts, while no round runs.

    ``opened``: how many rounds were opened by then, None for all that are. NEVER for a task that is not posted.
    """
    if state.posted is None:
        return NEVER
    rounds = state.rounds[:opened]
    since = rounds[-1].opened.settle_until if rounds else state.enrol_until
    return since + state.posted.terms.roster_seconds


def acts_after(state: TaskState, server: Address) -> int:
    """``server`` may act in blocks later than this: 0 for the acting one, NEVER for one that was dismissed.

    NEVER also while the time of the last takeover is not known.
    """
    if state.posted is None or server in state.dismissed or server not in state.posted.terms.edge_servers:
        return NEVER
    if server == state.acting:
        return 0
    since = 0 if state.taken_over is None else state.times.get(state.taken_over.block, NEVER)
    return min(NEVER, max(due(state), since) + state.posted.terms.takeover_seconds)
