"""``protocol/round/reference.py`` and the processes agree bit for bit."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from client_agent.data.loader import FileLoader
from client_agent.privacy.held_out import HOUSEHOLD_SECRET, Coins
from client_agent.training.trainers import HouseholdTrainer
from protocol.canonical import decode
from protocol.content.cid import CHUNK_BYTES, cid_of
from protocol.encryption.committee import draw_master_keys
from protocol.identifiers import ZERO_DIGEST, sha256
from protocol.incentives.rewards import first_allocation
from protocol.messages.chain import BatchCommitted, Enrolled, RoundOpened, RoundPublished
from protocol.messages.settlement import MAX_RECORD_BYTES, RoundRecord
from protocol.messages.submission import MAX_BATCH_BYTES, CommitmentBatch
from protocol.messages.task import MAX_SPEC_BYTES, TaskSpec
from protocol.model.dataset import MAX_DATASET_BYTES, decode_labelled
from protocol.model.evaluation import count_correct
from protocol.model.layout import Layout
from protocol.randomness import SeededRandomness
from protocol.round.reference import FinishedRound, Household, run_round
from scripts.demonstration.stage import AUTHORITIES
from storage.content.interface import get_document
from storage.ledger.keystore import load_keystore, read_password
from tests.e2e.conftest import CLIENTS, ROUNDS, KeptDemo

TASK = 1


def test_reference_round_equals_the_processes(kept_demo: KeptDemo) -> None:
    reader, store = kept_demo.reader, kept_demo.store
    events = reader.events()
    spec_bytes = get_document(store, reader.task(TASK).spec, MAX_SPEC_BYTES)
    spec = decode(TaskSpec, spec_bytes, MAX_SPEC_BYTES)
    authorities = {j: _private_key(kept_demo.folder / f"authority-{j}") for j in range(1, AUTHORITIES + 1)}
    households = [_household(kept_demo.folder / f"client-{number:02d}", spec) for number in range(CLIENTS)]
    enrolled = {event.client: event.reputation for event in events if isinstance(event, Enrolled)}
    model, label, allocation = spec.initial_model, ZERO_DIGEST, first_allocation(TASK, enrolled)
    layout = Layout.of(spec.model)
    trained = layout.decode(get_document(store, spec.initial_model, layout.max_bytes))
    test_set = decode_labelled(get_document(store, spec.test_set, MAX_DATASET_BYTES))
    best = count_correct(spec.model, trained.parameters, *test_set)
    rounds = list[FinishedRound]()
    for number in range(1, ROUNDS + 1):
        finished = run_round(
            spec, reader.domain, TASK, number, trained, model, label, allocation, households, authorities, test_set,
            best, rounds, _digest,
        )  # fmt: skip
        opened = next(e for e in events if isinstance(e, RoundOpened) and e.round == number)
        published = next(e for e in events if isinstance(e, RoundPublished) and e.round == number)
        batched = next(e for e in events if isinstance(e, BatchCommitted) and e.round == number)
        record = decode(RoundRecord, get_document(store, published.record, MAX_RECORD_BYTES), MAX_RECORD_BYTES)
        batch = decode(CommitmentBatch, get_document(store, batched.batch, MAX_BATCH_BYTES), MAX_BATCH_BYTES)
        assert finished.plan.label() == opened.label
        assert finished.request is not None
        ours = {entry.client: (entry.nonce, entry.ciphertext, entry.signature) for entry in finished.request.entries}
        for signed in batch.commitments:
            commitment = signed.commitment
            assert ours[commitment.client] == (commitment.nonce, commitment.ciphertext, signed.signature)
        assert finished.settlement.record == record, "who answered, verdict, sums, model, charge: all of it"
        said = finished.settlement.publication
        assert said is not None and said.record == published.record
        assert (said.model, said.allocation_root) == (published.model, published.allocation_root)
        assert (said.correct, said.allocated) == (published.correct, published.allocated)
        assert np.any(finished.trained.parameters != trained.parameters)
        rounds.append(finished)
        trained, model, label = finished.trained, said.model, finished.plan.label()
        allocation = finished.settlement.allocation
        best = max(best, published.correct)


def _household(folder: Path, spec: TaskSpec) -> Household:
    """What the phone in ``folder`` held, made again from its seed and data."""
    randomness = SeededRandomness((folder / "seed").read_bytes())
    m, t = len(spec.committee.members), spec.committee.threshold
    return Household(
        private_key=_private_key(folder),
        master_keys=draw_master_keys(randomness, m, t, f"task/{TASK}/enrolment"),
        trainer=HouseholdTrainer(
            spec.model,
            FileLoader(folder / "household.safetensors", 2**30),
            spec.schedule.max_examples,
            print,
            Coins(partial(randomness.draw, *HOUSEHOLD_SECRET)),
        ),
        randomness=randomness,
    )


def _private_key(folder: Path) -> bytes:
    return load_keystore(folder / "keystore.json", read_password(folder / "password"))


def _digest(data: bytes, chunk_bytes: int | None = None) -> bytes:
    return cid_of(data, chunk_bytes or CHUNK_BYTES).digest


def test_the_digest_of_a_small_object_is_its_sha256() -> None:
    assert _digest(b"hearth") == sha256(b"hearth")
