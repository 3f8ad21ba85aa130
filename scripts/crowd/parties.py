"""Key authorities and the edge server of a crowd: their own code, in this process, with nothing served over HTTP."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import httpx2

from backend.bonds import BondKeeper
from backend.key_authority.chain_checks import RefusedError
from backend.key_authority.followed import FollowedTasks
from backend.key_authority.following_reader import FollowingReader
from backend.key_authority.policy import AuthorityPolicy, ChainLimits
from backend.key_authority.records import AuthorityRecords
from backend.key_authority.rosters import Rosters, RosterWatch
from backend.key_authority.service import KeyAuthority
from backend.key_authority.windows import Windows, seeded
from backend.problem import problem_response
from backend.rounds.committee_client import CommitteeClient
from backend.rounds.desk import Desk
from backend.rounds.driver import Driver
from backend.rounds.hosted_task import HostedTask
from backend.rounds.inbox import Inbox
from backend.rounds.journal import EdgeJournal
from backend.rounds.performer import Performer
from protocol.domain import Domain
from protocol.errors import HearthError
from protocol.identifiers import from_hex
from protocol.messages.chain import TaskPosted
from protocol.task.documents import Kind
from protocol.task.state import TaskState
from scripts.crowd.chain import CrowdChain
from storage.content.interface import ContentStore
from storage.ledger.polling import Polling
from storage.ledger.signer import Signer
from storage.records.memory import MemoryRecords
from storage.task_reader import TaskReader

POLICY: Final = AuthorityPolicy(chain=ChainLimits(min_confirmations=0))  # nothing reorganises this chain
MAX_BOND_WEI: Final = 10**18


class Authority:
    """Its watches act when they are told to."""

    def __init__(self, chain: CrowdChain, signer: Signer, seed: bytes) -> None:
        self.address, self._ledger = signer.address, chain.ledger(signer)
        records = AuthorityRecords(MemoryRecords())
        self._followed = followed = FollowedTasks(self._ledger, Polling(self._ledger, 0.0))
        reader = FollowingReader(self._ledger, followed)
        windows = Windows(reader, records, signer, seeded(seed, signer.address))
        self._rosters = RosterWatch(Rosters(self._ledger, records, followed), records)
        self._service = KeyAuthority(reader, records, signer, windows, POLICY)
        self._in_round: Mapping[str, Callable[[int, int, bytes], bytes]] = {
            "endorsements": self._service.endorse,
            "sightings": self._service.sight,
            "partial-keys": self._service.answer,
        }

    def answer(self, path: Sequence[str], body: bytes) -> bytes:
        """To a request with this path below the API's. Raises HearthError."""
        match path:
            case ["identity"]:
                return json.dumps(self._service.identity()).encode()
            case ["tasks", task]:
                self._service.accept_task(int(task), body)
                return b""
            case ["tasks", task, "windows", window, "key"]:
                return self._service.window_key(int(task), int(window))
            case ["tasks", task, "clients", client]:
                return self._service.accept_client(int(task), from_hex(client, 20), body)
            case ["tasks", task, "rounds", number, asked] if asked in self._in_round:
                return self._in_round[asked](int(task), int(number), body)
        raise RefusedError(f"there is no {'/'.join(path)}", code="E_NOT_FOUND")

    def look(self) -> None:
        """At the chain, as its watches do all the time."""
        self._followed.look()

    def post_rosters(self) -> None:
        """Those that are due."""
        self._rosters.post()

    def close(self) -> None:
        self._ledger.close()


class Wires(httpx2.BaseTransport):
    """Requests to the authorities by host name, answered by what their HTTP calls."""

    def __init__(self, authorities: Mapping[str, Authority]) -> None:
        self._authorities = authorities

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        authority, path = self._authorities[request.url.host], request.url.path.removeprefix("/api/v1/")
        try:
            return httpx2.Response(200, content=authority.answer(path.split("/"), request.read()))
        except HearthError as error:
            refused = problem_response(error)
            return httpx2.Response(refused.status_code, content=bytes(refused.body))


class Committee(CommitteeClient):
    """The edge server's own client, over the wires."""

    def __init__(self, authorities: Sequence[Authority], domain: Domain, proofs: Path) -> None:
        named = {f"authority{number}": authority for number, authority in enumerate(authorities, start=1)}
        super().__init__(tuple(f"http://{name}" for name in named), domain, proofs)
        self._http.close()
        self._http = httpx2.Client(transport=Wires(named))


class Server:
    """The edge server of one task; its driver is stepped by the caller."""

    def __init__(
        self, chain: CrowdChain, store: ContentStore, signer: Signer, authorities: Sequence[Authority], proofs: Path
    ) -> None:
        self.ledger, self.journal = chain.ledger(signer), EdgeJournal(MemoryRecords())
        self._inbox = Inbox(MemoryRecords())
        self._committee = Committee(authorities, chain.domain, proofs)

        def host(posted: TaskPosted) -> HostedTask:
            reader = TaskReader(store, posted.task, list(Kind))
            performer = Performer(self.ledger, store, self.journal, self._committee, reader, lambda _: None)
            desk = Desk(
                chain.domain,
                signer,
                posted.task,
                self.journal,
                self._inbox,
                frozenset(),
                self.driver.wake,
                performer.seconds,
                self.driver.deep,
                performer.endorsing.endorsements,
            )
            return HostedTask(posted, self.ledger, performer, desk, BondKeeper(self.ledger, MAX_BOND_WEI))

        self.driver = Driver(self.ledger, self._inbox, host, Polling(self.ledger, 0.0))

    def step(self, task: int) -> bool:
        """A look at the chain, and a move of the task if one is due; whether there was one."""
        self.driver.look()
        if task not in self.driver.due():
            return False
        self.driver.step(task)
        return True

    def desk(self, task: int) -> Desk:
        return self.driver.desk(task)

    def state(self, task: int) -> TaskState:
        return self.driver.state(task)

    def seconds(self, task: int) -> Mapping[int, Mapping[str, float]]:
        """How long its moves took, by round and kind."""
        hosted = self.driver.tasks()
        return {} if hosted is None or task not in hosted else hosted[task].performer.seconds

    def close(self) -> None:
        self._committee.close()
        self.ledger.close()
