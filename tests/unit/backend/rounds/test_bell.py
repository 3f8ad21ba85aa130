"""Who waits is woken by the bell, by its own end, or by leaving; and looks at nothing in between."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any

from backend.gone import Gone
from backend.rounds.bell import AT_ONCE, Bell

LONG = 600.0  # no test waits so long


def _on_a_loop(story: Callable[[Bell], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(story(Bell()), 60))


def test_what_rings_between_a_look_and_its_wait_is_not_lost() -> None:
    async def story(bell: Bell) -> None:
        seen = bell.rung
        bell.ring()
        await bell.wait(seen, LONG)

    _on_a_loop(story)


def test_it_rings_from_any_thread_and_for_all() -> None:
    async def story(bell: Bell) -> None:
        waiting = [asyncio.create_task(bell.wait(bell.rung, LONG)) for _ in range(5 * AT_ONCE)]
        await asyncio.sleep(0)
        assert bell.is_awaited
        threading.Thread(target=bell.ring).start()
        await asyncio.gather(*waiting)
        assert not bell.is_awaited

    _on_a_loop(story)


def test_others_are_seen_to_while_a_crowd_is_woken() -> None:
    async def story(bell: Bell) -> None:
        woken = list[int]()

        async def wait(number: int) -> None:
            await bell.wait(bell.rung, LONG)
            woken.append(number)

        waiting = [asyncio.create_task(wait(number)) for number in range(10 * AT_ONCE)]
        await asyncio.sleep(0)
        bell.ring()
        for turn in range(1, 9):  # of the event loop
            await asyncio.sleep(0)
            assert len(woken) <= turn * AT_ONCE
        await asyncio.gather(*waiting)
        assert woken == list(range(10 * AT_ONCE)), "who came first is woken first"

    _on_a_loop(story)


def test_whoever_is_gone_waits_no_longer() -> None:
    async def story(bell: Bell) -> None:
        gone = Gone()
        waiting = asyncio.create_task(bell.wait(bell.rung, LONG, gone))
        await asyncio.sleep(0)
        gone.leave()
        await waiting
        assert gone.is_gone and not bell.is_awaited

    _on_a_loop(story)


def test_a_wait_ends_by_itself_and_leaves_nothing() -> None:
    async def story(bell: Bell) -> None:
        await bell.wait(bell.rung, 0)
        assert not bell.is_awaited
        bell.ring()

    _on_a_loop(story)
