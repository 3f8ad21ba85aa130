"""The coordinator on a real chain with the real contract; phones and key authorities are played in this process."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from backend.rounds.committee_client import CommitteeClient
from backend.rounds.coordinator import Coordinator
from backend.rounds.desk import Desk
from backend.rounds.history import TaskHistory
from backend.rounds.journal import EdgeJournal
from protocol.canonical import encode
from protocol.encryption.committee import authority_share, draw_master_keys
from protocol.encryption.suite import suite
from protocol.identifiers import Address
from protocol.messages.chain import RoundAbandoned, RoundExpired, RoundPublished
from protocol.messages.keys import PartialKeyAnswer, PartialKeyStatement, PlannedKeyRequest, SignedPartialKey
from protocol.messages.submission import Commitment, Enrolment, SignedEnrolment, Submission
from protocol.messages.task import Committee
from protocol.model.dataset import encode_labelled
from protocol.model.layout import Layout
from protocol.planning import terms_of
from protocol.randomness import SeededRandomness
from storage.content.cid import cid_of
from storage.content.memory import MemoryStore
from storage.ledger.signer import Signer
from tests.ports.chains import RunningChain, running_chain
from tests.samples import private_key, sample_spec

PATIENCE_SECONDS = 60
CLIENTS = sorted((Signer(private_key("client", number)) for number in range(3)), key=lambda signer: signer.address)
KEYS = {s.address: draw_master_keys(SeededRandomness(s.address), 3, 2, "keys") for s in CLIENTS}


@dataclass
class PlayedCommittee:
    """Answers as the key authorities would; ``answering`` are those that are up."""

    domain: Any
    answering: set[int] = field(default_factory=lambda: {1, 2, 3})

    def show_task(self, *_: object) -> set[Address]:
        return set()

    def show_envelopes(self, _: int, __: Committee, missing: Any) -> dict[Address, set[Address]]:
        return {authority: set(clients) for authority, clients in missing.items()}

    def partial_keys(self, _: Committee, shown: PlannedKeyRequest) -> dict[Address, PartialKeyAnswer]:
        return {Signer(private_key("authority", j)).address: self._answer(j, shown) for j in sorted(self.answering)}

    def _answer(self, j: int, shown: PlannedKeyRequest) -> PartialKeyAnswer:
        plan, signer = shown.plan, Signer(private_key("authority", j))
        entries = [(authority_share(KEYS[e.client], j), e.nonce, e.weight) for e in shown.request.entries]
        residues = suite(plan.suite).partial_key(j, 3, 2, plan.label(), entries)
        statement = PartialKeyStatement(
            plan.task, plan.round, plan.label(), shown.request.digest(), signer.address, 0, cid_of(residues).digest
        )
        return PartialKeyAnswer(SignedPartialKey(statement, signer.sign(self.domain, statement)), residues)


class Scene:
    """A posted task of two rounds; ``start`` and ``crash`` may be called again and again."""

    def __init__(self, chain: RunningChain, folder: Path) -> None:
        self.chain, self.folder, self.store = chain, folder, MemoryStore()
        edge, manufacturer = Signer(private_key("edge")), Signer(private_key("manufacturer"))
        address = chain.deploy()
        for signer in (edge, manufacturer):
            chain.fund(address, signer.address)
        self.ledger = chain.ledger(address, edge)
        spec = sample_spec(rounds=2)
        layout = Layout.of(spec.model)
        initial = self.store.put(layout.to_safetensors(np.zeros(layout.dimension, dtype=np.float32))).digest
        images = np.arange(24, dtype=np.uint8).reshape(4, 6)
        test_set = self.store.put(encode_labelled(images, np.array([0, 1, 2, 0], dtype=np.uint8))).digest
        cohort = spec.cohort
        self.spec = sample_spec(rounds=2, initial_model=initial, test_set=test_set, cohort=type(cohort)(2, 3, 700_000))
        self.store.put(encode(self.spec))
        poster = chain.ledger(address, manufacturer)
        poster.post_task(terms_of(self.spec), self.spec.budget_wei())
        poster.close()
        self.committee = PlayedCommittee(self.ledger.domain)

    def start(self) -> None:
        self.stop, self.journal = threading.Event(), EdgeJournal(self.folder)
        self.history = TaskHistory(self.ledger, self.store, 1)
        self.desk = Desk(self.ledger.domain, self.history, self.journal, frozenset())
        committee = cast(CommitteeClient, self.committee)
        coordinator = Coordinator(
            self.ledger, self.store, self.journal, committee, self.history, self.desk, self.stop, 0.01
        )
        self.thread = threading.Thread(target=coordinator.run, daemon=True)
        self.thread.start()

    def crash(self) -> None:
        self.stop.set()
        self.thread.join()
        self.journal.close()

    def until(self, holds: Callable[[], object]) -> None:
        pause = threading.Event()
        for _ in range(PATIENCE_SECONDS * 100):
            if holds():
                return
            pause.wait(0.01)
        raise AssertionError("nothing happened")

    def enrol(self) -> None:
        for signer in CLIENTS:
            enrolment = Enrolment(1, signer.address, self.store.put(b"envelope of " + signer.address).digest)
            self.desk.enrol(SignedEnrolment(enrolment, signer.sign(self.ledger.domain, enrolment)))

    def submission(self, number: int, round_number: int) -> Submission:
        """Every client sends a one in its own coordinate, so a lost or doubled update shows in the sum."""
        facts, signer = self.history.rounds[round_number], CLIENTS[number]
        plan, scheme = facts.plan, suite(self.spec.suite)
        values = np.zeros(plan.dimension, dtype=np.int64)
        values[number] = 1
        encoding = scheme.encoding_for(plan.learning.bits, plan.learning.fields)
        nonce = bytes([round_number, number]) * 8
        body = scheme.encrypt(KEYS[signer.address], plan.label(), nonce, values, encoding, bytes(32))
        digest = self.store.put(body, scheme.block_bytes).digest
        commitment = Commitment(1, round_number, signer.address, plan.label(), nonce, digest)
        return Submission(signer.address, nonce, digest, signer.sign(self.ledger.domain, commitment))

    def announced(self, number: int) -> None:
        self.until(lambda: (found := self.desk.next_round(number - 1)) and found.round == number)

    def submit(self, round_number: int, numbers: tuple[int, ...] = (0, 1, 2)) -> None:
        self.announced(round_number)
        for number in numbers:
            self.desk.submit(round_number, self.submission(number, round_number))

    def ended(self, kind: type, round_number: int) -> None:
        self.until(lambda: isinstance(self.ended_as(round_number), kind))
        self.chain.pass_time(self.spec.durations.dispute_seconds)  # or the next one could not be settled

    def ended_as(self, round_number: int) -> object:
        facts = self.history.rounds.get(round_number)
        return facts.ended if facts else None

    def owed(self) -> dict[Address, int]:
        """As the last allocation says; nobody when there is none."""
        ended = [number for number, facts in self.history.rounds.items() if facts.ended]
        _, allocation = self.history.before(len(ended) + 1)
        return {e.client: e.cumulative_wei for e in allocation.entitlements if allocation.round}


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    made = Scene(running_chain("memory"), tmp_path)
    made.start()
    made.enrol()
    yield made
    made.crash()
    made.ledger.close()


def test_two_rounds_and_the_claims(scene: Scene) -> None:
    for number in (1, 2):
        scene.submit(number)
        scene.ended(RoundPublished, number)
        weights = [entry.weight for entry in scene.history.rounds[number].plan.weights]
        published = scene.history.before(number + 1)[0].published
        assert published is not None
        assert published.sums[:3].tolist() == weights
        assert not published.sums[3:].any()
    scene.until(lambda: scene.desk.next_round(2))
    scene.desk.claim(CLIENTS[0].address)
    scene.until(lambda: scene.ledger.claimed_wei(1, CLIENTS[0].address) == 2 * 1_000)
    assert scene.owed() == {signer.address: 2_000 for signer in CLIENTS}


def test_too_few_deliver_and_those_who_did_are_paid(scene: Scene) -> None:
    scene.submit(1, (1,))
    scene.chain.pass_time(_until_commits_end(scene) - 4)
    scene.until(lambda: scene.history.rounds[1].batch)
    scene.chain.pass_time(4)
    scene.ended(RoundAbandoned, 1)
    assert scene.owed() == {signer.address: 1_000 * (signer is CLIENTS[1]) for signer in CLIENTS}
    scene.submit(2)
    scene.ended(RoundPublished, 2)


def test_a_committee_that_does_not_answer_costs_the_model_not_the_reward(scene: Scene) -> None:
    scene.committee.answering = {2}
    scene.submit(1)
    scene.until(lambda: scene.history.rounds[1].requested)
    scene.chain.pass_time(_until_commits_end(scene) + scene.spec.durations.settle_seconds - 4)
    scene.ended(RoundAbandoned, 1)
    assert scene.owed() == {signer.address: 1_000 for signer in CLIENTS}


def test_a_round_nobody_finished_in_time_expires(scene: Scene) -> None:
    scene.submit(1, (0, 1))
    scene.crash()
    scene.chain.pass_time(_until_commits_end(scene) + scene.spec.durations.settle_seconds + 1)
    scene.start()
    scene.ended(RoundExpired, 1)
    assert scene.owed() == {}
    scene.submit(2)
    scene.ended(RoundPublished, 2)


@pytest.mark.parametrize("submitted", [(), (0,), (0, 1)])
def test_a_restart_in_the_commit_phase_loses_no_submission(scene: Scene, submitted: tuple[int, ...]) -> None:
    scene.submit(1, submitted)
    scene.crash()
    scene.start()
    scene.submit(1, tuple({0, 1, 2} - set(submitted)))
    scene.ended(RoundPublished, 1)
    record = scene.history.rounds[1].record
    assert record is not None
    assert len(record.verdict.accepted) == 3


def test_a_restart_while_the_committee_is_asked(scene: Scene) -> None:
    scene.committee.answering = set()
    scene.submit(1)
    scene.until(lambda: scene.history.rounds[1].requested)
    scene.crash()
    scene.committee.answering = {1, 3}
    scene.start()
    scene.ended(RoundPublished, 1)
    published = scene.history.before(2)[0].published
    assert published is not None
    assert published.sums[:3].tolist() == [2, 2, 2]


def _until_commits_end(scene: Scene) -> int:
    """From now until just after the round's commit phase."""
    opened = scene.history.rounds[1].opened
    return opened.commit_until - scene.ledger.now() + 1
