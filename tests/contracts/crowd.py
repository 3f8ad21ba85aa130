"""The parties of two tasks on one ledger, and what they sign, good and bad."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from typing import Any, Final

from protocol.domain import Domain
from protocol.identifiers import Address
from protocol.messages.keys import PartialKeyStatement, SightingStatement, SignedPartialKey, SignedSighting
from protocol.messages.round import RoundStatement, SignedRoundStatement
from protocol.messages.screening import OpeningStatement, SignedOpening
from protocol.messages.submission import (
    Commitment,
    CommitmentBatch,
    Enrolment,
    Leave,
    Receipt,
    SignedCommitment,
    SignedEnrolment,
    SignedLeave,
)
from protocol.signing import Signable, struct_hash
from storage.ledger.proofs import receipt_ignored, two_keys, two_openings, two_sightings, two_statements
from storage.ledger.signer import Signer
from tests.contracts.scene import CIPHERTEXT, ENVELOPE, FOREVER, NONCE, label_of, terms_of
from tests.samples import private_key

MANUFACTURER, EDGE, SUBSTITUTE, STRANGER = (
    Signer(private_key(role)) for role in ("manufacturer", "edge", "substitute", "stranger")
)
AUTHORITIES: Final = [Signer(private_key("authority", number)) for number in (1, 2, 3)]
CLIENTS: Final = sorted((Signer(private_key("client", number)) for number in range(7)), key=lambda one: one.address)
SERVERS: Final = (EDGE, SUBSTITUTE)
RICH: Final = [party.address for party in (MANUFACTURER, EDGE, SUBSTITUTE, STRANGER, *AUTHORITIES)]
POOR: Final = [party.address for party in CLIENTS]
EVERYBODY: Final = [MANUFACTURER, *SERVERS, STRANGER, *AUTHORITIES, *CLIENTS]

TERMS: Final = replace(
    terms_of(EDGE),
    edge_servers=(EDGE.address, SUBSTITUTE.address),
    settle_seconds=200,
    task_seconds=5_000,
    claim_seconds=3_000,
    dispute_seconds=150,  # so that a round can be over before the payout of the one before is
    min_reputation=1,
    participation=400,
    contribution=600,
    edge_fee=50,
    authority_fee=20,
    edge_bond=2_501,  # above what a cohort is owed by a server that leaves a round alone
    authority_bond=71,
    stake=9,
    roster_rounds=2,
)

# each makes terms that the contract must refuse
BAD_TERMS: Final[list[dict[str, Any]]] = [
    {"spec": bytes(32)},
    {"edge_servers": ()},
    {"edge_servers": (bytes(20),)},
    {"edge_servers": (EDGE.address, EDGE.address)},
    {"edge_servers": (EDGE.address,) * 17},
    {"rounds": 0},
    {"rounds": 100_001},
    {"min_clients": 1},
    {"min_clients": 5},
    {"max_clients": 1_000_001},
    {"max_clients": 20_000, "max_cohort": 10_001, "edge_bond": 10**18},
    {"max_cohort": 1},
    {"max_cohort": 5},
    {"enrolment_seconds": 0},
    {"commit_seconds": 3650 * 86_400 + 1},
    {"training_seconds": 0},
    {"training_seconds": 136},
    {"objection_seconds": 0},
    {"objection_seconds": 261},
    {"settle_seconds": 0},
    {"task_seconds": 0},
    {"dispute_seconds": 201},
    {"takeover_seconds": 201},
    {"claim_seconds": 500},  # as long as a round
    {"claim_seconds": 499, "commit_seconds": 230, "settle_seconds": 155},  # below the deployment's rule
    {"roster_rounds": 0},
    {"roster_seconds": 0},
    {"token": STRANGER.address},
    {"participation": 0, "contribution": 0},
    {"contribution": 2**128 - 1},
    {"edge_fee": 2**127},
    {"edge_bond": 1_599, "participation": 400, "max_cohort": 4},
    {"initial_reputation": 6},
    {"min_reputation": 6},
    {"reputation_sources": (bytes(20),)},
    {"reputation_sources": (EDGE.address,) * 17},
    {"authorities": (AUTHORITIES[0].address,)},
    {"authorities": (EDGE.address, AUTHORITIES[0].address)},
    {"threshold": 1},
    {"threshold": 4},
]


@cache
def sign(party: Signer, domain: Domain, message: Signable) -> bytes:
    return party.sign(domain, message)


class Pen:
    """Signs for everybody on one ledger. ``forged``: by the wrong party.

    ``signer_of``: who signs for a client of a task whose enrolment named another key.
    """

    def __init__(self, domain: Domain, signer_of: Callable[[int, Address], Signer | None] = lambda *_: None) -> None:
        self._domain, self._signer_of = domain, signer_of

    def enrolment(
        self, task: int, client: Signer, stake: int, until: int, /, forged: bool = False, **changes: Any
    ) -> SignedEnrolment:
        message = Enrolment(task, TERMS.spec, client.address, client.address, ENVELOPE, stake, until, FOREVER)
        message = replace(message, **changes)
        return SignedEnrolment(message, self._sign(client, message, forged))

    def leave(self, task: int, client: Signer, forged: bool) -> SignedLeave:
        message = Leave(task, client.address)
        return SignedLeave(message, self._sign(self._signer(task, client), message, forged))

    def commitment(
        self, task: int, number: int, client: Signer, forged: bool = False, **changes: Any
    ) -> SignedCommitment:
        message = Commitment(task, number, client.address, label_of(number), NONCE, CIPHERTEXT)
        message = replace(message, **changes)
        return SignedCommitment(message, self._sign(self._signer(task, client), message, forged))

    def batch(self, task: int, number: int, clients: Sequence[Signer], flaw: str) -> CommitmentBatch:
        """``flaw`` is in its first commitment, or in the order."""
        changes: dict[str, dict[str, Any]] = {
            "forged": {"forged": True},
            "label": {"label": label_of(9)},
            "round": {"round": number + 1},
        }
        first = self.commitment(task, number, clients[0], **changes.get(flaw, {}))
        rest = [self.commitment(task, number, client) for client in clients[1:]]
        made = [first, *rest]
        if flaw == "order":
            made.reverse()
        return CommitmentBatch(tuple([first, first] if flaw == "twice" else made))

    def two_statements(self, task: int, number: int, server: Signer, differ: str, forged: bool) -> bytes:
        one = RoundStatement(task, number, label_of(number), b"\x01" * 32)
        changes: dict[str, dict[str, Any]] = {
            "label": {"label": label_of(9)},
            "model": {"model": b"\x02" * 32},
            "no model": {"model": bytes(32)},
            "round": {"round": number + 1, "label": label_of(9)},
        }
        other = replace(one, **changes[differ])
        signed = SignedRoundStatement(other, self._sign(server, other, forged))
        return two_statements(server.address, SignedRoundStatement(one, self._sign(server, one, False)), signed)

    def two_keys(self, task: int, number: int, authority: Signer, differ: str, forged: bool) -> bytes:
        one = PartialKeyStatement(task, number, label_of(number), b"\x01" * 32, authority.address, number, b"\x02" * 32)
        changes: dict[str, dict[str, Any]] = {"nothing": {}, "key_epoch": {"key_epoch": 7}}
        other = replace(one, **changes.get(differ, {differ: b"\x03" * 32}))
        signed = SignedPartialKey(other, self._sign(authority, other, forged))
        return two_keys(SignedPartialKey(one, self._sign(authority, one, False)), signed)

    def two_openings(self, task: int, number: int, authority: Signer, differ: str, forged: bool) -> bytes:
        one = OpeningStatement(task, number, label_of(number), b"\x01" * 32, authority.address, number, b"\x02" * 32)
        changes: dict[str, dict[str, Any]] = {"nothing": {}, "key_epoch": {"key_epoch": 7}}
        other = replace(one, **changes.get(differ, {differ.replace("residues", "answers"): b"\x03" * 32}))
        signed = SignedOpening(other, self._sign(authority, other, forged))
        return two_openings(SignedOpening(one, self._sign(authority, one, False)), signed)

    def two_sightings(self, task: int, number: int, authority: Signer, differ: str, forged: bool) -> bytes:
        one = SightingStatement(task, number, b"\x01" * 32, label_of(number), b"\x02" * 32, authority.address)
        changes: dict[str, Any] = {} if differ == "nothing" else {differ: b"\x03" * 32}
        other = replace(one, **changes)
        signed = SignedSighting(other, self._sign(authority, other, forged))
        return two_sightings(SignedSighting(one, self._sign(authority, one, False)), signed)

    def receipt_ignored(
        self, task: int, number: int, server: Signer, client: Signer, batch: CommitmentBatch | None, forged: bool
    ) -> bytes:
        promised = self.commitment(task, number, client).commitment
        statement = Receipt(task, number, promised.label, struct_hash(promised))
        return receipt_ignored(server.address, promised, self._sign(server, statement, forged), batch)

    def _signer(self, task: int, client: Signer) -> Signer:
        return self._signer_of(task, client.address) or client

    def _sign(self, party: Signer, message: Signable, forged: bool) -> bytes:
        return sign(STRANGER if forged else party, self._domain, message)
