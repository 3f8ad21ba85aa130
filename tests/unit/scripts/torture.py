"""What can be done to any command of ``hearth``, generated from the tree of commands, and what may come of it."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import typer

from scripts import outermost
from scripts.cli import app
from scripts.commands.outcome import Outcome

TREE: Final = typer.main.get_command(app)
MOST_LINES: Final = 4  # on standard error
CODES: Final = {int(outcome) for outcome in Outcome}

TEXTS: Final = (
    "", " ", "-1", "x" * 20_000, "Küche 厨房", "\x1b[31mred\x07", "one\ntwo", "latin-1 \udcfc", "\u202edrow",
    "%s{}{0}'\"", "http://", "http://127.0.0.1:9", "http://[::1", "http://name-\udcfc", "http://a..b:70000/ c",
    "ftp://host", "https://user:secret@127.0.0.1:9/#x", "/ip4/1.2.3/tcp/x", "0x", "1:0x00", ",", "[" * 1000, "--",
    "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAEd", "../../..", "0" * 64,
)  # fmt: skip
NUMBERS: Final = (
    "", "-1", "0", "9" * 30, "9" * 5000, "1.5", "nan", "inf", "1e9", "0x10", "\u0661", "1_0", " 1", "true",
)  # fmt: skip
PATHS: Final = (
    "", "absent", "absent/file", "folder", "locked", "binary", "empty", "fifo", "huge", "latin", "deep.json", "loop",
    "text", "list.json", "name-\udcfc", "n" * 300, "/dev/full", "/dev/null", "/dev/zero", "/proc/self/mem",
    "text/below",
)  # fmt: skip


class Ended(NamedTuple):
    code: int
    output: str
    error: str


class Full(io.RawIOBase):
    """A disk without room."""

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        raise OSError(28, "No space left on device")


@dataclass(frozen=True)
class Command:
    """One that does something: its words, and what can be said to it."""

    words: tuple[str, ...]
    click: Any

    def __str__(self) -> str:
        return " ".join(self.words)

    @property
    def parameters(self) -> list[Any]:
        return [one for one in self.click.params if one.name != "help"]


def commands(group: Any = TREE, words: tuple[str, ...] = ()) -> Iterator[Command]:
    """All of them, in the order of the tree."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*words, name))
        else:
            yield Command((*words, name), command)


def groups(group: Any = TREE, words: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Their words; that of ``hearth`` alone has none."""
    yield words
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from groups(command, (*words, name))


def hostile_to(command: Command) -> Iterator[tuple[Any, str]]:
    """Each parameter with each value; one that an earlier command has too, of its name, with every fifth alone."""
    place = [str(one) for one in commands()].index(str(command))
    earlier = {one.name for other in list(commands())[:place] for one in other.parameters}
    for one in command.parameters:
        values = hostile_values(one)
        yield from ((one, value) for value in (values[place % 5 :: 5] if one.name in earlier else values))


def hostile_values(parameter: Any) -> tuple[str, ...]:
    """Of any type that a parameter may have; a flag takes none."""
    kind = parameter.type_descriptor
    if kind.annotation is bool:
        return ()
    if kind.annotation in (int, float):
        return NUMBERS
    takes_path = kind.is_path or kind.parameter_info.metavar in ("FILE", "FOLDER")
    return PATHS if takes_path else (*TEXTS, "folder", "fifo")


def spoken(parameter: Any, value: str) -> list[str]:
    """As it is written on a command line."""
    return [value] if parameter.param_type_name == "argument" else [f"{max(parameter.opts, key=len)}={value}"]


def run(arguments: Sequence[str], *, output: io.TextIOWrapper | None = None, encoding: str = "utf-8") -> Ended:
    """In this process, with nobody at the keyboard."""
    before = sys.stdin, sys.stdout, sys.stderr
    written, told = io.BytesIO(), io.BytesIO()
    sys.stdin = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    own = io.TextIOWrapper(written, encoding=encoding, write_through=True)
    sys.stdout = output or own
    sys.stderr = io.TextIOWrapper(told, encoding=encoding, write_through=True)
    try:
        code = outermost.run(TREE, arguments)
        return Ended(code, written.getvalue().decode(encoding), told.getvalue().decode(encoding))
    finally:
        sys.stdin, sys.stdout, sys.stderr = before


def complaint(ended: Ended) -> str | None:
    """What nobody was promised; None for an end as documented."""
    lines = ended.error.splitlines()
    wrong = {
        "an exit code that is not documented": ended.code not in CODES,
        "a trace": "Traceback" in ended.error + ended.output,
        "an error that nobody thought of": "internal error" in ended.error,
        "more than a few lines": len(lines) > MOST_LINES,
        "a line that is not printable": not all(line.isprintable() for line in lines),
        "a failure without a word": ended.code not in (Outcome.OK, Outcome.FAILED) and not lines and not ended.output,
    }
    return next((f"{what}: {ended.code} {ended.error[-1500:]!r}" for what, found in wrong.items() if found), None)


def hostile_files(folder: Path) -> None:
    """Those that PATHS names."""
    (folder / "folder").mkdir()
    (folder / "locked").write_text("secret")
    (folder / "locked").chmod(0)
    (folder / "binary").write_bytes(bytes(range(256)) * 16)
    (folder / "empty").touch()
    os.mkfifo(folder / "fifo")
    with (folder / "huge").open("wb") as huge:
        huge.truncate(1 << 40)
    (folder / "latin").write_bytes("Küche = 1".encode("latin-1"))
    (folder / "deep.json").write_text("[" * 10_000)
    (folder / "list.json").write_text("[1, 2]")
    (folder / "text").write_text("one = 1\n")
    (folder / "loop").symlink_to("loop")


def required(command: Command, usual: Mapping[str, str]) -> dict[str, list[str]]:
    """By name of the parameter: what a person says at least, and which chain is meant."""
    needed = [one for one in command.parameters if one.required or one.name == "rpc_url"]
    return {one.name: spoken(one, usual[one.name]) for one in needed}
