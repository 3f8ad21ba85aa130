"""How a round ended for the update that this phone sent, by which its residual moves on or not."""

from __future__ import annotations

from client_agent.followed_task import FollowedTask
from protocol.identifiers import Address
from protocol.messages.chain import RoundPublished
from protocol.task.documents import Absent, Kind
from protocol.task.past import stepped


def was_added(followed: FollowedTask, number: int, client: Address) -> bool | None:
    """Whether the model has the client's update; None while the round has no end, or one that may still change.

    The phone never asks again, so the task's confirmations must lie upon the end. A record that cannot be read then
    counts as "not added": the next model most likely goes without it. Raises StoreUnavailableError.
    """
    facts = followed.state.round(number)
    ended = None if facts is None else facts.ended or facts.frozen
    if ended is None or not followed.is_buried(ended):
        return None
    if not isinstance(ended, RoundPublished) or not stepped(followed.state, number):
        return False
    verdict = followed.read(number, Kind.RECORD).verdict(number)
    return not isinstance(verdict, Absent) and client in verdict.accepted
