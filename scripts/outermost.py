"""The outermost handler of ``hearth``: whatever ends a command ends as an exit code and a line, never as a trace.

``docs/command-line.md`` lists the codes.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any, Final, NoReturn

import typer

from protocol.errors import HearthError
from protocol.text import shown
from scripts import standard_streams
from scripts.commands.outcome import Outcome, next_step, outcome_of, reason
from scripts.commands.output_file import discard_unwritten

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_MOST_LETTERS: Final = 1200  # of a line; a message may quote what somebody else wrote


@dataclass
class Session:
    """What the options before the command say."""

    debug: bool = False


class Signalled(SystemExit):
    """A signal asks for the end. As SystemExit: no prompt and no event loop takes it for an answer."""

    def __init__(self, number: int) -> None:
        super().__init__(128 + number)


def run(command: Any, arguments: Sequence[str]) -> int:
    """Exit code of ``hearth ARGUMENTS``; ``command`` is typer's."""
    session = Session()
    standard_streams.prepare()
    with _signals_end(), _no_trace_from_threads(session):
        try:
            ended = command.main(args=list(arguments), prog_name="hearth", standalone_mode=False, obj=session)
            code = ended if isinstance(ended, int) else Outcome.OK
        except BaseException as error:
            code = _told(error, session)
        finally:
            discard_unwritten()
        unwritten = standard_streams.finish()
        if unwritten is not None and code in (Outcome.OK, Outcome.FAILED, Outcome.OUTPUT):
            standard_streams.tell(f"hearth: standard output: {reason(unwritten)}")
            return Outcome.OUTPUT
    return code


def _told(error: BaseException, session: Session) -> int:
    """Its exit code, after its lines."""
    if _is_closed_pipe(error):
        return Outcome.OK
    if session.debug:
        standard_streams.tell("".join(traceback.format_exception(error)).rstrip())
    code, lines = _explained(error)
    for line in lines:
        line = shown(line)
        standard_streams.tell(line if len(line) <= _MOST_LETTERS else line[:_MOST_LETTERS] + " ..")
    return code


def _explained(error: BaseException) -> tuple[int, list[str]]:
    match error:
        case Signalled():
            return int(error.code or 0), [f"hearth: ended by {signal.Signals(int(error.code or 0) - 128).name}"]
        case SystemExit(code=str() as message):
            return Outcome.FAILED, [f"hearth: {message}"]
        case SystemExit(code=code):
            return int(code or 0), []
        case KeyboardInterrupt():
            return Outcome.INTERRUPTED, ["hearth: interrupted"]
        case typer.Abort():
            return Outcome.FAILED, ["hearth: nobody answered the question; with --yes none is asked"]
        case typer.TyperException():
            return error.exit_code, _usage(error)
        case HearthError():
            step = next_step(error)
            return outcome_of(error), [f"hearth: {error}", *([f"hearth: {step}"] if step else [])]
        case OSError():
            return outcome_of(error), [f"hearth: {_where(error)}{reason(error)}"]
        case MemoryError():
            return Outcome.FAILED, ["hearth: there is not enough memory"]
    what = f"{type(error).__name__}: {error}".strip(": ")
    return outcome_of(error), [f"hearth: internal error: {what}; run it again with --debug for the trace"]


def _where(error: OSError) -> str:
    if isinstance(error.filename, str | bytes):
        return f"{os.fsdecode(error.filename)}: "
    return "standard output: " if standard_streams.finish() is not None else ""


def _usage(error: typer.TyperException) -> list[str]:
    """A group without a command shows its help, which is a good deal longer."""
    message, context = error.format_message(), getattr(error, "ctx", None)
    if context is not None and message == context.get_help():
        print(message)
        return []
    path = "hearth" if context is None else context.command_path
    return [f"{path}: {' '.join(message.split())}", f"{path} --help says more"]


def _is_closed_pipe(error: BaseException | None) -> bool:
    """Whether somebody has read enough of the output; rich makes an exit of it."""
    while isinstance(error, SystemExit) and error.__context__ is not None:
        error = error.__context__
        if isinstance(error, BrokenPipeError):
            return True
    return isinstance(error, BrokenPipeError) and standard_streams.reader_is_gone()


@contextmanager
def _signals_end() -> Iterator[None]:
    """Each of them as :class:`Signalled`; whoever ignores one, as ``nohup`` does, goes on ignoring it.

    The second in a row is not heard: what the first one ends is cleaning up. A third is.
    """
    heard = 0

    def end(number: int, frame: FrameType | None) -> None:
        nonlocal heard
        heard += 1
        if heard != 2:
            raise Signalled(number)

    before: dict[signal.Signals, Any] = {}
    if threading.current_thread() is threading.main_thread():
        usual = (signal.SIG_DFL, signal.default_int_handler)
        before = {number: signal.signal(number, end) for number in _SIGNALS if signal.getsignal(number) in usual}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _no_trace_from_threads(session: Session) -> Iterator[None]:
    """Nor from destructors: Python prints those itself, past every handler."""
    thread_hook, unraisable_hook = threading.excepthook, sys.unraisablehook

    def in_thread(what: threading.ExceptHookArgs) -> None:
        if session.debug:
            thread_hook(what)
        elif what.exc_value is not None and what.exc_type is not SystemExit:
            _told(what.exc_value, session)

    def unraisable(what: Any) -> None:
        if session.debug:
            unraisable_hook(what)

    threading.excepthook, sys.unraisablehook = in_thread, unraisable
    try:
        yield
    finally:
        threading.excepthook, sys.unraisablehook = thread_hook, unraisable_hook


def end(command: Any) -> NoReturn:
    """Runs the process's own arguments."""
    sys.exit(run(command, sys.argv[1:]))
