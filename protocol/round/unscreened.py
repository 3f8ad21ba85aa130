"""The request for the key of a round that too few authorities opened, where the task goes on without."""

from __future__ import annotations

from protocol.errors import EncryptionError, Party
from protocol.messages.keys import KeyRequest
from protocol.messages.round import RoundPlan
from protocol.messages.screening import GramRequest
from protocol.messages.screening_terms import CONTINUE
from protocol.messages.task import TaskSpec
from protocol.round.screening_verdict import round_verdict


def may_continue(spec: TaskSpec, number: int) -> bool:
    """Whether such a request can ever be right in round ``number``: never while histories are only collected."""
    return spec.screening.on and spec.screening.unopened == CONTINUE and number > spec.screening.probation


def unscreened_after(settle_until: int, settle_seconds: int) -> int:
    """No such request is right until this instant has passed: until then authorities may still open the round."""
    return settle_until - -(-settle_seconds // 2)


def check_unscreened(
    spec: TaskSpec, plan: RoundPlan, request: KeyRequest, came: GramRequest, settle_until: int, requested_at: int
) -> None:
    """``came``: the request for the round's openings, which is on chain; ``requested_at``: block time of the key's.

    For everybody who came and has a weight. Raises EncryptionError (fault: edge server) ``E_VERDICT``.
    """
    if not may_continue(spec, plan.round):
        raise _refusal("a key is requested without a screening, which the task does not allow in this round")
    if requested_at <= unscreened_after(settle_until, plan.settle_seconds):
        raise _refusal("a key is requested without a screening while authorities may still open the round")
    clients = (entry.client for entry in came.entries)
    if tuple(entry.client for entry in request.entries) != round_verdict(plan, {}, None, clients).accepted:
        raise _refusal("a key without a screening is for others than all who came and have a weight")


def _refusal(message: str) -> EncryptionError:
    return EncryptionError(message, code="E_VERDICT", fault=Party.EDGE_SERVER)
