"""What a phone earned: its claim is relayed by an edge server, or sent by itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import structlog

from client_agent.credit import fetch_credit
from client_agent.edge_client import EdgeClient, EdgeRefusedError, EdgeUnavailableError
from client_agent.entitlements import Entitlements
from client_agent.followed_task import FollowedTask
from client_agent.membership import PATIENCE_SECONDS, RELAY_SECONDS
from protocol.errors import HearthError
from protocol.messages.settlement import ProvenEntitlement
from protocol.task.documents import Absent
from protocol.task.round_facts import RoundFacts
from storage.ledger.interface import Ledger, UnansweredError

log = structlog.get_logger()
RELAYS: Final = 4  # requests to edge servers before this account pays for the claim itself
SENDS: Final = 3  # of its own, before it is left to the owner
PROOF_SECONDS: Final = 30  # between two searches for somebody who proves the entitlement


@dataclass
class _Attempts:
    """For one entitlement: requests to edge servers, those that one answered, and transactions of this account."""

    asked: int = 0
    answered: int = 0
    sent: int = 0

    def asks(self) -> bool:
        """An edge server is next: before this account pays, and again when it cannot and none has answered yet."""
        return self.asked < RELAYS or (self.sent >= SENDS and self.answered < RELAYS)

    def are_over(self) -> bool:
        """The edge servers had their requests, whoever was away when they came, and this account its own tries."""
        return self.answered >= RELAYS and self.sent >= SENDS


@dataclass
class Payout:
    """Of one account in one task, once no later round concerns it."""

    ledger: Ledger
    edge: EdgeClient
    followed: FollowedTask
    entitlements: Entitlements
    tell: Callable[[str], None]
    _made: dict[int, _Attempts] = field(default_factory=dict)  # by round
    _next: int = 0  # seconds of block time: not before
    _told: set[str] = field(default_factory=set)

    def step(self, now: int) -> float | None:
        """At most one request or transaction; when to come again, None when all is done.

        The last allocation is claimed once its dispute window is over. While nobody proves it, the one before, which
        it replaces then, is claimed as long as that is possible. Whoever proves nothing is asked until claims end.
        """
        state = self.followed.state
        standing = [facts for facts in state.rounds if facts.settled is not None]
        if not standing or state.posted is None or now > state.posted.claim_until:
            return None
        payable_from = state.payable_from()
        assert payable_from is not None  # refresh has asked for the time of its block
        last = self.entitlements.after(standing[-1])
        if last is not None:
            return self._claim(last, now, final=True) if now >= payable_from else payable_from
        self._tell_once(f"nobody proves what round {standing[-1].number} gives this account; it goes on asking")
        before = self._before(standing, now, payable_from)
        waiting = None if before is None else self._claim(before, now, final=False)
        return now + PROOF_SECONDS if waiting is None else waiting

    def _before(self, standing: list[RoundFacts], now: int, payable_from: int) -> ProvenEntitlement | None:
        if len(standing) < 2 or now >= payable_from:
            return None
        return self.entitlements.after(standing[-2])

    def _claim(self, proven: ProvenEntitlement, now: int, final: bool) -> float | None:
        """None when it is paid, or this account cannot have it."""
        made, owed = self._made.setdefault(proven.round, _Attempts()), proven.entitlement
        if self._is_paid(proven, final):
            if self._may_vanish():
                self._made.pop(proven.round, None)
                return now + PATIENCE_SECONDS
            fetch_credit(self.ledger, self.followed, self.entitlements.client, self._tell_once)
            self._tell_once(f"received {self.followed.money(owed.cumulative)}, reputation {owed.reputation}")
            return None
        if now < self._next:
            return now + PATIENCE_SECONDS
        if made.are_over():
            return None
        self._next = now + (RELAY_SECONDS if made.sent < SENDS else PROOF_SECONDS)
        if made.asks():
            self._ask(made)
        else:
            self._send(proven, made)
        return now + PATIENCE_SECONDS

    def _is_paid(self, proven: ProvenEntitlement, final: bool) -> bool:
        """The money is there and, after the ``final`` claim, the reputation too."""
        claim = self.followed.state.claims.get(proven.entitlement.client)
        if claim is None:
            return proven.entitlement.cumulative == 0 and not final
        return claim.cumulative >= proven.entitlement.cumulative and (claim.freed or not final)

    def _may_vanish(self) -> bool:
        """The chain may still take the claim back; without the spec nobody knows how deep it must be."""
        state = self.followed.state
        claim = state.claims.get(self.entitlements.client)
        return claim is not None and not isinstance(state.spec, Absent) and not self.followed.is_buried(claim)

    def _ask(self, made: _Attempts) -> None:
        made.asked += 1
        try:
            self.edge.request_claim(self.followed.state.task, self.entitlements.client)
        except EdgeUnavailableError as error:
            log.info("no edge server answered the request for the claim", error=str(error))
            if made.sent >= SENDS:
                self._tell_once("no edge server answers; this account goes on asking until one claims for it")
            return
        except EdgeRefusedError as error:
            log.info("edge server did not take the claim", error=str(error))
        made.answered += 1

    def _send(self, proven: ProvenEntitlement, made: _Attempts) -> None:
        made.sent += 1
        try:
            self.ledger.claim(self.followed.state.task, proven)
        except UnansweredError as error:  # no attempt: the endpoint may answer the next one
            made.sent -= 1
            log.info("the claim is not known to be sent", error=str(error))
        except HearthError as error:  # no gas, most likely; the reward waits until claimUntil
            self._tell_once(f"{self.followed.money(proven.entitlement.cumulative)} earned but not claimed yet: {error}")

    def _tell_once(self, text: str) -> None:
        if text not in self._told:
            self._told.add(text)
            self.tell(text)
