"""Edge servers on the contract's rules in Python, stepped by hand; phones and key authorities are played."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np

from backend.bonds import BondKeeper
from backend.rounds.committee_client import CommitteeClient
from backend.rounds.desk import Desk
from backend.rounds.driver import Driver
from backend.rounds.hosted_task import HostedTask
from backend.rounds.inbox import Inbox
from backend.rounds.journal import EdgeJournal
from backend.rounds.performer import Performer
from backend.rounds.task_leases import TaskLeases
from protocol.canonical import encode
from protocol.identifiers import Address
from protocol.messages.chain import TaskPosted
from protocol.messages.keys import SUM, SignedSighting
from protocol.messages.rosters import runs_of
from protocol.messages.round import RoundPlan
from protocol.messages.settlement import Allocation, RoundRecord
from protocol.messages.submission import SignedCommitment, SignedEnrolment, Submission
from protocol.messages.task import CohortTerms, Committee
from protocol.model.dataset import encode_labelled
from protocol.model.layout import Layout
from protocol.round.commitments import commitment_of
from protocol.round.planning import terms_of
from protocol.round.scheme import RoundScheme
from protocol.round.sealing import commit_to
from protocol.round.sightings import sighting
from protocol.round.windows import enrolment_window, first_round
from protocol.sparse.codec import decode_sums
from protocol.task.acting import rosters_until
from protocol.task.documents import Kind, Present
from protocol.task.ending import is_over
from protocol.task.fold import fold
from protocol.task.past import allocation_before
from protocol.task.round_facts import RoundFacts
from protocol.task.state import TaskState
from storage.content.interface import get_document
from storage.content.memory import MemoryStore
from storage.ledger.polling import Polling
from storage.ledger.proofs import two_sightings
from storage.ledger.signer import Signer
from storage.records.memory import MemoryRecords
from storage.task_reader import TaskReader
from tests.ports.reference_chain import DOMAIN, ReferenceChain
from tests.samples import private_key, sample_spec
from tests.unit.backend.enrolments import signed_enrolment
from tests.unit.backend.rounds.scene_committee import CLIENTS, LATE, PlayedCommittee, authority, keys_of

STEPS = 5_000
MAX_BOND = 100_000  # that a server places by itself
FLAT = sample_spec().rewards.participation
FIRST_GAIN = (
    80  # 401 / 2 * 2 / 5, rounded down: one right answer more of four is half the target gain; reputation 2 of 5
)


class Server:
    """An edge server without threads: :meth:`until` steps it. ``start`` and ``crash`` may be called again and again."""

    scene: Scene

    def __init__(self, chain: ReferenceChain, signer: Signer, store: MemoryStore, committee: PlayedCommittee) -> None:
        self.chain, self.signer, self.store, self.committee = chain, signer, store, committee
        self.ledger = chain.ledger(DOMAIN.ledger, signer)
        self.records = MemoryRecords(), MemoryRecords()
        self.censored = frozenset[Address]()
        self.process: str | None = None  # its name, where another one shares the records
        self.running = False

    def start(self, older: bool = False) -> None:
        """``older``: its machine, or its operator, says that its records are an older copy."""
        self.journal, self.inbox = EdgeJournal(self.records[0]), Inbox(self.records[1])
        leases = None if self.process is None else TaskLeases(self.records[0], self.process)
        polling, forget = Polling(self.ledger, 0.01), self._forget if older else None
        self.driver = Driver(self.ledger, self.inbox, self._host, polling, leases=leases, forget=forget)
        self.running = True
        self.step()

    def crash(self) -> None:
        """What it kept in memory is gone."""
        self.running = False

    def _forget(self, opened: Mapping[int, int]) -> None:
        for task, rounds in opened.items():
            self.journal.forget(task, rounds)

    def _host(self, posted: TaskPosted) -> HostedTask:
        reader, committee = TaskReader(self.store, posted.task, list(Kind)), cast(CommitteeClient, self.committee)
        performer = Performer(self.ledger, self.store, self.journal, committee, reader, lambda _: None, self.censored)
        desk = Desk(
            DOMAIN,
            self.signer,
            posted.task,
            self.journal,
            self.inbox,
            self.censored,
            self.driver.wake,
            performer.seconds,
            self.driver.deep,
            performer.endorsing.endorsements,
        )
        return HostedTask(posted, self.ledger, performer, desk, BondKeeper(self.ledger, MAX_BOND))

    def step(self) -> bool:
        """Looks at the chain, moves every task that is due, relays what waits. False when nothing was due."""
        self.driver.look()
        self.driver.take_over()
        due = self.driver.due()
        for task in due:
            self.driver.step(task)
        self.driver.look()
        self.driver.relay()
        return bool(due)

    @property
    def desk(self) -> Desk:
        return self.driver.desk(1)

    @property
    def state(self) -> TaskState:
        return self.driver.state(1)

    def facts(self, number: int) -> RoundFacts:
        return self.state.rounds[number - 1]

    def last_batch(self, number: int) -> int:
        """The last instant at which the round takes one."""
        return self.facts(number).opened.commit_until - self.scene.spec.durations.objection_seconds

    def plan(self, number: int) -> RoundPlan:
        plan = self.state.plan(number)
        assert isinstance(plan, RoundPlan)
        return plan

    def record(self, number: int) -> RoundRecord:
        record = self.state.record(number)
        assert isinstance(record, RoundRecord)
        return record

    def sums(self, number: int) -> list[int]:
        aggregate = self.state.aggregate(number)
        assert isinstance(aggregate, Present)
        count = self.plan(number).dimension
        return [int(value) for value in decode_sums(get_document(self.store, aggregate.digest, 8 * count), count)]

    def enrol(self, signers: Sequence[Signer] = CLIENTS) -> None:
        for signer in signers:
            self.desk.enrol(self.signed_enrolment(signer))

    def signed_enrolment(self, signer: Signer) -> SignedEnrolment:
        envelope = self.store.put(b"envelope of " + signer.address).digest
        return signed_enrolment(DOMAIN, self.ledger.task(1), signer, envelope)

    def commitment(self, number: int, round_number: int) -> SignedCommitment:
        return commitment_of(self.plan(round_number), self.submission(number, round_number))

    def submission(self, number: int, round_number: int) -> Submission:
        """Every client sends a one in its own coordinate, so a lost or doubled update shows in the sum."""
        plan, signer = self.plan(round_number), [*CLIENTS, LATE][number]
        scheme = RoundScheme.of(plan, self.scene.spec.committee)
        keys_under = signer.address if number not in self.scene.nonsense else b"somebody else's keys"
        values = np.zeros(plan.dimension, dtype=np.int64)
        values[number] = 1
        nonce = bytes([round_number, number]) * 8
        body = scheme.encrypt(keys_of(keys_under, scheme.m), nonce, values, bytes(32))
        self.store.put(body, scheme.block_bytes)
        signed = commit_to(scheme, signer.address, nonce, body, signer.sign)
        return Submission(signer.address, nonce, signed.commitment.ciphertext, signed.signature)

    def announced(self, number: int) -> None:
        self.scene.until(lambda: (found := self.desk.next_round(number - 1)) and found.round == number)

    def submit(self, round_number: int, numbers: tuple[int, ...] = (0, 1, 2)) -> None:
        self.announced(round_number)
        for number in numbers:
            self.desk.submit(round_number, self.submission(number, round_number))

    def ended(self, kind: type, round_number: int) -> None:
        self.scene.until(lambda: isinstance(self.ended_as(round_number), kind))
        self.chain.pass_time(self.scene.spec.durations.dispute_seconds)  # or the next one could not be settled

    def ended_as(self, round_number: int) -> object:
        facts = self.state.round(round_number)
        return facts and (facts.frozen or facts.ended)

    def owed(self) -> dict[Address, int]:
        """To clients, as the last allocation says; nobody when there is none."""
        return {holder: amount for holder, amount in self._owed().items() if holder in self.state.enrolled}

    def fees(self) -> dict[Address, int]:
        """To everybody else."""
        return {holder: amount for holder, amount in self._owed().items() if holder not in self.state.enrolled}

    def _owed(self) -> dict[Address, int]:
        allocation = allocation_before(self.state, len(self.state.rounds) + 1)
        assert isinstance(allocation, Allocation)
        return {entry.client: entry.cumulative for entry in allocation.entitlements if allocation.round}


class Scene(Server):
    """The first server of a posted task of two rounds; time passes only where nothing else is to be done."""

    def __init__(
        self, authorities: int = 3, substitutes: tuple[Address, ...] = (), corrupt: int = 0, **changes: Any
    ) -> None:
        chain, signer, store = ReferenceChain(), Signer(private_key("edge")), MemoryStore()
        super().__init__(chain, signer, store, PlayedCommittee(DOMAIN, authorities))
        manufacturer = Signer(private_key("manufacturer"))
        for party in (signer.address, manufacturer.address, *substitutes):
            chain.fund(DOMAIN.ledger, party)
        spec = sample_spec(rounds=2)
        layout = Layout.of(spec.model)
        parameters = np.zeros(layout.dimension, dtype=np.float32)
        layout.tensors(parameters)["0.bias"][1] = 1e-6  # says class 1, and class 0 after any published round
        initial = self.store.put(layout.to_safetensors(parameters)).digest
        images = np.arange(24, dtype=np.uint8).reshape(4, 6)
        test_set = self.store.put(encode_labelled(images, np.array([0, 1, 2, 0], dtype=np.uint8))).digest
        members = [authority(j).address for j in range(1, authorities + 1)]
        usual: dict[str, Any] = {
            "cohort": CohortTerms(2, 3, 3, 700_000),
            "durations": replace(spec.durations, takeover_seconds=100),
        }
        self.spec = replace(
            spec,
            initial_model=initial,
            test_set=test_set,
            committee=Committee(2, tuple(members), corrupt),
            edge_substitutes=substitutes,
            **(usual | changes),
        )
        self.nonsense = set[int]()  # clients whose ciphertexts are well formed, and open to nothing
        self.store.put(encode(self.spec))
        self.bank = chain.ledger(DOMAIN.ledger, manufacturer)
        self.bank.post_task(terms_of(self.spec), self.spec.budget())
        self.scene, self.others = self, list[Server]()

    def until(self, holds: Callable[[], object]) -> None:
        """Steps every server that runs; a second passes when none of them has anything to do."""
        for _ in range(STEPS):
            if holds():
                return
            worked = [server.step() for server in (self, *self.others) if server.running]
            if not any(worked) and not self._post_rosters():
                self.chain.pass_time(1)
        raise AssertionError("nothing happened")

    def _post_rosters(self) -> bool:
        """Of the authorities that answer, whose envelopes they were shown; False when none was due."""
        state, length = fold(1, self.ledger.events(1)), self.spec.cohort.roster_rounds
        window, opened = enrolment_window(len(state.rounds), length), len(state.rounds)
        early = state.current is not None or (not opened and self.ledger.now() <= state.enrol_until)
        late = self.ledger.now() > rosters_until(state) or is_over(state, self.ledger.now())
        if early or late or first_round(window, length) != opened + 1 or self.committee.away or not state.enrolled:
            return False
        everybody = {authority(j).address: j for j in range(1, self.committee.m + 1)}
        waiting = everybody.keys() - state.rosters.get(window, {}).keys() - state.dismissed
        for j in sorted(everybody[member] for member in waiting):
            clients, refused = tuple(state.enrolled), self.committee.refusing.get(j, set())
            held, wrong = runs_of(clients, set(clients) - refused), runs_of(clients, refused)
            self.chain.ledger(DOMAIN.ledger, authority(j)).post_roster(1, window, held, wrong)
        return bool(waiting)

    def convict(self, j: int) -> None:
        """Authority ``j`` said that it saw two requests under one label."""
        said = [sighting(1, 1, SUM, bytes(32), bytes([seen]) * 32, authority(j).address) for seen in (1, 2)]
        one, other = (SignedSighting(word, authority(j).sign(DOMAIN, word)) for word in said)
        self.bank.dispute(two_sightings(one, other))

    def pass_time_to(self, instant: int) -> None:
        """Block time."""
        self.chain.pass_time(max(0, instant - self.ledger.now()))
