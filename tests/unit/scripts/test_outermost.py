"""The end of a command: its code, its words, its trace for those who ask, and what it leaves behind."""

from __future__ import annotations

import os
import re
import signal
import threading
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from protocol.errors import HearthError, MalformedError, Party
from protocol.version import PROTOCOL_VERSION
from scripts import cli, outermost
from scripts.commands.outcome import Outcome
from scripts.commands.output_file import OutputFile
from scripts.commands.welcome import WELCOME
from storage.ledger.interface import LedgerError
from tests.unit.scripts import torture
from tests.unit.scripts.torture import Ended, run

AGAIN = "; run it again with --debug for the trace"


class Playing:
    """A command that does what a test wants."""

    def __init__(self, act: Callable[[], object]) -> None:
        self._act = act

    def main(self, args: list[str], obj: outermost.Session, **_: Any) -> object:
        obj.debug = "--debug" in args
        return self._act()


def _ended_by(error: BaseException, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Ended:
    def act() -> None:
        raise error

    monkeypatch.setattr(torture, "TREE", Playing(act))
    return run(arguments)


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (HearthError("no"), 1, "hearth: E_HEARTH (fault: ours): no"),
        (MalformedError("bad", fault=Party.MANUFACTURER), 2, "hearth: E_MALFORMED (fault: manufacturer): bad"),
        (FileNotFoundError(2, "No such file or directory", "name"), 1, "hearth: name: No such file or directory"),
        (OSError(28, "No space left on device", b"name"), 5, "hearth: name: No space left on device"),
        (MemoryError(), 1, "hearth: there is not enough memory"),
        (KeyboardInterrupt(), 130, "hearth: interrupted"),
        (SystemExit("why"), 1, "hearth: why"),
        (SystemExit(3), 3, ""),
        (TypeError("\n\x1b[31m"), 1, f"hearth: internal error: TypeError: [U+000A][U+001B][31m{AGAIN}"),
        (RecursionError(), 1, f"hearth: internal error: RecursionError{AGAIN}"),
    ],
)  # fmt: skip
def test_whatever_ends_it_is_one_line(
    error: BaseException, code: int, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = _ended_by(error, monkeypatch)
    assert (ended.code, ended.error.strip()) == (code, line)


def test_the_next_command_is_named_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _ended_by(LedgerError("away"), monkeypatch).error.splitlines()[1].startswith("hearth: hearth doctor ")


@pytest.mark.parametrize("error", [TypeError("ours"), MalformedError("theirs"), outermost.Signalled(signal.SIGINT)])
def test_the_trace_is_for_those_who_ask(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "Traceback" not in _ended_by(error, monkeypatch).error
    ended = _ended_by(error, monkeypatch, "--debug")
    assert ended.error.startswith("Traceback") and ended.error.splitlines()[-1].startswith("hearth: ")


def test_debug_stands_before_the_command() -> None:
    assert "Traceback" in run(["--debug", "policy", "init", "absent/file"]).error
    assert run(["policy", "init", "absent/file"]).error.count("\n") == 1


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_ends_it_after_what_it_has_to_put_away(
    number: signal.Signals, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also while somebody presses the keys again."""
    put_away = []

    def act() -> None:
        try:
            signal.raise_signal(number)
        finally:
            signal.raise_signal(number)
            put_away.append(True)

    monkeypatch.setattr(torture, "TREE", Playing(act))
    before = signal.getsignal(number)
    ended = run([])
    assert (ended.code, ended.error, put_away) == (code, f"hearth: ended by {number.name}\n", [True])
    assert signal.getsignal(number) == before


def test_what_nohup_ignores_stays_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        monkeypatch.setattr(torture, "TREE", Playing(lambda: signal.raise_signal(signal.SIGHUP)))
        assert run([]).code == 0
    finally:
        signal.signal(signal.SIGHUP, before)


def test_threads_and_destructors_print_no_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    class Falling:
        def __del__(self) -> None:
            raise TypeError("in a destructor")

    def act() -> None:
        thread = threading.Thread(target=lambda: (_ for _ in ()).throw(LedgerError("away")))
        thread.start()
        thread.join()
        Falling()

    monkeypatch.setattr(torture, "TREE", Playing(act))
    ended = run([])
    assert (ended.code, ended.error.splitlines()[0]) == (0, "hearth: E_LEDGER (fault: ledger): away")
    assert "Traceback" not in ended.error


def test_a_result_that_was_not_written_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def act() -> None:
        OutputFile(tmp_path / "result")
        raise HearthError("before the end")

    monkeypatch.setattr(torture, "TREE", Playing(act))
    assert run([]).code == Outcome.FAILED
    assert list(tmp_path.iterdir()) == []


def test_without_a_command_it_says_what_to_do_next() -> None:
    ended = run([])
    assert (ended.code, ended.output, ended.error) == (Outcome.OK, f"{WELCOME}\n", "")
    assert max(map(len, WELCOME.splitlines())) <= 40
    known = [str(command).split() for command in torture.commands()]
    for line in (line.split("hearth ", 1)[1].split() for line in WELCOME.splitlines() if "hearth " in line):
        assert line == ["--help"] or any(line[: len(words)] == words for words in known), line


def test_the_version_of_program_protocol_and_python() -> None:
    ended = run(["--version"])
    assert ended.output.startswith("hearth 0.") and f"protocol Hearth/{PROTOCOL_VERSION}, Python 3." in ended.output
    assert ended.code == Outcome.OK


@pytest.mark.parametrize("instruction", ["complete_bash", "complete_zsh", "complete_fish", "source_bash"])
def test_shells_complete_commands_and_options(instruction: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_HEARTH_COMPLETE", instruction)
    monkeypatch.setenv("COMP_WORDS", "hearth task po")
    monkeypatch.setenv("COMP_CWORD", "2")
    monkeypatch.setenv("_TYPER_COMPLETE_ARGS", "hearth task po")
    monkeypatch.setenv("_TYPER_COMPLETE_FISH_ACTION", "get-args")
    ended = run([])
    assert (ended.code, ended.error) == (Outcome.OK, "")
    assert "post" in ended.output or instruction == "source_bash"


def test_a_shell_that_nobody_knows_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    shells = import_module("shellingham")  # of typer's

    def unknown() -> None:
        raise shells.ShellDetectionFailure

    monkeypatch.setattr(shells, "detect_shell", unknown)
    for option in ("--show-completion", "--install-completion"):
        ended = run([option])
        assert ended.code == Outcome.FAILED and "not supported" in ended.error + ended.output
        assert torture.complaint(ended) is None
    monkeypatch.setenv("_HEARTH_COMPLETE", "complete_nonsense")
    assert torture.complaint(run([])) is None


def test_completing_a_line_makes_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("_HEARTH_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", "hearth audit --json file --le")
    monkeypatch.setenv("COMP_CWORD", "4")
    assert "--ledger" in run([]).output
    assert os.listdir(tmp_path) == []


def test_the_process_ends_with_the_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["hearth", "--no-such-option"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == Outcome.USAGE


def test_no_figure_of_a_measurement_is_cut_in_a_narrow_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    console = import_module("rich.console").Console
    monkeypatch.setattr("rich.console.Console", lambda **_: console(width=24))
    narrow = run(["bench", "crowd", "--gas-price", "1000"])
    monkeypatch.setattr("rich.console.Console", lambda **_: console(width=200))
    wide = run(["bench", "crowd", "--gas-price", "1000"])
    figures = re.findall(r"\d[\d,]*\.\d{3}", wide.output)
    assert len(figures) > 2 and all(figure in narrow.output for figure in figures)
