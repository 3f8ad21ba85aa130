"""Two coordinators with accounts in one task's list, on the real contract: the first may crash and come back."""

from __future__ import annotations

from pathlib import Path

from protocol.content.cid import cid_of
from protocol.identifiers import to_hex
from protocol.messages.chain import Event, TakenOver
from protocol.messages.submission import Submission
from protocol.round.scheme import encoding_of
from storage.ledger.signer import Signer
from tests.ports.chains import RunningChain
from tests.samples import private_key
from tests.unit.backend.rounds.scene_coordinator import CLIENTS, Scene

SUBSTITUTE = Signer(private_key("substitute"))


class Substitute(Scene):
    """The second server of ``first``'s task: chain, content and authorities are the same, journal and desk its own."""

    def __init__(self, first: Scene, folder: Path) -> None:
        self.chain, self.address, self.spec, self.committee = first.chain, first.address, first.spec, first.committee
        self.folder, self.store = folder, first.store
        self.signer, self.ledger = SUBSTITUTE, first.chain.ledger(first.address, SUBSTITUTE)


class Pair:
    """Both started, nobody enrolled."""

    def __init__(self, chain: RunningChain, folder: Path) -> None:
        self.first = Scene(chain, folder / "first", substitutes=(SUBSTITUTE.address,))
        self.second = Substitute(self.first, folder / "second")
        self.running: list[Scene] = []
        for server in (self.first, self.second):
            self.start(server)

    def start(self, server: Scene) -> None:
        server.start()
        self.running.append(server)

    def crash(self, server: Scene) -> None:
        self.running.remove(server)
        server.crash()

    def close(self) -> None:
        for server in list(self.running):
            self.crash(server)
        self.first.ledger.close()
        self.second.ledger.close()

    def commit_directly(self, round_number: int) -> None:
        """What phones do that find nobody in charge."""
        bank = self.first.chain.ledger(self.first.address, self.first.chain.faucet)
        for number in range(len(CLIENTS)):
            bank.commit_direct(self.second.commitment(number, round_number))
        bank.close()

    def pass_takeover(self, instant: int) -> None:
        """Until the substitute may act, if the one in charge should have acted at ``instant``."""
        self.first.chain.pass_time(instant + self.first.spec.durations.takeover_seconds + 1 - self.first.ledger.now())

    def takeovers(self) -> list[bytes]:
        """Who took over, in order."""
        return [event.edge_server for event in self.events() if isinstance(event, TakenOver)]

    def events(self) -> list[Event]:
        return self.first.ledger.events(1)

    def transactions(self, server: Scene) -> int:
        """How many its account has sent, reverted ones included."""
        return int(self.first.chain.ask("eth_getTransactionCount", to_hex(server.ledger.sender), "latest"), 16)

    def lose_ciphertext(self, submission: Submission) -> None:
        """The content store has it no more."""
        objects, block_bytes = self.first.store.objects, encoding_of(self.first.spec).block_bytes
        lost = [name for name, data in objects.items() if cid_of(data, block_bytes).digest == submission.ciphertext]
        for name in lost:
            del objects[name]
