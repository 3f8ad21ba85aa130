"""The demonstration with pages, as its user runs it: a person says yes on one page, watches the other, and leaves."""

from __future__ import annotations

import gzip
import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import httpx2
import numpy as np
import pytest

from client_agent.data.tracebase import TYPES
from scripts.launcher import hearth_command
from tests.e2e.page_owner import Page, await_until

CLIENTS, ROUNDS, PLUGS, HOURS = 4, 2, 6, 4
FIRST_DAY = date(2012, 1, 2)


def _data(folder: Path) -> Path:
    """As HEARTH_DATA_DIR has tracebase: of each type as many plugs, with a few hours of a day."""
    generator = np.random.Generator(np.random.PCG64(1))
    for kind, name in enumerate(TYPES):
        place = folder / "tracebase" / "complete" / name
        place.mkdir(parents=True)
        for plug in range(PLUGS):
            watts = (generator.integers(8, 16, HOURS * 360) * 2**kind).tolist()
            lines = "".join(
                f"{FIRST_DAY:%d/%m/%Y} {slot // 360:02}:{slot // 6 % 60:02}:{slot % 6}0;{one};0\n"
                for slot, one in enumerate(watts)
            )
            (place / f"dev_{plug}_{FIRST_DAY:%Y.%m.%d}.csv.gz").write_bytes(gzip.compress(lines.encode(), 1))
    return folder


@contextmanager
def demonstration(data: Path, temporary: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    temporary.mkdir()
    command = [*hearth_command(), "demo", "--pages", "--clients", str(CLIENTS), "--rounds", str(ROUNDS), *options]
    surroundings = {**os.environ, "HEARTH_DATA_DIR": str(data), "TMPDIR": str(temporary)}
    with subprocess.Popen(command, env=surroundings, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def _told(process: subprocess.Popen[str], what: str) -> str:
    """All that it prints, up to the line with this."""
    assert process.stdout is not None
    lines = list[str]()
    for line in process.stdout:
        lines.append(line)
        if what in line:
            return "".join(lines)
    raise AssertionError(f"it ended before it said {what!r}: {''.join(lines)}")


def _processes_of(folder: Path) -> list[str]:
    found = list[str]()
    for one in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = one.read_bytes()
        except OSError:  # it has just ended
            continue
        if str(folder).encode() in command:
            found.append(command.replace(b"\0", b" ").decode())
    return found


def test_a_person_says_yes_sees_both_faces_and_leaves_nothing_behind(tmp_path: Path) -> None:
    temporary, result = tmp_path / "temporary", tmp_path / "result.json"
    options = ("--dataset", "appliances", "--json", str(result))
    with demonstration(_data(tmp_path / "data"), temporary, *options) as process:
        told = _told(process, "Say yes")
        dashboard, link = re.findall(r"http://\S+", told)
        assert "the other 3 phones" in told
        home, browser = Page(link), httpx2.Client(follow_redirects=True, timeout=30.0)
        assert "Which appliance is it, by its power?" in browser.get(dashboard).text
        assert "Plug 2" in home.get("/appliances"), "its own plugs, and one more"

        await_until(lambda: 'value="1"' in home.get("/tasks/find"))
        home.send("/tasks/join", task="1", edge=dashboard.partition("/tasks")[0])
        await_until(lambda: 'name="answer"' in home.get("/tasks/1"))
        home.send("/tasks/1/answer", answer="yes")

        told = _told(process, "Ctrl-C")
        assert "audit: PASS" in told
        assert "It is over." in home.get("/tasks/1")
        assert browser.get(dashboard).status_code == 200
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    figures = json.loads(result.read_text())
    assert figures["audit"]["verdict"] == "PASS"
    assert figures["all_claimed"] is True
    assert len(figures["rewards"]) == CLIENTS, "the household with the page is one of them"
    assert all(figures["rewards"].values())
    with pytest.raises(httpx2.HTTPError):
        browser.get(dashboard)
    assert list(temporary.iterdir()) == []
    assert _processes_of(temporary) == []
