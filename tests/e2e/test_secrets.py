"""Nothing secret leaves its owner: every byte on every wire and in every file is searched for canary values."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from backend.key_authority.windows import seeded
from client_agent.data.loader import FileLoader
from client_agent.privacy.held_out import HOUSEHOLD_SECRET, Coins
from client_agent.training.trainers import HouseholdTrainer
from protocol.canonical import decode
from protocol.encryption.committee import draw_master_keys, ratchet
from protocol.encryption.envelope import EncryptionKeyPair
from protocol.messages.chain import BatchCommitted, Event, RoundOpened
from protocol.messages.submission import MAX_BATCH_BYTES, CommitmentBatch, SignedCommitment
from protocol.messages.task import MAX_SPEC_BYTES, TaskSpec
from protocol.model.dataset import decode_labelled, encode_labelled
from protocol.model.layout import Layout
from protocol.randomness import Randomness, SeededRandomness
from protocol.round.planning import choose_index_set
from protocol.round.training import Assignment, Training
from protocol.round.update import prepare_update
from scripts.demonstration.stage import client_name
from scripts.launcher import module_command
from storage.content.interface import get_document
from tests.e2e.canaries import Canary, files_below, key_canary, sightings, vector_canaries
from tests.e2e.play import Play, play
from tests.e2e.recording_proxy import RecordingProxy

CLIENTS, ROUNDS, TASK = 5, 2, 1
CHANGED = 1  # the client whose sample count changes, or whose phone leaks


@dataclass
class Recorded:
    """A finished play with everything that went over a wire, by (role, server URL)."""

    task: Play
    wires: dict[tuple[str, str], RecordingProxy]
    spec: TaskSpec
    events: list[Event]

    def places(self) -> dict[str, bytes]:
        """All bytes by where they were seen."""
        seen = files_below(self.task.stage.root)
        for (role, url), proxy in self.wires.items():
            seen[f"wire {role} -> {self.server(url)}"] = b"\n".join(proxy.sent)
            seen[f"wire {role} <- {self.server(url)}"] = b"\n".join(proxy.received)
        return seen

    def server(self, url: str) -> str:
        stage = self.task.stage
        return "chain" if url == stage.rpc_url else "edge" if url == stage.edge_url else "authority"

    def requests(self, role: str, server: str) -> Counter[tuple[str, int]]:
        """Requests of one role by (request line, body bytes)."""
        lines: Counter[tuple[str, int]] = Counter()
        for (sender, url), proxy in self.wires.items():
            if (sender, self.server(url)) == (role, server):
                for stream in proxy.sent:
                    lines.update(_requests(bytes(stream)))
        return lines


def _requests(stream: bytes) -> list[tuple[str, int]]:
    found = []
    while b"\r\n\r\n" in stream:
        head, _, stream = stream.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: *(\d+)", head)
        size = int(length[1]) if length else 0
        found.append((head.split(b"\r\n")[0].decode(), size))
        stream = stream[size:]
    return found


def record(root: Path, leak: str | None = None, fewer_examples: bool = False) -> Recorded:
    """Plays a whole seeded task with a recording proxy on every connection between two roles."""
    wires: dict[tuple[str, str], RecordingProxy] = {}

    def through_proxy(role: str, url: str) -> str:
        if (role, url) not in wires:
            wires[role, url] = RecordingProxy(url)
        return wires[role, url].url

    with play(root, clients=CLIENTS, rounds=ROUNDS) as task:
        task.stage.route = through_proxy
        if fewer_examples:
            images, labels = decode_labelled(task.data.households[CHANGED])
            task.data.households[CHANGED] = encode_labelled(images[::2], labels[::2])
        if leak is not None:
            task.stage.launchers[client_name(CHANGED)] = [*module_command("tests.e2e.leaking"), leak]
        task.prepare()
        task.start_agents()
        task.finish()
        assert task.audit()["verdict"] == "PASS"
        spec_bytes = get_document(task.store, task.reader.task(1).spec, MAX_SPEC_BYTES)
        recorded = Recorded(task, wires, decode(TaskSpec, spec_bytes, MAX_SPEC_BYTES), task.reader.events(1))
    for proxy in wires.values():
        proxy.close()
    return recorded


def secrets_of(recorded: Recorded, number: int) -> list[Canary]:
    """Master keys, and what every round's update was before it was encrypted, made again from the phone's seed."""
    role, task = client_name(number), recorded.task
    folder = task.stage.folder(role)
    committee = recorded.spec.committee
    randomness, layout = SeededRandomness((folder / "seed").read_bytes()), Layout.of(recorded.spec.model)
    enrolled = draw_master_keys(randomness, len(committee.members), committee.threshold, f"task/{TASK}/enrolment")
    canaries = [
        key_canary(role, f"master key {subset} of epoch {epoch}", key)
        for epoch in range(ROUNDS + 2)
        for subset, key in ratchet(enrolled, epoch).items()
    ]
    trainer = _CapturingTrainer(recorded.spec, folder / "household.safetensors", randomness)
    for opened in (event for event in recorded.events if isinstance(event, RoundOpened)):
        plan = task.plan(opened.plan)
        parameters = layout.from_safetensors(get_document(task.store, plan.model, layout.max_bytes))
        sent, purpose = choose_index_set(recorded.spec, opened.round), opened.label.hex()
        update = prepare_update(trainer, Assignment(parameters, plan.learning, sent, randomness, purpose))
        canaries += vector_canaries(role, f"delta {opened.round}", trainer.last_delta)
        canaries += vector_canaries(role, f"update {opened.round}", update.values)
    return canaries


def keys_of_authorities(recorded: Recorded) -> dict[str, EncryptionKeyPair]:
    """What opens the envelopes of enrolment, by role, made again from the authorities' seeds."""
    stage = recorded.task.stage
    authorities = {role: address for role, address in stage.addresses.items() if role.startswith("authority-")}
    return {
        role: EncryptionKeyPair.generate(seeded((stage.folder(role) / "seed").read_bytes(), address)(TASK, 0))
        for role, address in authorities.items()
    }


class _CapturingTrainer:
    def __init__(self, spec: TaskSpec, household: Path, randomness: Randomness) -> None:
        loader, coins = FileLoader(household, 2**30), Coins(partial(randomness.draw, *HOUSEHOLD_SECRET))
        self._trainer = HouseholdTrainer(spec.model, loader, spec.schedule.max_examples, print, coins)
        self.last_delta = np.zeros(0)

    def train(self, assignment: Assignment) -> Training:
        training = self._trainer.train(assignment)
        self.last_delta = training.delta
        return training


def allowed(owner: str, what: str, place: str) -> bool:
    """Its own folder, and for a master key the authorities that are not in the key's subset."""
    if place.startswith(f"{owner}/"):
        return True
    if what.startswith("master key") and place.startswith("authority-"):
        return int(place.partition("/")[0].removeprefix("authority-")) not in _subset(what)
    return False


def _subset(what: str) -> set[int]:
    return {int(digits) for digits in re.findall(r"\d+", what.partition(" of epoch")[0])}


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    return record(tmp_path_factory.mktemp("honest") / "play")


def test_no_secret_leaves_its_owner(honest: Recorded) -> None:
    canaries = [canary for number in range(CLIENTS) for canary in secrets_of(honest, number)]
    pairs, places = keys_of_authorities(honest), honest.places()
    canaries += [key_canary(role, "key of window 0", pair.private_bytes()) for role, pair in pairs.items()]
    assert all(pair.public_bytes().hex().encode() in places["wire client-00 <- edge"] for pair in pairs.values())
    seen = sightings(canaries, places)
    assert {sight for sight in seen if not allowed(*sight)} == set()
    # the search does find what is there: every client's own keys in its own folder
    for number in range(CLIENTS):
        own = {what for owner, what, place in seen if owner == client_name(number) and place.startswith(f"{owner}/")}
        assert any(what.startswith("master key") for what in own)
    # and no key of a finished round is kept by anybody, its owner and the authorities included
    kept = {what.rpartition(" ")[2] for _, what, place in seen if what.startswith("master key")}
    assert kept == {str(ROUNDS + 1)}


@pytest.mark.parametrize(("leak", "expected"), [("update", "update"), ("key", "master key")])
def test_a_leaking_phone_is_noticed(leak: str, expected: str, tmp_path: Path) -> None:
    recorded = record(tmp_path / "play", leak=leak)
    seen = sightings(secrets_of(recorded, CHANGED), recorded.places())
    leaked = {(what, place) for owner, what, place in seen if not allowed(owner, what, place)}
    assert any(what.startswith(expected) and place.endswith("edge") for what, place in leaked)


def test_the_sample_count_changes_no_size_and_no_message(honest: Recorded, tmp_path: Path) -> None:
    changed = record(tmp_path / "play", fewer_examples=True)
    assert _shape(changed) == _shape(honest)
    ours, theirs = _first_batch(honest), _first_batch(changed)
    address = honest.task.address(CHANGED)
    assert ours.keys() == theirs.keys()
    assert {client for client in ours if ours[client] != theirs[client]} == {address}
    before, after = ours[address], theirs[address]
    assert (before.commitment.label, before.commitment.nonce) == (after.commitment.label, after.commitment.nonce)
    assert before.commitment.ciphertext != after.commitment.ciphertext


def test_a_count_in_a_message_size_is_noticed(honest: Recorded, tmp_path: Path) -> None:
    leaking = record(tmp_path / "full", leak="count")
    fewer = record(tmp_path / "fewer", leak="count", fewer_examples=True)
    assert _shape(leaking) != _shape(fewer)


def _shape(recorded: Recorded) -> dict[str, object]:
    """The changed client's messages: polls and claims repeat with the clock, everything else is counted."""
    role = client_name(CHANGED)
    to_edge, to_chain = recorded.requests(role, "edge"), recorded.requests(role, "chain")
    state = recorded.task.stage.folder(role) / "state"
    return {
        "messages": {line: count for line, count in to_edge.items() if not _repeats(line[0])},
        "polls": {line for line in to_edge if _repeats(line[0])},
        "chain": {line for line, _ in to_chain},
        "ciphertexts": sorted(path.stat().st_size for path in state.rglob("body-*")),
        "envelopes": sorted(path.stat().st_size for path in state.rglob("envelope*")),
        "plan": next(event.label for event in recorded.events if isinstance(event, RoundOpened)),
    }


def _first_batch(recorded: Recorded) -> dict[bytes, SignedCommitment]:
    event = next(event for event in recorded.events if isinstance(event, BatchCommitted))
    data = get_document(recorded.task.store, event.batch, MAX_BATCH_BYTES)
    batch = decode(CommitmentBatch, data, MAX_BATCH_BYTES)
    return {signed.commitment.client: signed for signed in batch.commitments}


def _repeats(request: str) -> bool:
    """How often it comes depends on how fast the others are."""
    return request.startswith("GET") or "/claims/" in request
