"""The accepted set whose key another server requested, when this one came to another verdict.

Which ciphertexts could be had when is nobody's to prove. The request on chain is the only one of its round, so whoever
finishes the round goes on with the set that it names.
"""

from __future__ import annotations

from collections.abc import Mapping

from protocol.identifiers import Address
from protocol.messages.keys import KeyRequest
from protocol.messages.round import RoundPlan
from protocol.messages.settlement import UNAVAILABLE, Rejection, Verdict
from protocol.messages.submission import SignedCommitment
from protocol.round.key_request import key_request
from protocol.task.documents import Absent


def may_follow(plan: RoundPlan, committed: Mapping[Address, SignedCommitment], request: KeyRequest | Absent) -> bool:
    """It can be read, and asks for the sum of commitments of this round under the plan's weights, as it must."""
    if isinstance(request, Absent):
        return False
    clients = [entry.client for entry in request.entries]
    return committed.keys() >= set(clients) and key_request(plan, committed, clients, request.screening) == request


def requested_verdict(request: KeyRequest, own: Verdict) -> Verdict:
    """What ``own`` says of those that are not in the request; the server before could not have what it accepts."""
    accepted = tuple(entry.client for entry in request.entries)
    reasons = dict.fromkeys(own.accepted, UNAVAILABLE) | {one.client: one.reason for one in own.rejected}
    left_out = sorted(reasons.keys() - set(accepted))
    return Verdict(own.label, accepted, tuple(Rejection(client, reasons[client]) for client in left_out))
