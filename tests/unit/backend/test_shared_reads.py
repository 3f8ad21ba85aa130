"""What an edge server asks its chain depends on blocks alone: not on how many tasks it has, nor on how many wait."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import Any, cast

import pytest
from starlette.requests import Request

from backend.api.phone_answers import PhoneAnswers
from protocol.messages.task import DepositTerms, TaskSpec
from storage.ledger.follower import LAG_BLOCKS
from tests.samples import sample_spec
from tests.unit.backend.rounds.test_driver import Scene
from tests.unit.backend.test_idle_traffic import BLOCK_SECONDS, _Counted, _Time

BLOCKS = 10
PATIENCE = 60.0


def _own() -> TaskSpec:
    """Without a bond, so that it is served at once."""
    return sample_spec(rewards=replace(sample_spec().rewards, participation=0), deposits=DepositTerms())


@contextmanager
def _waiting(scene: Scene, phones: int) -> Iterator[None]:
    """So many phones that wait for the first round of task 1, on a loop of their own."""
    answers, loop, all_wait = PhoneAnswers(scene.driver, threading.Event()), asyncio.new_event_loop(), threading.Event()

    async def wait() -> None:
        tasks = [loop.create_task(answers.next_round(Request({"type": "http"}), 1, 0, 30)) for _ in range(phones)]
        await asyncio.sleep(0)
        all_wait.set()
        try:
            await asyncio.gather(*tasks)
        except asyncio.CancelledError:
            return

    thread = threading.Thread(target=loop.run_until_complete, args=(running := loop.create_task(wait()),))
    thread.start()
    assert all_wait.wait(PATIENCE)
    try:
        assert len(scene.driver.desk(1).bell._waiting) == phones
        yield
    finally:
        loop.call_soon_threadsafe(running.cancel)
        thread.join()
        loop.close()


def _asked(tasks: int, phones: int, busy: bool) -> Counter[str]:
    """Questions in BLOCKS blocks; ``busy``: somebody posts a task for another server in each."""
    scene, time = Scene(), _Time()
    for _ in range(tasks):
        scene.post(_own())
    counted = _Counted(scene.ledger)
    scene.ledger = cast(Any, counted)
    scene.start()
    scene.driver._polling._running, scene.driver._polling._seconds = lambda: time.running, float(BLOCK_SECONDS)
    scene.steps(5 + tasks)
    assert all(scene.code(task) is None for task in range(1, tasks + 1))

    def look() -> None:
        scene.driver.keep_up()
        for task in scene.driver.due():
            scene.driver.step(task)

    time.pass_blocks(scene.chain, LAG_BLOCKS + 2, look)
    with _waiting(scene, phones) if phones else nullcontext():
        counted.calls.clear()
        for _ in range(BLOCKS):
            if busy:
                scene.post(sample_spec(edge_server=b"\x09" * 20))
            time.pass_blocks(scene.chain, 1, look)
        return counted.calls


@pytest.mark.parametrize("busy", [False, True])
def test_tasks_and_phones_share_every_question(busy: bool) -> None:
    alone = _asked(1, 0, busy)
    assert alone["head"] <= BLOCKS + 1 and alone["events"] <= BLOCKS
    assert (alone["events"] > 0) is busy, "one query of logs for all tasks, where a block may have some"
    assert _asked(20, 0, busy) == alone
    assert _asked(1, 500, busy) == alone
