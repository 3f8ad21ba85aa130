"""A coordinator on a real chain with the real contract; phones and key authorities are played in this process."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, cast

import numpy as np

from backend.rounds.committee_client import CommitteeClient, Word
from backend.rounds.coordinator import Coordinator
from backend.rounds.desk import Desk
from backend.rounds.history import TaskHistory
from backend.rounds.journal import EdgeJournal
from protocol.canonical import encode
from protocol.content.cid import cid_of
from protocol.encryption.committee import authority_share, draw_master_keys
from protocol.identifiers import Address
from protocol.messages.keys import PartialKeyAnswer, PartialKeyStatement, PlannedKeyRequest, SignedPartialKey
from protocol.messages.submission import Enrolment, SignedCommitment, SignedEnrolment, Submission
from protocol.messages.task import CohortTerms, Committee, CommitteeMember
from protocol.model.dataset import encode_labelled
from protocol.model.layout import Layout
from protocol.randomness import SeededRandomness
from protocol.round.commitments import commitment_of
from protocol.round.planning import terms_of
from protocol.round.scheme import RoundScheme
from protocol.round.sealing import commit_to
from storage.content.memory import MemoryStore
from storage.ledger.signer import Signer
from storage.records.journal import Journal
from tests.ports.chains import RunningChain
from tests.samples import private_key, sample_spec

PATIENCE_SECONDS = 60
FLAT = sample_spec().rewards.participation
FIRST_GAIN = (
    80  # 401 / 2 * 2 / 5, rounded down: one right answer more of four is half the target gain; reputation 2 of 5
)

CLIENTS = sorted((Signer(private_key("client", number)) for number in range(3)), key=lambda signer: signer.address)


def _authority(j: int) -> Signer:
    return Signer(private_key("authority", j))


@cache
def keys_of(client: Address, m: int) -> dict[tuple[int, ...], bytes]:
    """For a 2-of-m committee."""
    return draw_master_keys(SeededRandomness(client), m, 2, "keys")


@dataclass
class PlayedCommittee:
    """Answers as the key authorities would; ``answering`` are those that are up."""

    domain: Any
    m: int = 3
    answering: set[int] = field(default_factory=lambda: {1, 2, 3})
    lying: set[int] = field(default_factory=set)
    refusing: dict[int, set[Address]] = field(default_factory=dict)
    away: bool = False  # nobody is shown an envelope

    def show_task(self, *_: object) -> set[Address]:
        return set()

    def show_envelopes(self, _: int, __: Committee, missing: Any) -> dict[Address, Word]:
        missing = {} if self.away else missing
        refused = {_authority(j).address: clients for j, clients in self.refusing.items()}
        return {
            authority: Word(set(clients) - refused.get(authority, set()), set(clients) & refused.get(authority, set()))
            for authority, clients in missing.items()
        }

    def partial_keys(self, committee: Committee, shown: PlannedKeyRequest) -> dict[Address, PartialKeyAnswer]:
        return {_authority(j).address: self._answer(j, committee, shown) for j in sorted(self.answering)}

    def _answer(self, j: int, committee: Committee, shown: PlannedKeyRequest) -> PartialKeyAnswer:
        plan, signer = shown.plan, _authority(j)
        entries = [(authority_share(keys_of(e.client, self.m), j), e.nonce, e.weight) for e in shown.request.entries]
        residues = RoundScheme.of(plan, committee).partial_key(j, entries)
        if j in self.lying:
            residues = bytes([residues[0] ^ 1]) + residues[1:]
        statement = PartialKeyStatement(
            plan.task, plan.round, plan.label(), shown.request.digest(), signer.address, 0, cid_of(residues).digest
        )
        return PartialKeyAnswer(SignedPartialKey(statement, signer.sign(self.domain, statement)), residues)


class Scene:
    """A posted task of two rounds; ``start`` and ``crash`` may be called again and again."""

    def __init__(
        self, chain: RunningChain, folder: Path, authorities: int = 3, substitutes: tuple[Address, ...] = ()
    ) -> None:
        self.chain, self.folder, self.store = chain, folder, MemoryStore()
        self.signer, manufacturer = Signer(private_key("edge")), Signer(private_key("manufacturer"))
        self.address = address = chain.deploy()
        for party in (self.signer.address, manufacturer.address, *substitutes):
            chain.fund(address, party)
        self.ledger = chain.ledger(address, self.signer)
        spec = sample_spec(rounds=2)
        layout = Layout.of(spec.model)
        parameters = np.zeros(layout.dimension, dtype=np.float32)
        layout.tensors(parameters)["0.bias"][1] = 1e-6  # says class 1, and class 0 after any published round
        initial = self.store.put(layout.to_safetensors(parameters)).digest
        images = np.arange(24, dtype=np.uint8).reshape(4, 6)
        test_set = self.store.put(encode_labelled(images, np.array([0, 1, 2, 0], dtype=np.uint8))).digest
        members = [CommitteeMember(_authority(j).address, bytes([j]) * 1216) for j in range(1, authorities + 1)]
        self.spec = sample_spec(
            rounds=2,
            initial_model=initial,
            test_set=test_set,
            cohort=CohortTerms(2, 3, 700_000),
            committee=Committee(2, tuple(members)),
            edge_substitutes=substitutes,
            durations=replace(sample_spec().durations, takeover_seconds=100),
        )
        self.store.put(encode(self.spec))
        poster = chain.ledger(address, manufacturer)
        poster.post_task(terms_of(self.spec), self.spec.budget())
        poster.close()
        self.committee = PlayedCommittee(self.ledger.domain, authorities)

    def start(self) -> None:
        self.stop, self.journal = threading.Event(), EdgeJournal(Journal(self.folder / "journal"))
        self.history = TaskHistory(self.ledger, self.store, 1)
        self.desk = Desk(self.ledger.domain, self.signer, self.history, self.journal, frozenset())
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

    def commitment(self, number: int, round_number: int) -> SignedCommitment:
        return commitment_of(self.history.rounds[round_number].plan, self.submission(number, round_number))

    def submission(self, number: int, round_number: int) -> Submission:
        """Every client sends a one in its own coordinate, so a lost or doubled update shows in the sum."""
        facts, signer = self.history.rounds[round_number], CLIENTS[number]
        scheme = RoundScheme.of(facts.plan, self.spec.committee)
        values = np.zeros(facts.plan.dimension, dtype=np.int64)
        values[number] = 1
        nonce = bytes([round_number, number]) * 8
        body = scheme.encrypt(keys_of(signer.address, scheme.m), nonce, values, bytes(32))
        self.store.put(body, scheme.block_bytes)
        signed = commit_to(scheme, signer.address, nonce, body, signer.sign)
        return Submission(signer.address, nonce, signed.commitment.ciphertext, signed.signature)

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
        return {e.client: e.cumulative for e in allocation.entitlements if allocation.round}
