"""What an authority does again and again, in a thread of its own."""

from __future__ import annotations

import threading

from backend.key_authority.repeating import Repeating
from storage.records.interface import RecordsError

DEADLINE_SECONDS = 60


def test_it_acts_again_until_it_is_stopped_and_is_over_then() -> None:
    often, acts = threading.Event(), list[str]()

    def act() -> None:
        acts.append(threading.current_thread().name)
        if len(acts) >= 3:
            often.set()

    repeating = Repeating("bonds", act, 0.0)
    repeating.start()
    assert often.wait(DEADLINE_SECONDS)
    repeating.stop()
    assert set(acts) == {"bonds"}
    assert "bonds" not in {thread.name for thread in threading.enumerate()}


def test_records_that_are_away_for_a_while_do_not_end_it() -> None:
    acted, tries = threading.Event(), [RecordsError("away"), RecordsError("away")]

    def act() -> None:
        if tries:
            raise tries.pop()
        acted.set()

    repeating = Repeating("rosters", act, 0.0)
    repeating.start()
    assert acted.wait(DEADLINE_SECONDS)
    repeating.stop()


def test_it_pauses_before_its_first_act_and_a_stop_ends_the_pause() -> None:
    acted = threading.Event()
    repeating = Repeating("windows", acted.set, 3600.0)
    repeating.start()
    repeating.stop()
    assert not acted.is_set()
