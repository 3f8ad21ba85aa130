"""``hearth`` as a process: once for each kind of end that a process alone can have."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from scripts.commands.outcome import Outcome
from scripts.launcher import hearth_command

# says that it is there, and then waits for a signal
WAITING = """
import sys
sys.path.insert(0, {root!r})
from scripts import outermost
class Waiting:
    def main(self, **_):
        import signal
        print("there", flush=True)
        signal.pause()
outermost.end(Waiting())
"""


def _hearth(*arguments: str, **options: Any) -> subprocess.CompletedProcess[bytes]:
    piped: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL}
    ran: subprocess.CompletedProcess[bytes] = subprocess.run(
        [*hearth_command(), *arguments], check=False, timeout=120, **piped | options
    )
    return ran


def test_a_closed_pipe_is_no_failure() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    ran = _hearth("--help", stdout=writer)
    os.close(writer)
    assert (ran.returncode, ran.stderr) == (Outcome.OK, b"")


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_full_disk_under_standard_output_is_said(unbuffered: str) -> None:
    with Path("/dev/full").open("wb") as full:
        ran = _hearth("--help", stdout=full, env={**os.environ, "PYTHONUNBUFFERED": unbuffered})
    assert ran.returncode == Outcome.OUTPUT
    assert ran.stderr.splitlines()[-1].endswith(b"No space left on device") and ran.stderr.count(b"\n") == 1


def test_a_full_disk_under_standard_error_changes_no_code() -> None:
    with Path("/dev/full").open("wb") as full:
        assert _hearth("audit", stderr=full).returncode == Outcome.USAGE


def test_closed_streams_are_left_alone(tmp_path: Path) -> None:
    """No file gets their numbers, so that nothing printed ends up in one."""
    close = 'exec 0<&- 1>&- 2>&-; exec "$@"'
    command = ["sh", "-c", close, "sh", *hearth_command(), "policy", "init", str(tmp_path / "policy.toml")]
    assert subprocess.run(command, check=False, timeout=120).returncode == Outcome.OK
    assert (tmp_path / "policy.toml").read_text().startswith("#")


def test_a_terminal_without_letters(tmp_path: Path) -> None:
    surroundings = {**os.environ, "PYTHONIOENCODING": "ascii", "LC_ALL": "C", "PYTHONUTF8": "0", "COLUMNS": "40"}
    made = _hearth("policy", "init", str(tmp_path / "厨房.toml"), env=surroundings)
    assert (made.returncode, made.stderr) == (Outcome.OK, b"") and made.stdout.isascii()
    refused = _hearth("policy", "init", str(tmp_path / "厨房" / "\x1b[31m.toml"), env=surroundings)
    assert refused.returncode == Outcome.OUTPUT and refused.stderr.isascii() and b"\x1b" not in refused.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals(number: signal.Signals) -> None:
    root = str(Path(__file__).resolve().parents[3])
    with subprocess.Popen(
        [sys.executable, "-c", WAITING.format(root=root)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None and process.stdout.readline() == "there\n"
        process.send_signal(number)
        _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (128 + number, f"hearth: ended by {number.name}\n")


def test_an_interruption_while_it_is_being_loaded_shows_no_trace() -> None:
    """Imports take most of the first second, in which a finger is still on the keys."""
    start = (
        "import signal, sys; from scripts import launcher; signal.signal(signal.SIGINT, signal.default_int_handler);"
    )
    hook = "sys.meta_path.insert(0, type('', (), {'find_spec': lambda *_: signal.raise_signal(signal.SIGINT)}));"
    root = Path(__file__).resolve().parents[3]
    command = [sys.executable, "-c", f"{start} {hook} launcher.main()"]
    ran = subprocess.run(command, cwd=root, capture_output=True, check=False, timeout=60)
    assert (ran.returncode, ran.stderr) == (-signal.SIGINT, b"")
