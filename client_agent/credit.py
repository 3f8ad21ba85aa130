"""What the ledger could not pay to this phone when it was due: fetched, or left to the owner."""

from __future__ import annotations

from collections.abc import Callable

from client_agent.followed_task import FollowedTask
from protocol.errors import HearthError
from protocol.identifiers import Address
from storage.ledger.credits import collect
from storage.ledger.interface import Ledger, UnansweredError


def fetch_credit(ledger: Ledger, followed: FollowedTask, client: Address, tell: Callable[[str], None]) -> None:
    """It waits in the ledger for ever. Raises UnansweredError: to be tried again."""
    if not followed.state.credits.get(client):
        return
    try:
        collect(ledger, followed.state.task)
    except UnansweredError:
        raise
    except HearthError as error:
        tell(f"part of it waits in the ledger (hearth withdraw): {error}")
