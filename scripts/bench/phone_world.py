"""A task with many enrolled clients of which one is a real phone: what it sends, receives and computes is counted.

Chain, contracts, key authorities, edge server and phone are real. The others are accounts that enrolled and commit to
updates that nobody ever stored: no round of theirs has a sum, and the phone cannot tell.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import uvicorn
from fastapi import FastAPI

from backend.api.app import edge_app
from backend.listening import Listening, listening_socket
from client_agent.main import Owner, opened_phone
from client_agent.policy import parse_policy
from client_agent.settings import AgentSettings
from protocol.canonical import encode
from protocol.content.cid import CHUNK_BYTES, Cid
from protocol.errors import HearthError
from protocol.identifiers import Address, sha256
from protocol.messages.learning import MICRO
from protocol.messages.rosters import runs_of
from protocol.messages.submission import Commitment, Enrolment, SignedEnrolment, Submission
from protocol.messages.task import MAX_COHORT, CohortTerms, TaskSpec
from protocol.model.dataset import encode_labelled
from protocol.round.draw import drawn
from protocol.round.planning import terms_of
from protocol.task.documents import there
from protocol.task.state import TaskState
from scripts.bench.counting_proxy import CountingProxy, counted
from scripts.crowd.chain import CrowdChain
from scripts.crowd.parties import Authority, Server
from scripts.crowd.terms import AUTHORITIES, dealt, spec_of
from scripts.demonstration.policies import phone_policy
from storage.content.interface import ContentStore
from storage.content.memory import MemoryStore
from storage.ledger.signer import Signer

TASK: Final = 1
AT_ONCE: Final = 500  # enrolments of a transaction
FUNDS_WEI: Final = 10**18
MOST_ROUNDS: Final = 100
LEAST_CLIENTS: Final = 10
MOST_DRAWS: Final = 1_000
NOISE_MICRO: Final = 100 * MICRO  # so that a hundred rounds are within the usual budget
MOST_STEPS: Final = 200  # of the phone until something must have come of it
Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Cost:
    """``ways``: bytes sent to and received from each; ``processor_seconds``: of the phone's thread."""

    ways: Mapping[str, int]
    processor_seconds: float

    def __sub__(self, other: Cost) -> Cost:
        ways = {way: size - other.ways[way] for way, size in self.ways.items()}
        return Cost(ways, self.processor_seconds - other.processor_seconds)

    def per(self, rounds: int) -> Cost:
        return Cost({way: size // rounds for way, size in self.ways.items()}, self.processor_seconds / rounds)

    @property
    def size(self) -> int:
        return sum(self.ways.values())


class CountedStore(ContentStore):
    """What one party stores in another store, and reads there."""

    def __init__(self, inner: ContentStore) -> None:
        self._inner, self.sent, self.received = inner, 0, 0

    def put(self, data: bytes, chunk_bytes: int = CHUNK_BYTES) -> Cid:
        self.sent += len(data)
        return self._inner.put(data, chunk_bytes)

    def get(self, cid: Cid, max_bytes: int, chunk_bytes: int = CHUNK_BYTES) -> bytes:
        found = self._inner.get(cid, max_bytes, chunk_bytes)
        self.received += len(found)
        return found


class PhoneWorld:
    """``enrolled`` clients, the phone among them. Not for threads."""

    def __init__(self, chain: CrowdChain, enrolled: int, folder: Path, tell: Tell) -> None:
        self._chain, self._tell, self._closing = chain, tell, ExitStack()
        self._store, self._folder = MemoryStore(), folder
        members = [Signer(sha256(b"authority %d" % j)) for j in range(AUTHORITIES)]
        self._edge, self._own = Signer(sha256(b"edge")), Signer(sha256(b"phone"))
        self._others = [Signer(sha256(b"other %d" % number)) for number in range(enrolled - 1)]
        self._authorities = [Authority(chain, signer, sha256(b"windows")) for signer in members]
        self._ledgers = [chain.ledger(signer) for signer in (chain.bank, *members)]
        for authority in self._authorities:
            self._closing.callback(authority.close)
        for ledger in self._ledgers:
            self._closing.callback(ledger.close)
        self._server = Server(chain, self._store, self._edge, self._authorities, folder)
        self._closing.callback(self._server.close)
        self._spec = self._posted_spec(enrolled, [signer.address for signer in members])
        self._spent = 0.0
        self._next: float | None = 0.0

    def close(self) -> None:
        self._closing.close()

    def play(self, rounds: int) -> Cost:
        """What the phone's part in one round costs, on average; a first round is not counted."""
        with self._phone():
            self._enrol()
            self._round(1)
            before, first = self._cost(), len(self._state.rounds)
            for number in range(first + 1, first + 1 + rounds):
                self._round(number)
            return (self._cost() - before).per(rounds)

    # the task

    def _posted_spec(self, enrolled: int, members: list[Address]) -> TaskSpec:
        spec = spec_of(self._store, enrolled, MOST_ROUNDS, self._edge.address, members)
        mechanism = replace(spec.learning.mechanism, noise_multiplier_micro=NOISE_MICRO)
        spec = replace(
            spec,
            title="One of many",
            learning=replace(spec.learning, mechanism=mechanism),
            cohort=CohortTerms(LEAST_CLIENTS, enrolled, min(enrolled, MAX_COHORT), MICRO // 4),
        )
        self._store.put(encode(spec))
        return spec

    def _enrol(self) -> None:
        bank, *ledgers = self._ledgers
        bank.post_task(terms_of(self._spec), self._spec.budget())
        for account in (self._edge.address, *(ledger.sender for ledger in ledgers)):
            bank.transfer(account, FUNDS_WEI)
        self._until(lambda _: self._is_keyed())
        self._step_phone(lambda state: self._own.address in state.enrolled)
        posted = self._state.posted
        assert posted is not None
        agreed = (self._spec.deposits.client, posted.claim_until, posted.task_until)
        for first in range(0, len(self._others), AT_ONCE):
            self._tell(f"enrol {first + 1} of {len(self._others)}")
            bank.enrol([self._enrolment(other, *agreed) for other in self._others[first : first + AT_ONCE]])
        self._server.driver.look()
        clients = [self._own.address, *(other.address for other in self._others)]
        for ledger in ledgers:
            self._server.journal.keep_word(TASK, ledger.sender, clients, ())
            ledger.post_roster(TASK, 0, runs_of(clients, set(clients)), runs_of(clients, set()))

    def _is_keyed(self) -> bool:
        try:
            return bool(self._server.desk(TASK).window_keys(0).keys)
        except HearthError:
            return False

    def _is_shown(self, number: int) -> bool:
        """Its place to the phone, with the authorities' word."""
        try:
            return self._server.desk(TASK).shown_plan(number, self._own.address) is not None
        except HearthError:
            return False

    def _enrolment(self, other: Signer, stake: int, locked_until: int, deadline: int) -> SignedEnrolment:
        """With an envelope that nobody has."""
        digest, own = terms_of(self._spec).spec, other.address
        said = Enrolment(TASK, digest, own, own, sha256(b"envelope" + own), stake, locked_until, deadline)
        return SignedEnrolment(said, other.sign(self._chain.domain, said))

    # rounds

    def _round(self, number: int) -> None:
        self._tell(f"round {number}")
        self._until(lambda state: state.current is not None and self._is_shown(state.current.number))
        facts = self._state.current
        assert facts is not None
        planned = {entry.client for entry in there(self._state.plan(facts.number)).weights}
        for other in self._others:
            if other.address in planned:
                self._commit(other, facts.number, facts.opened.label)
        self._step_phone(lambda _: self._own.address in self._server.journal.submissions(TASK, facts.number))
        self._until(lambda state: state.rounds[-1].batched is not None)
        self._step_phone(lambda _: bool(self._agent.journal.included.get(facts.number)))
        self._until(lambda state: not state.rounds[-1].running)
        self._step_phone(lambda _: True)

    def _commit(self, other: Signer, number: int, label: bytes) -> None:
        """To an update that is in no store."""
        said = Commitment(TASK, number, other.address, label, bytes(16), sha256(other.address))
        signature = other.sign(self._chain.domain, said)
        self._server.desk(TASK).submit(number, Submission(other.address, bytes(16), said.ciphertext, signature))

    def _until(self, done: Callable[[TaskState], bool]) -> None:
        """Steps the server; moves the clock on where it has nothing to do."""
        while not (TASK in (self._server.driver.tasks() or {}) and done(self._state)):
            self._look_at_draw()
            self._server.driver.relay()
            if not self._server.step(TASK):
                for authority in self._authorities:
                    authority.look()
                wait = self._server.driver.next_due() - self._server.driver.now
                self._chain.pass_time(max(1, wait))

    def _look_at_draw(self) -> None:
        """The block that draws is made again, later by a second each time, until it draws the phone: what a round costs
        is what is measured, and waiting for a draw to lapse takes 257 blocks of anvil's."""
        state = self._state if TASK in (self._server.driver.tasks() or {}) else None
        if state is None or state.drawn is None or self._ledgers[0].block_number() >= state.drawn.drawn_at:
            return
        clients = [self._own.address, *(other.address for other in self._others)]
        for seconds in range(1, MOST_DRAWS):
            before = self._chain.snapshot()
            self._chain.pass_time(seconds)
            beacon = self._chain.last_block_hash()
            if self._own.address in drawn(clients, self._spec.cohort.max_cohort, beacon, TASK, len(state.rounds) + 1):
                return
            self._chain.revert(before)
        raise RuntimeError("no block draws the phone")

    @property
    def _state(self) -> TaskState:
        return self._server.state(TASK)

    # the phone

    @contextmanager
    def _phone(self) -> Iterator[None]:
        with ExitStack() as stack:
            app = edge_app(self._server.ledger, self._store, self._server.driver)
            edge = stack.enter_context(counted(stack.enter_context(_served(app))))
            chain = stack.enter_context(counted(self._chain.url))
            self._ways: dict[str, CountingProxy | CountedStore] = {"edge": edge, "chain": chain}
            self._ways["content"] = store = CountedStore(self._store)
            data, given = self._folder / "data", dealt(1, 1)
            data.write_bytes(encode_labelled(given.inputs[0], given.labels[0]))
            settings = AgentSettings(
                folder=self._folder / "task", household=self._folder / "household", data=data, edge_urls=(edge.url,),
                rpc_url=chain.url, domain=self._chain.domain, store="", task=TASK,
            )  # fmt: skip
            members = self._spec.committee.members
            policy = parse_policy(phone_policy(self._chain.domain, members, LEAST_CLIENTS, 0).encode())
            owner = Owner(lambda _: None, lambda _: True)
            opened = opened_phone(settings, self._own, owner, seed=sha256(b"phone"), policy=policy, store=store)
            self._agent = stack.enter_context(opened).agent
            yield

    def _step_phone(self, done: Callable[[TaskState], bool]) -> None:
        """Until ``done``, as the server sees the task, and at least once; the clock is moved on where it waits."""
        for _ in range(MOST_STEPS):
            begun = time.thread_time()
            self._next = self._agent.step()
            self._spent += time.thread_time() - begun
            self._server.driver.relay()
            self._server.driver.look()
            if not self._server.driver.due() or TASK in self._server.driver.due():
                self._server.step(TASK)
            if done(self._state):
                return
            assert self._next is not None
            wait = int(self._next - self._agent.followed.now)
            if wait > 0:
                self._chain.pass_time(wait)
        raise RuntimeError("nothing came of the phone's steps")

    def _cost(self) -> Cost:
        ways = {f"{name} sent": way.sent for name, way in self._ways.items()}
        ways |= {f"{name} received": way.received for name, way in self._ways.items()}
        return Cost(ways, self._spent)


@contextmanager
def _served(app: FastAPI) -> Iterator[str]:
    """The address of a server in a thread of its own."""
    with listening_socket(Listening(0)) as opened:
        config = uvicorn.Config(app, log_config=None, access_log=False, lifespan="off", ws="none")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [opened]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{opened.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()
