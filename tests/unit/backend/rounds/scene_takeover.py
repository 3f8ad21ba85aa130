"""Two servers with accounts in one task's list: the first may crash and come back."""

from __future__ import annotations

from typing import Any

from protocol.cohort import place_of
from protocol.content.cid import cid_of
from protocol.messages.chain import Event, TakenOver
from protocol.messages.submission import Submission
from protocol.round.scheme import encoding_of
from storage.ledger.signer import Signer
from tests.ports.reference_chain import DOMAIN
from tests.samples import private_key
from tests.unit.backend.rounds.scene_committee import CLIENTS, PlayedCommittee
from tests.unit.backend.rounds.scene_server import Scene, Server

SUBSTITUTE = Signer(private_key("substitute"))


class Pair:
    """Both started, nobody enrolled. Chain, content and authorities are the same, records and desk each one's own."""

    def __init__(self, **changes: Any) -> None:
        """``changes``: of the scene's spec."""
        self.first = Scene(substitutes=(SUBSTITUTE.address,), **changes)
        self.second = Server(self.first.chain, SUBSTITUTE, self.first.store, self.first.committee)
        self.second.scene = self.first
        self.first.others.append(self.second)
        for server in (self.first, self.second):
            server.start()

    def own_committee(self, away: bool = False) -> None:
        """The authorities treat the second server otherwise than the first."""
        self.second.crash()
        self.second.committee = PlayedCommittee(DOMAIN, away=away)
        self.second.start()

    def commit_directly(self, round_number: int) -> None:
        """What phones do that find nobody acting."""
        bank = self.first.chain.ledger(DOMAIN.ledger, Signer(private_key("manufacturer")))
        for number in range(len(CLIENTS)):
            signed = self.second.commitment(number, round_number)
            plan = self.first.plan(round_number)
            bank.commit_direct(signed, place_of(plan.weights, signed.commitment.client))

    def pass_takeover(self, instant: int) -> None:
        """Until the substitute may act, if the acting one should have gone on at ``instant``."""
        self.first.pass_time_to(instant + self.first.spec.durations.takeover_seconds + 1)

    def takeovers(self) -> list[bytes]:
        """Who took over, in order."""
        return [event.edge_server for event in self.events() if isinstance(event, TakenOver)]

    def events(self) -> list[Event]:
        return self.first.ledger.events(1)

    def transactions(self, server: Server) -> int:
        """How many its account has sent."""
        return self.first.chain.sent(server.signer.address)

    def lose_ciphertext(self, submission: Submission) -> None:
        """The content store has it no more."""
        objects, block_bytes = self.first.store.objects, encoding_of(self.first.spec).block_bytes
        lost = [name for name, data in objects.items() if cid_of(data, block_bytes).digest == submission.ciphertext]
        for name in lost:
            del objects[name]
