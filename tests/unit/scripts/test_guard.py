"""Nothing outlives its owner: processes in any session, however deep, and the temporary folder, whatever ends it."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from scripts.demonstration.processes import Stage
from scripts.guard import Guard, marked, run_guarded
from scripts.launcher import hearth_command

PATIENCE_MS = 20_000
BELOW = "setsid sh -c 'echo started; exec sleep 1000' & wait"  # in a session of its own
SLEEPERS = ["sh", "-c", f"trap '' TERM HUP INT; {BELOW}"]
OWNER = f"""
import subprocess, sys
from scripts.guard import Guard
with Guard() as guard:
    (guard.temporary_folder() / "secret").write_text("seed")
    print(guard.pid, guard.environment["HEARTH_GUARD"], flush=True)
    sleepers = subprocess.Popen({SLEEPERS}, env=guard.environment, start_new_session=True, stdout=subprocess.PIPE)
    sleepers.stdout.readline()
    print("ready", flush=True)
    {{then}}
"""


@contextmanager
def owner(folder: Path, then: str = "sys.stdin.read()") -> Iterator[tuple[subprocess.Popen[str], int, str]]:
    """A process that started others: itself, its guard, their mark."""
    command = [sys.executable, "-c", OWNER.replace("{then}", then)]
    with subprocess.Popen(
        command,
        env={**os.environ, "TMPDIR": str(folder)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        pid, mark = process.stdout.readline().split()
        assert process.stdout.readline() == "ready\n"
        yield process, int(pid), mark


def await_end(pid: int, descriptor: int) -> None:
    assert select.select([descriptor], [], [], PATIENCE_MS / 1000)[0], f"process {pid} is still there"
    os.close(descriptor)


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGKILL])
def test_a_signal_to_the_owner_ends_what_it_started(number: signal.Signals, tmp_path: Path) -> None:
    with owner(tmp_path) as (process, guard, mark):
        watched = os.pidfd_open(guard)
        assert len(list(marked(mark))) >= 2
        assert len(list(tmp_path.glob("hearth-*/secret"))) == 1
        process.send_signal(number)
        await_end(guard, watched)
        assert list(marked(mark)) == []
        assert list(tmp_path.iterdir()) == []


def test_a_terminal_that_closes_or_interrupts_does_not_reach_the_guard(tmp_path: Path) -> None:
    with owner(tmp_path) as (process, guard, mark):
        watched = os.pidfd_open(guard)
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
            os.kill(guard, number)
        assert not select.select([watched], [], [], 0)[0]
        assert os.getsid(guard) == guard
        process.kill()
        await_end(guard, watched)
        assert list(marked(mark)) == []


def test_the_end_of_the_block_takes_what_is_left_along(tmp_path: Path) -> None:
    with owner(tmp_path, then="pass") as (process, _, mark):
        assert process.wait() == 0
        assert list(marked(mark)) == []
        assert list(tmp_path.iterdir()) == []


def test_what_was_let_go_stays() -> None:
    with Guard() as guard:
        sleeper = subprocess.Popen(["cat"], stdin=subprocess.PIPE, env=guard.environment)
        guard.let_go()
    assert sleeper.poll() is None
    sleeper.communicate()
    assert sleeper.returncode == 0


def test_a_guard_below_another_does_its_own_work(tmp_path: Path) -> None:
    """The outer owner dies: the inner one is killed with it, and what that one started is not forgotten."""
    with Guard() as outer:
        command = [sys.executable, "-c", OWNER.replace("{then}", "sys.stdin.read()")]
        surroundings = {**os.environ, **outer.environment, "TMPDIR": str(tmp_path)}
        inner = subprocess.Popen(
            command,
            env=surroundings,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert inner.stdout is not None
        pid, mark = inner.stdout.readline().split()
        assert inner.stdout.readline() == "ready\n"
        watched = os.pidfd_open(int(pid))
    inner.communicate()
    assert inner.returncode == -signal.SIGKILL
    await_end(int(pid), watched)
    assert list(marked(mark)) == []
    assert list(tmp_path.iterdir()) == []


def test_a_guarded_run_keeps_its_temporary_files_to_itself() -> None:
    ran = run_guarded(["sh", "-c", 'echo "$TMPDIR"; touch "$TMPDIR/left"; exit 3'], capture_output=True)
    assert ran.returncode == 3
    assert "hearth-" in ran.stdout and not Path(ran.stdout.strip()).exists()


def test_a_demonstration_killed_while_it_starts_leaves_nothing(tmp_path: Path) -> None:
    with subprocess.Popen(
        [*hearth_command(), "demo", "--clients", "3", "--rounds", "1"],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdout=subprocess.DEVNULL,
    ) as demo:
        try:
            Stage().await_until(lambda: len(children_of(demo.pid)) == 2, tick_seconds=0.02)  # its guard, and the chain
            watched = {pid: os.pidfd_open(pid) for pid in children_of(demo.pid)}
        finally:
            demo.kill()
        for pid, descriptor in watched.items():
            await_end(pid, descriptor)
        assert list(tmp_path.iterdir()) == []


def test_an_interrupted_stage_does_not_wait_for_a_role_that_will_not_stop(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), Stage() as stage:
        role = stage.start("stubborn", [], tmp_path, ["sh", "-c", "trap '' TERM; echo > ready; sleep 1000 & wait"])
        stage.await_until((tmp_path / "ready").exists, tick_seconds=0.01)
        raise KeyboardInterrupt
    assert role.process.returncode == -signal.SIGKILL
