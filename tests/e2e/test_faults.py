"""Real processes die, lie and disappear: every round still ends in time with the right parties paid."""

from __future__ import annotations

from pathlib import Path

import httpx2
import pytest

from protocol.canonical import decode, encode
from protocol.cohort import place_of
from protocol.content.cid import cid_of
from protocol.identifiers import Digest, to_hex
from protocol.messages.chain import (
    BatchCommitted,
    Claimed,
    DirectCommitted,
    KeyRequested,
    RoundOpened,
    RoundPublished,
)
from protocol.messages.keys import SUM, KeyRequest, KeyRequestEntry, PlannedKeyRequest
from protocol.messages.learning import ModelSpec
from protocol.messages.settlement import CORRUPT, Rejection
from protocol.messages.submission import MAX_BATCH_BYTES, CommitmentBatch, SignedCommitment, Submission
from protocol.task.status import TaskStatus
from scripts.demonstration.presets import DEMO_REWARDS, digits_terms
from scripts.demonstration.processes import RoleProcess
from scripts.demonstration.stage import client_name
from storage.content.interface import get_document
from storage.ledger.interface import TransactionRevertedError
from tests.e2e.play import CHARGED_FIRST_ROUND, Play, killed_launcher, play, shifted_launcher

HOUR, DAY = 3_600, 86_400
HELD = 2  # the client that stops in the middle of a round; client 0 is the censored one
# the household's secret, keys of round 1, sealed 1 with the keys after it, receipt 1, its place in batch 1, charged 2
# come next
CHARGED_SECOND_ROUND = 11


def test_a_client_that_disappears_costs_nobody_else_anything(tmp_path: Path) -> None:
    """Nor does the clock of a machine, at whichever party, that is an hour or a day off."""
    authorities, clients = {"authority-1": -DAY, "authority-2": HOUR}, {client_name(1): HOUR, client_name(3): -DAY}
    off = {"edge": DAY, **authorities, **clients, "manufacturer": -HOUR, "auditor": DAY}
    with play(tmp_path / "play", rounds=1, phase_seconds=60) as task:
        task.stage.launchers |= {role: shifted_launcher(seconds) for role, seconds in off.items()}
        task.prepare()
        task.kill_after(HELD, CHARGED_FIRST_ROUND)
        task.start_agents()
        lost = task.agents.pop(HELD)
        task.await_death(lost)
        task.finish()
        published = task.events(RoundPublished)
        assert [event.round for event in published] == [1]
        assert published[0].block and task.reader.block_timestamp(published[0].block) <= task.opened(1).settle_until
        paid = {event.client for event in task.events(Claimed)}
        enrolled = {task.address(number) for number in range(task.clients)}
        assert paid & enrolled == enrolled - {task.address(HELD)}
        # nobody but the censored one lost patience with the server, and nobody accused it
        assert [event.client for event in task.events(DirectCommitted)] == [task.address(0)]
        proofs = [task.stage.folder(client_name(number)) / "state" / "proofs" for number in task.agents]
        assert not any(folder.is_dir() and [*folder.iterdir()] for folder in proofs)
        assert task.audit()["verdict"] == "PASS"
        for role, seconds in off.items():
            side = f"{abs(seconds):,} s {'ahead of' if seconds > 0 else 'behind'} the chain's"
            assert _said(task, role).count(side) == 1


def test_corrupt_ciphertext_wrong_round_replay_and_a_client_that_leaves(tmp_path: Path) -> None:
    victim, leaver = 3, 1
    with play(tmp_path / "play", rounds=3) as task:
        task.prepare()
        task.kill_after(HELD, CHARGED_FIRST_ROUND)
        task.start_agents()
        task.await_death(task.agents[HELD])
        body = task.stage.folder(client_name(victim)) / "state"
        task.stage.processes.await_until(lambda: _sealed(task, victim, 1) is not None)
        _corrupt(task, _sealed(task, victim, 1) or b"", body)

        # the held client comes back, is held again in round 2, and meanwhile round 1 ended without the victim
        task.kill_after(HELD, CHARGED_SECOND_ROUND - CHARGED_FIRST_ROUND)
        task.start_agents([HELD])
        task.await_death(task.agents[HELD])
        record = task.record(1)
        assert record.verdict.rejected == (Rejection(task.address(victim), CORRUPT),)
        assert task.address(victim) not in record.verdict.accepted

        first = _commitment(task, 1, leaver)
        _replay_is_refused(task, first)
        _unrecorded_request_is_refused(task, first)
        task.leave(leaver)

        del task.stage.launchers[client_name(HELD)]
        task.start_agents([HELD])
        task.finish()
        _everyone_got(task, {0: 3, leaver: 2, HELD: 3, victim: 2})
        assert task.plan(task.opened(3).plan).weight_of(task.address(leaver)) is None
        answer = task.audit()
        assert (answer["verdict"], answer["failed"]) == ("PASS", 0)


def test_an_authority_is_down_and_the_edge_server_dies_mid_round(tmp_path: Path) -> None:
    with play(tmp_path / "play") as task:
        task.prepare()
        task.kill_after(HELD, CHARGED_FIRST_ROUND)
        task.start_agents()
        task.await_death(task.agents[HELD])
        task.role("authority-3").kill()  # it has posted its roster; else round 1 would wait for that
        task.role("edge").kill()
        del task.stage.launchers[client_name(HELD)]
        task.start_agents([HELD])
        edge = task.stage.start_edge(censored=task.address(0))
        assert task.stage.url_of(edge) == task.stage.edge_url
        task.finish()
        assert [event.round for event in task.events(RoundPublished)] == [1, 2]
        for record in (task.record(1), task.record(2)):  # four of five is a quorum, and more than the threshold
            assert [len(signed) for signed in (record.sightings, record.keys, record.accused)] == [4, 4, 0]
        _everyone_got(task, dict.fromkeys(range(task.clients), 2))
        assert task.audit()["verdict"] == "PASS"
        _the_manufacturer_sees_status_and_model(task, tmp_path)


def test_real_processes_that_are_killed_again_and_again(tmp_path: Path) -> None:
    """One phone, the edge server and one authority live for three changes of their records at a time.

    ``tests/simulation/test_kills.py`` kills at every change; this is the same with real processes, files and signals.
    """
    phone, rounds = client_name(1), 1
    with play(tmp_path / "play", rounds=rounds) as task:
        for role in (phone, "edge", "authority-1"):
            task.stage.launchers[role] = killed_launcher("after", 3)
        task.prepare()
        task.start_agents()
        current = {role: task.role(role) for role in ("edge", "authority-1")} | {phone: task.agents[1]}

        def all_ended() -> bool:
            for role, process in current.items():
                if process.process.poll() == -9:
                    current[role] = _start_again(task, role)
                    if role == phone:
                        task.agents[1] = current[role]
            return all(agent.process.poll() == 0 for agent in task.agents.values())

        task.stage.processes.await_until(all_ended, patience_seconds=300)
        task.finish()
        for role in current:
            assert -9 in task.deaths_of(role)
        numbers = [*range(1, rounds + 1)]
        assert [event.round for event in task.events(RoundPublished)] == numbers
        assert [len(task.record(number).verdict.accepted) for number in numbers] == [task.clients] * rounds
        _everyone_got(task, dict.fromkeys(range(task.clients), rounds))
        assert task.audit()["verdict"] == "PASS"


def _the_manufacturer_sees_status_and_model(task: Play, folder: Path) -> None:
    """``hearth task status`` and ``hearth model fetch`` as their user runs them, without any key."""
    where = ["--rpc-url", task.stage.rpc_url, "--ledger", str(task.stage.domain), "--task", "1"]
    run = task.stage.processes.run
    run("status", ["task", "status", *where, "--json", str(folder / "status.json")], folder / "status")
    status = decode(TaskStatus, (folder / "status.json").read_bytes().rstrip())
    assert (len(status.rounds), status.rounds[-1].state, status.enrolled) == (2, "published", task.clients)
    out, layers = folder / "model.safetensors", folder / "layers.json"
    fetch = ["model", "fetch", *where, "--store", str(task.stage.store), "--out", str(out), "--layers", str(layers)]
    run("fetch", fetch, folder / "fetch")
    assert to_hex(cid_of(out.read_bytes()).digest) == to_hex(status.rounds[-1].model)
    assert decode(ModelSpec, layers.read_bytes()) == digits_terms()[0]


def _said(task: Play, role: str) -> str:
    return (task.stage.folder(role) / "log").read_text()


def _start_again(task: Play, role: str) -> RoleProcess:
    if role == "edge":
        return task.stage.start_edge(censored=task.address(0))
    if role.startswith("authority"):
        return task.stage.start_authority(role)
    return task.stage.start_client(role)


def _await_keys(task: Play) -> None:
    """Phones seal to the keys of all authorities: one that falls silent later keeps nobody out."""
    url = f"{task.stage.edge_url}/api/v1/tasks/1/windows/0/keys"
    task.stage.processes.await_until(lambda: httpx2.get(url).status_code == 200)


def _everyone_got(task: Play, updates: dict[int, int]) -> None:
    """Each paid for its number of accepted updates; the audit says that the contribution in it is exact."""
    for number, accepted in updates.items():
        earned = task.reader.claimed(1, task.address(number))
        assert accepted * DEMO_REWARDS.participation <= earned <= accepted * DEMO_REWARDS.update_reward


def _sealed(task: Play, number: int, round_number: int) -> bytes | None:
    """The ciphertext on a phone's disk, once it is also in the content store."""
    bodies = list((task.stage.folder(client_name(number)) / "state").rglob(f"body-{round_number}.*"))
    if not bodies:
        return None
    body = bodies[0].read_bytes()
    return body if _stored(task, body) else None


def _stored(task: Play, body: bytes) -> list[Path]:
    return [path for path in task.stage.store.rglob("*") if path.is_file() and path.read_bytes() == body]


def _corrupt(task: Play, body: bytes, folder: Path) -> None:
    (path,) = _stored(task, body)
    path.chmod(0o600)
    path.write_bytes(body[:-1] + bytes([body[-1] ^ 1]))
    assert folder.is_dir()


def _commitment(task: Play, round_number: int, number: int) -> SignedCommitment:
    event = next(e for e in task.events(BatchCommitted) if e.round == round_number)
    batch = decode(CommitmentBatch, get_document(task.store, event.batch, MAX_BATCH_BYTES), MAX_BATCH_BYTES)
    return next(signed for signed in batch.commitments if signed.commitment.client == task.address(number))


def _replay_is_refused(task: Play, first: SignedCommitment) -> None:
    """A commitment of round 1 in round 2: by the edge server and by the contract."""
    task.await_event(RoundOpened, lambda event: event.round == 2)
    commitment = first.commitment
    submission = Submission(commitment.client, commitment.nonce, commitment.ciphertext, first.signature)
    answer = httpx2.post(f"{task.stage.edge_url}/api/v1/tasks/1/rounds/2/commitments", content=encode(submission))
    assert 400 <= answer.status_code < 500, answer.text
    assert answer.json()["code"] == "E_VERIFICATION"
    place = place_of(task.plan(task.opened(1).plan).weights, commitment.client)
    with pytest.raises(TransactionRevertedError, match="RoundUnexpected"):
        task.ledger_of(client_name(0)).commit_direct(first, place)


def _unrecorded_request_is_refused(task: Play, first: SignedCommitment) -> None:
    """An authority is shown a request for round 1 that is not the one on chain: only one client in it."""
    plan = task.plan(task.opened(1).plan)
    commitment = first.commitment
    weight = plan.weight_of(commitment.client) or 0
    entry = KeyRequestEntry(commitment.client, commitment.nonce, commitment.ciphertext, weight, first.signature)
    request = KeyRequest(plan.label(), SUM, (entry,))
    recorded: Digest = next(e for e in task.events(KeyRequested) if e.round == 1).request
    assert request.digest() != recorded, to_hex(recorded)
    answer = httpx2.post(
        f"{task.stage.authority_urls[0]}/api/v1/tasks/1/rounds/1/partial-keys",
        content=encode(PlannedKeyRequest(plan, request, ())),
    )
    assert 400 <= answer.status_code < 500, answer.text
    assert answer.json()["code"] == "E_NOT_RECORDED"
