"""A phone is lost with its folder and comes back from a backup, by commands alone; another household joins meanwhile.

Round 1 waits until the backup is made. In round 2 the phone is lost after it has sent. Round 3 waits for it in vain,
and the phone that was restored is there for round 4. Who joins in round 1 takes part from round 3 on, which begins a
window.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from client_agent.household_folder import JOURNAL, HouseholdFolder
from client_agent.journal import AgentJournal
from client_agent.privacy.ledger import PrivacyLedger
from protocol.canonical import decode
from protocol.errors import EncryptionError
from protocol.identifiers import Label
from protocol.invitation import Invitation
from protocol.messages.chain import BatchCommitted, Enrolled, RoundAbandoned, RoundOpened, RoundPublished
from protocol.messages.submission import MAX_BATCH_BYTES, CommitmentBatch
from scripts.demonstration.policies import phone_policy
from scripts.demonstration.presets import DEMO_REWARDS
from scripts.demonstration.processes import RoleProcess
from scripts.demonstration.stage import client_name
from storage.content.interface import get_document
from storage.records.journal import Journal
from tests.e2e.play import CHARGED_FIRST_ROUND, Play, killed_launcher, play

LOST, LATE = 1, 3
OWN = client_name(LOST)
ROUNDS, WINDOW = 4, 2


def _household(task: Play) -> HouseholdFolder:
    """With the account in it, as its owner has it."""
    stage, home = task.stage, HouseholdFolder(task.stage.folder(OWN) / "household")
    home.path.mkdir()
    shutil.copy(stage.folder(OWN) / "keystore.json", home.keystore)
    known = [address for name, address in stage.addresses.items() if name.startswith("authority-")]
    home.policy.write_text(phone_policy(stage.domain, known, stage.min_clients, stage.max_stake, stage.mechanism))
    (stage.folder(OWN) / "household.safetensors").write_bytes(task.data.households[LOST])
    (stage.folder(OWN) / "passphrase").write_text("correct horse battery\n")
    return home


def _where(task: Play) -> list[str]:
    return ["--rpc-url", task.stage.rpc_url, "--store", str(task.stage.store)]


def _join(task: Play, home: HouseholdFolder, *launcher: str) -> RoleProcess:
    folder = task.stage.folder(OWN)
    invitation = Invitation(task.stage.domain, 1, task.reader.task(1).spec, (task.stage.edge_url,))
    own = ["--household", str(home.path), "--data", str(folder / "household.safetensors"), "--yes"]
    words = ["join", str(invitation), *_where(task), *own, "--password-file", str(folder / "password")]
    return task.stage.processes.start(OWN, words, folder, launcher)


def _run(task: Play, *words: str) -> None:
    """A command on the household, with its passphrase."""
    folder = task.stage.folder(OWN)
    secret = ("--passphrase-file", str(folder / "passphrase"))
    task.stage.processes.run(OWN, ["household", *words, *secret], folder)


def _nonces(task: Play, home: HouseholdFolder) -> dict[int, bytes]:
    """Of the updates that a phone has sealed, by round."""
    with Journal(home.task_folder(task.stage.domain, 1) / JOURNAL) as records:
        sealed = AgentJournal(records).sealed
        return {number: one.commitment.commitment.nonce for number, one in sealed.items()}


def _committed(task: Play) -> dict[int, tuple[Label, bytes]]:
    """Label and nonce of what the account committed to on chain, by round."""
    found = dict[int, tuple[Label, bytes]]()
    for event in task.events(BatchCommitted):
        data = get_document(task.store, event.batch, MAX_BATCH_BYTES)
        for signed in decode(CommitmentBatch, data, MAX_BATCH_BYTES).commitments:
            if signed.commitment.client == task.address(LOST):
                found[event.round] = signed.commitment.label, signed.commitment.nonce
    return found


def test_a_lost_phone_comes_back_and_repeats_nothing(tmp_path: Path) -> None:
    with play(tmp_path / "play", rounds=ROUNDS, cohort={"roster_rounds": WINDOW}) as task:
        task.prepare()
        home, file = _household(task), str(tmp_path / "backup")
        first = _join(task, home, *killed_launcher("after", CHARGED_FIRST_ROUND))
        task.start_agents([0, 2])
        task.stage.processes.await_until(lambda: len(task.events(Enrolled)) == 3)
        task.advance_clock(task.reader.task(1).enrol_until + 1 - task.reader.now())
        task.await_death(first)
        task.start_agents([LATE])
        _run(task, "backup", file, "--household", str(home.path))
        task.await_event(Enrolled, lambda event: event.client == task.address(LATE))
        task.await_death(_join(task, home, *killed_launcher("instead", "ReceiptKept:2")))
        known = _nonces(task, home)
        shutil.rmtree(home.path)

        task.await_event(RoundOpened, lambda event: event.round == 3)
        again = HouseholdFolder(tmp_path / "again")
        _run(task, "restore", file, "--household", str(again.path), *_where(task))
        task.agents[LOST] = _join(task, again)
        log = task.stage.folder(OWN) / "log"
        task.stage.processes.await_until(lambda: "restored: takes part from round 4 on" in log.read_text())
        task.advance_clock(task.opened(3).commit_until + 1 - task.reader.now())
        task.finish(meanwhile=lambda: task.advance_clock(0))  # blocks go on, as nobody's own clock is that late

        assert [event.round for event in task.events(RoundPublished)] == [1, 2, 4]
        assert [event.round for event in task.events(RoundAbandoned)] == [3], "the clock jumped over its batch"
        made, committed = _nonces(task, again), _committed(task)
        assert (set(known), set(made)) == ({1, 2}, {4}), "no round has two updates"
        assert {number: nonce for number, (_, nonce) in committed.items()} == known | made
        assert len({label for label, _ in committed.values()}) == len(set((known | made).values())) == 3
        with Journal(again.task_folder(task.stage.domain, 1) / JOURNAL) as records:
            for number in (1, 2, 3):
                with pytest.raises(EncryptionError):
                    AgentJournal(records).keys_of(number)
        spending = PrivacyLedger(lambda: Journal(again.privacy, wait=True)).spending()
        charged = sorted(number for rounds in spending.charged.values() for number in rounds)
        assert charged == [1, 2, 3, 4], "each once; round 3 was planned for the phone that was lost"
        earned = task.reader.claimed(1, task.address(LOST))
        assert 3 * DEMO_REWARDS.participation <= earned <= 3 * DEMO_REWARDS.update_reward
        plans = [task.plan(task.opened(number).plan) for number in range(1, ROUNDS + 1)]
        weights = [plan.weight_of(task.address(LATE)) is not None for plan in plans]
        assert weights == [False, False, True, True], "from the next window on"
        assert task.audit()["verdict"] == "PASS"
