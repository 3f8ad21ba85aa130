"""A crowd's whole task: posting, enrolment, rounds, audit; every party is its own code, in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final, TypeVar

from client_agent.planned_round import check_on_chain
from protocol.audit.report import Status
from protocol.errors import HearthError, Party
from protocol.identifiers import to_hex
from protocol.messages.chain import Event, RoundPublished
from protocol.messages.round import RoundPlan
from protocol.messages.submission import SignedCommitment, SignedEnrolment
from protocol.model.layout import Layout
from protocol.randomness import SeededRandomness
from protocol.round.commitments import BatchProofs, verify_inclusion
from protocol.round.eligibility import check_rostered
from protocol.round.planning import check_plan, choose_index_set, terms_of
from protocol.round.scheme import RoundScheme
from protocol.round.windows import check_window_keys
from protocol.signing import verify
from protocol.task.documents import Kind, there
from protocol.task.state import TaskState
from scripts.commands.auditor import Endpoint, audit_endpoint
from scripts.crowd.chain import CrowdChain
from scripts.crowd.parties import Authority, Server
from scripts.crowd.phones import check_receipt, made, submission_of
from scripts.crowd.report import CrowdReport, Stopwatch
from scripts.crowd.terms import AUTHORITIES, DAY_SECONDS, MODEL, THRESHOLD, dealt, spec_of
from scripts.crowd.training import BatchedTraining, Households
from storage.content.interface import ContentStore, get_document
from storage.content.memory import MemoryStore
from storage.ledger.ethereum.node import Node
from storage.ledger.follower import EventFollower
from storage.ledger.signer import Signer
from storage.task_reader import TaskReader

TASK: Final = 1
AT_ONCE: Final = 500  # enrolments of a transaction
FUNDS_WEI: Final = 10**18
LONGEST_JUMP: Final = 2 * DAY_SECONDS
MOST_JUMPS: Final = 40  # until something must have come of it
Tell = Callable[[str, int, int], None]  # what is done now, how many of how many
T = TypeVar("T")


class CrowdFailedError(HearthError):
    """The task did not come to its end as it must."""

    code = "E_CROWD"


class Crowd:
    """``tell`` hears how far it is. Nothing of it is for threads."""

    def __init__(self, chain: CrowdChain, clients: int, rounds: int, seed: bytes, folder: Path, tell: Tell) -> None:
        self._chain, self._tell, self._closing = chain, tell, ExitStack()
        self.report = CrowdReport(clients, rounds, Layout.of(MODEL).dimension)
        self._store: ContentStore = MemoryStore()
        source = SeededRandomness(seed)
        signers = [Signer(source.draw(f"account/authority/{j}", 32)) for j in range(AUTHORITIES)]
        edge = self._edge = Signer(source.draw("account/edge", 32))
        self._authorities = [Authority(chain, signer, source.draw("windows", 32)) for signer in signers]
        self._server = Server(chain, self._store, edge, self._authorities, folder)
        for authority in self._authorities:
            self._closing.callback(authority.close)
        self._closing.callback(self._server.close)
        self._spec = spec_of(self._store, clients, rounds, edge.address, [one.address for one in self._authorities])
        self._bank = chain.ledger(chain.bank)
        self._closing.callback(self._bank.close)
        self._phones = list(made(clients, source.draw("phones", 32), TASK, AUTHORITIES, THRESHOLD))
        given = dealt(clients, int.from_bytes(source.draw("data", 8)))
        self._households = Households(MODEL, given.inputs, given.labels)
        self._read = TaskReader(self._store, TASK, (Kind.SPEC, Kind.PLAN, Kind.BATCH))  # of all phones
        self._follower = EventFollower(self._bank, TASK, Event)

    def close(self) -> None:
        self._closing.close()

    def play(self) -> CrowdReport:
        self._enrol(self.report.enrolment)
        for number in range(1, self._spec.rounds + 1):
            stopwatch = Stopwatch()
            self._round(number, stopwatch)
            self.report.played.append(stopwatch)
        self._audit()
        return self.report

    # enrolment

    def _enrol(self, stopwatch: Stopwatch) -> None:
        with stopwatch.phase("post"):
            self._tell("post the task", 0, 0)
            self._bank.post_task(terms_of(self._spec), self._spec.budget())
            for party in (self._edge.address, *(one.address for one in self._authorities)):
                self._bank.transfer(party, FUNDS_WEI)
            self._until(self._is_keyed)
        with stopwatch.phase("seal"):
            signed = self._sealed()
        with stopwatch.phase("ledger"):
            for first in range(0, len(signed), AT_ONCE):
                self.report.gas += self._bank.enrol(signed[first : first + AT_ONCE]).gas_used
                self._tell("enrol", min(first + AT_ONCE, len(signed)), len(signed))
        with stopwatch.phase("authorities"):
            self._tell("show envelopes to the key authorities", 0, 0)
            for authority in self._authorities:
                authority.look()
            self._until(lambda state: len(state.rosters.get(0, {})) == len(self._authorities))

    def _is_keyed(self, _: TaskState) -> bool:
        try:
            self._server.desk(TASK).window_keys(0)
        except HearthError:
            return False
        return True

    def _sealed(self) -> list[SignedEnrolment]:
        members, domain = self._spec.committee.members, self._chain.domain
        recipients = check_window_keys(self._server.desk(TASK).window_keys(0), domain, TASK, 0, members)
        posted = there_is(self._look().posted)
        until, signed = (posted.claim_until, posted.task_until), list[SignedEnrolment]()
        for phone in self._phones:
            signed.append(phone.enrolment(self._spec, domain, TASK, recipients, self._store, until, posted.terms.spec))
            self._tell("seal envelopes", len(signed), len(self._phones))
        return signed

    # rounds

    def _round(self, number: int, stopwatch: Stopwatch) -> None:
        with self._phase(number, "open", stopwatch):
            self._until(lambda state: len(state.rounds) == number and isinstance(state.plan(number), RoundPlan))
        with stopwatch.phase("check"):
            scheme = self._checked(number)
        committed = self._committed(number, scheme, stopwatch)
        with stopwatch.phase("submit"):
            self._submit(number, committed)
        with self._phase(number, "batch", stopwatch):
            self._until(lambda state: state.rounds[number - 1].batched is not None)
        with self._phase(number, "proofs", stopwatch):
            self._check_inclusion(number, committed)
        with self._phase(number, "verify and add", stopwatch):
            self._until(lambda state: state.rounds[number - 1].requested is not None)
        with self._phase(number, "key, decrypt, publish", stopwatch):
            self._until(lambda state: not state.rounds[number - 1].running)
        ended = self._server.state(TASK).rounds[number - 1].ended
        if not isinstance(ended, RoundPublished):
            raise CrowdFailedError(f"round {number} ended without a model")
        self.report.model = to_hex(ended.model)
        self.report.accuracy.append(round(ended.correct / ended.examples, 4))

    @contextmanager
    def _phase(self, number: int, name: str, stopwatch: Stopwatch) -> Iterator[None]:
        self._tell(f"round {number}: {name}", 0, 0)
        with stopwatch.phase(name):
            yield

    def _checked(self, number: int) -> RoundScheme:
        """What every phone checks before it trains, and that all of them are planned."""
        state, domain = self._look(), self._chain.domain
        announced = self._server.desk(TASK).next_round(number - 1)
        statement = there_is(there_is(announced).statement)
        verify(domain, statement.statement, statement.signature, self._edge.address, Party.EDGE_SERVER)
        plan = there(state.plan(number))
        check_plan(plan, self._spec, domain, TASK, number)
        check_on_chain(plan, state.rounds[number - 1])
        check_rostered(state, self._spec, plan)
        if [entry.client for entry in plan.weights] != sorted(phone.address for phone in self._phones):
            raise CrowdFailedError(f"{len(plan.weights)} of {len(self._phones)} phones are planned in round {number}")
        scheme = RoundScheme.of(plan, self._spec.committee)
        if statement.statement.label != scheme.label:
            raise CrowdFailedError("the server's word is for another plan")
        return scheme

    def _committed(self, number: int, scheme: RoundScheme, stopwatch: Stopwatch) -> list[SignedCommitment]:
        layout, sent = Layout.published(self._spec), choose_index_set(self._spec, number)
        self.report.sent = len(sent.indices)
        before = layout.decode(get_document(self._store, scheme.plan.model, layout.max_bytes))
        training = BatchedTraining(before.parameters, scheme.plan.learning, sent, scheme.label.hex())
        updates = self._households.updates(training, [phone.randomness for phone in self._phones])
        committed = list[SignedCommitment]()
        while len(committed) < len(self._phones):
            with stopwatch.phase("train"):
                rows = next(updates)
            phones = self._phones[len(committed) : len(committed) + len(rows)]
            with stopwatch.phase("encrypt"):
                bodies = [phone.sealed(scheme, row) for phone, row in zip(phones, rows, strict=True)]
            with stopwatch.phase("store and sign"):
                pairs = zip(phones, bodies, strict=True)
                committed += [phone.committed(scheme, *sealed, self._store) for phone, sealed in pairs]
            self._tell(f"round {number}: train, encrypt, sign", len(committed), len(self._phones))
        return committed

    def _submit(self, number: int, committed: Sequence[SignedCommitment]) -> None:
        desk, server = self._server.desk(TASK), self._edge.address
        for count, signed in enumerate(committed, start=1):
            check_receipt(self._chain.domain, signed, desk.submit(number, submission_of(signed)), server)
            self._tell(f"round {number}: submit", count, len(committed))

    def _check_inclusion(self, number: int, committed: Sequence[SignedCommitment]) -> None:
        state = self._look()
        proofs, root = BatchProofs(there(state.batch(number))), there_is(state.rounds[number - 1].batched).root
        for signed in committed:
            verify_inclusion(root, signed, proofs.of(signed.commitment.client))

    # chain

    def _look(self) -> TaskState:
        """What the phones see: one reader for all of them."""
        self._follower.refresh()
        self._read.follow(self._follower.events)
        self._read.fetch(self._follower.now)
        return self._read.state

    def _until(self, done: Callable[[TaskState], bool]) -> None:
        """Steps the server, and the authorities where it waits; moves the clock on where nobody has anything to do.

        Raises CrowdFailedError when nothing will happen any more."""
        jumps = 0
        while not (self._hosted() and done(self._server.state(TASK))):
            if self._server.step(TASK):
                continue
            self._post_rosters()
            if self._server.step(TASK):
                continue
            self._chain.pass_time(1)  # the clock of an authority may be a second behind the server's
            self._post_rosters()
            if not self._server.step(TASK):
                wait, jumps = self._server.driver.next_due() - self._server.driver.now, jumps + 1
                if wait > LONGEST_JUMP or jumps > MOST_JUMPS:
                    raise CrowdFailedError("nobody has anything to do any more")
                self._chain.pass_time(max(1, wait))

    def _post_rosters(self) -> None:
        for authority in self._authorities:
            authority.look()
            authority.post_rosters()

    def _hosted(self) -> bool:
        tasks = self._server.driver.tasks()
        return tasks is not None and TASK in tasks

    # audit

    def _audit(self) -> None:
        node = self._chain.node
        endpoint = Endpoint(node, self._chain.domain, block=there_is(Node(node).block("latest")).hash)
        with self.report.auditing.phase("audit"):
            report = audit_endpoint(endpoint, self._store, TASK, tell=lambda what: self._tell(f"audit: {what}", 0, 0))
        self.report.audit = {
            "verdict": str(report.status),
            "checks": len(report.lines),
            "failed": report.count(Status.FAIL),
            "unknown": report.count(Status.UNKNOWN),
            "not_passed": [str(line) for line in report.lines if line.status is not Status.PASS],
        }


def there_is(found: T | None) -> T:
    """Raises CrowdFailedError."""
    if found is None:
        raise CrowdFailedError("something is not there that must be")
    return found
