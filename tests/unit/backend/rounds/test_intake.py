"""Commitments that come together share one append; a receipt is of what is durable; no kill loses one."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from backend.rounds.intake import Intake, Offered
from backend.rounds.journal import EdgeJournal
from protocol.errors import HearthError, Party
from protocol.messages.submission import SignedReceipt
from protocol.round.commitments import CommitPhase, receipt_of
from protocol.signing import verify
from storage.records.interface import Change, RecordsError
from storage.records.journal import Journal
from storage.records.memory import MemoryRecords
from tests.kills import kill_at
from tests.samples import DOMAIN
from tests.unit.backend.rounds.scene_desk import EDGE
from tests.unit.backend.rounds.scene_round import PlannedRound

CROWD = 40
PHASE, SENT = CommitPhase.of(PlannedRound().plan), PlannedRound().submission(0)


class Gated(MemoryRecords):
    """Each append waits until it may end, and says that it has begun."""

    def __init__(self) -> None:
        super().__init__()
        self.begun, self.may_end = threading.Semaphore(0), threading.Semaphore(0)
        self.sizes: list[int] = []
        self.fails = False

    def append(self, change: Change, after: int) -> None:
        self.sizes.append(len(change.entries))
        self.begun.release()
        self.may_end.acquire()
        if self.fails:
            raise RecordsError("the disk is full")
        super().append(change, after)


def offered(number: int, expected: int = CROWD) -> Offered:
    """Of a crowd; nobody checks signatures any more at this place."""
    submission = replace(SENT, client=number.to_bytes(20, "big"))
    return Offered(1, PHASE.label, PHASE.commitment_of(submission).commitment, submission, False, expected)


async def _begun(records: Gated) -> None:
    await asyncio.to_thread(records.begun.acquire)


def test_what_comes_during_one_append_shares_the_next_and_has_no_receipt_before_its_end() -> None:
    records, woken = Gated(), list[int]()

    async def story() -> list[SignedReceipt]:
        intake = Intake(DOMAIN, EDGE, 1, EdgeJournal(records), woken.append)
        first = asyncio.create_task(intake.take_with_others(offered(0)))
        await _begun(records)
        others = [asyncio.create_task(intake.take_with_others(offered(number))) for number in range(1, CROWD)]
        await asyncio.sleep(0)
        assert not first.done()
        records.may_end.release()
        await _begun(records)
        assert (await first).server == EDGE.address
        assert not woken and not any(task.done() for task in others)
        records.may_end.release()
        return await asyncio.gather(*others)

    receipts = asyncio.run(asyncio.wait_for(story(), 60))
    assert records.sizes == [2, CROWD - 1], "the server's word on the round and one, then all others"
    assert woken == [1], "everybody has committed"
    for number, receipt in enumerate(receipts, 1):
        verify(DOMAIN, receipt_of(offered(number).commitment), receipt.signature, EDGE.address, Party.EDGE_SERVER)


def test_who_shares_an_append_is_answered_for_itself() -> None:
    records = Gated()

    async def story() -> list[SignedReceipt | BaseException]:
        journal = EdgeJournal(records)
        intake = Intake(DOMAIN, EDGE, 1, journal, lambda _: None)
        first = asyncio.create_task(intake.take_with_others(offered(0)))
        await _begun(records)
        other = replace(offered(0), submission=replace(offered(0).submission, nonce=b"\x09" * 16))
        relabelled, late = replace(offered(2), label=bytes(32)), replace(offered(3), closing=True)
        tasks = [asyncio.create_task(intake.take_with_others(one)) for one in (offered(1), offered(0), other)]
        tasks += [asyncio.create_task(intake.take_with_others(one)) for one in (relabelled, late)]
        for _ in range(4):
            records.may_end.release()
        await first
        return await asyncio.gather(*tasks, return_exceptions=True)

    found = asyncio.run(asyncio.wait_for(story(), 60))
    codes = [one.code if isinstance(one, HearthError) else isinstance(one, SignedReceipt) for one in found]
    assert codes == [True, True, "E_SUBMITTED", "E_LABEL_USED", "E_ROUND"]


def test_nobody_has_a_receipt_when_the_append_failed_and_whoever_comes_next_is_served() -> None:
    records = Gated()

    async def story() -> None:
        intake = Intake(DOMAIN, EDGE, 1, EdgeJournal(records), lambda _: None)
        tasks = [asyncio.create_task(intake.take_with_others(offered(number))) for number in range(3)]
        await _begun(records)
        records.fails = True
        records.may_end.release()
        records.may_end.release()
        failed = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(one) for one in failed] == [RecordsError] * 3
        records.fails = False
        for _ in range(2):
            records.may_end.release()
        assert isinstance(await intake.take_with_others(offered(7)), SignedReceipt)

    asyncio.run(asyncio.wait_for(story(), 60))


def _take_them_all(path: Path) -> None:
    """In a process of its own: says each receipt as it is given."""
    said = os.open("/dev/stdout", os.O_WRONLY)
    write = os.write

    async def story() -> None:
        with Journal(path) as journal:
            intake = Intake(DOMAIN, EDGE, 1, EdgeJournal(journal), lambda _: None)

            async def one(number: int) -> None:
                await asyncio.sleep(0)
                for _ in range(number // 8):  # they come in five groups
                    await asyncio.sleep(0.001)
                await intake.take_with_others(offered(number))
                write(said, b"%d\n" % number)

            await asyncio.gather(*map(one, range(CROWD)))

    kill_at(sys.argv[2], int(sys.argv[3]))
    asyncio.run(story())


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", [1, 2, 3])
def test_a_kill_loses_no_commitment_that_has_a_receipt(tmp_path: Path, when: str, step: int) -> None:
    """At every write of the journal until there are as many as it takes; a later one ends the process by itself."""
    root, path = Path(__file__).parents[4], tmp_path / "journal"
    command = f"from {__name__} import _take_them_all; from pathlib import Path; _take_them_all(Path({str(path)!r}))"
    ended = subprocess.run(
        [sys.executable, "-c", command, "x", when, str(step)], cwd=root, capture_output=True, text=True
    )
    assert ended.returncode in (0, -signal.SIGKILL), ended.stderr
    given = {int(line) for line in ended.stdout.split()}
    with Journal(path) as journal:
        kept = EdgeJournal(journal).submissions(1, 1)
    assert {number.to_bytes(20, "big") for number in given} <= kept.keys()
    assert all(kept[client] == offered(int.from_bytes(client, "big")).submission for client in kept)
    assert ended.returncode == 0 or len(given) < CROWD
