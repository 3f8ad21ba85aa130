"""Histories and openings survive a kill at any durable step: each round is in them once, and each label opened once."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from storage.records.journal import Journal
from tests.kills import kill_at
from tests.played_conduct import Conduct
from tests.unit.backend.key_authority.screened_scene import PROBATION, Moment, Screened, Watched, screened

MOST_STEPS = 40


@pytest.fixture(scope="module")
def scene() -> Screened:
    """Windows of two rounds: with round 3 the accumulators of round 1 go."""
    made = screened("killed authorities", window=2)
    made.play(1, PROBATION)
    made.play(2, Conduct())
    made.play(3, Conduct())
    return made


def killed(authority: Watched, when: str, step: int, act: Callable[[], bytes]) -> bool:
    """In a process of its own, by a real SIGKILL at this step; False where it came to its end first."""
    authority.records.close()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            authority.restart()
            kill_at(when, step)
            act()
            code = 0
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, "it failed by itself"
    authority.restart()
    return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL


def begun(scene: Screened, folder: Path) -> Watched:
    """It has answered for round 2, and missed nothing."""
    authority = Watched(scene, 1, lambda: Journal(folder / "journal"))
    for number, moment in ((2, scene.open[2]), (2, scene.requested[2])):
        authority.at(moment)
        _ = authority.open(number) if moment is scene.open[2] else authority.answer(number)
    return authority


@pytest.mark.parametrize("what", ["open", "answer"])
def test_killed_at_any_durable_step_it_goes_on_to_the_same_bits(scene: Screened, tmp_path: Path, what: str) -> None:
    """Of round 3, whose first answer settles what is missing, and whose last erases the keys."""
    moment: Moment = scene.open[3] if what == "open" else scene.requested[3]
    whole = begun(scene, tmp_path / "whole")
    bodies = {3: scene.ask_openings(3) if what == "open" else scene.ask_key(3)}

    def act(authority: Watched) -> bytes:
        return authority.open(3, bodies[3]) if what == "open" else authority.answer(3, bodies[3])

    expected, kept = act(whole.at(moment)), whole.kept()
    names = sorted(path.name.split(".")[0] for path in (tmp_path / "whole").rglob("*") if path.is_file())
    whole.records.close()
    steps = 0
    for step in range(1, MOST_STEPS):
        folder = tmp_path / f"step {step}"
        authority = begun(scene, folder).at(moment)
        if not killed(authority, "before", step, lambda authority=authority: act(authority)):  # type: ignore[misc]
            authority.records.close()
            break
        assert authority.records.histories.settled(authority.task) in (2, 3)
        assert act(authority) == expected
        assert authority.kept() == kept
        found = sorted(path.name.split(".")[0] for path in folder.rglob("*") if path.is_file())
        assert found == names, "nothing is left of what was begun, and nothing of what is over"
        authority.records.close()
        steps = step
    assert 2 <= steps < MOST_STEPS - 1, "the answer, and that it was given, at least"


def test_killed_while_it_catches_up_it_adds_no_round_twice(scene: Screened, tmp_path: Path) -> None:
    """It was away in rounds 1 and 2."""
    body, always = scene.ask_openings(3), begun(scene, tmp_path / "always")
    expected = always.at(scene.open[3]).open(3, body)
    always.records.close()
    for step in range(1, 25, 4):
        authority = Watched(scene, 1, lambda step=step: Journal(tmp_path / f"{step}" / "journal"))  # type: ignore[misc]
        authority.at(scene.open[3])
        killed(authority, "after", step, lambda authority=authority: authority.open(3, body))  # type: ignore[misc]
        assert authority.open(3, body) == expected
        authority.records.close()
