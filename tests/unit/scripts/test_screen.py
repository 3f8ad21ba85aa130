"""What a demonstration shows degrades with the terminal: no figure is cut, no letter ends the run."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO, TextIOWrapper

import pytest
from rich.console import Console
from rich.table import Table

from scripts.demonstration.screen import doing, progress_of, show, table

FIGURES = ["0.4833", "482,064", "75,866,666,666,650"]


def screen(encoding: str, terminal: bool = True, width: int = 80, **surroundings: str) -> tuple[Console, BytesIO]:
    written = BytesIO()
    file = TextIOWrapper(written, encoding=encoding, errors="strict", write_through=True)
    environment = {"TERM": "xterm", **surroundings}
    return Console(file=file, force_terminal=terminal, width=width, _environ=environment), written


def labels() -> Table:
    """Figures beside words that could be broken."""
    made = Table(title="Money", show_header=False)
    made.add_column()
    made.add_column(justify="right")
    for figure in [*FIGURES, "110,000,000,000,000"]:
        made.add_row("manufacturer: refunded", figure)
    return made


def figures() -> Table:
    made = table("Rounds", "round", "accuracy", "gas", "contribution (wei)")
    made.add_row("1", *FIGURES)
    made.show_footer = True
    made.columns[-1].footer = "110,000,000,000,000"
    return made


@pytest.mark.parametrize("width", [10, 25, *range(36, 66), 80, 200])
@pytest.mark.parametrize("made", [figures, labels])
def test_figures_are_whole_at_any_width(width: int, made: Callable[[], Table]) -> None:
    encoding = "ascii" if width % 2 else "utf-8"
    console, written = screen(encoding, terminal=False, width=width)
    show(console, made())
    lines = written.getvalue().decode(encoding).splitlines()
    for figure in [*FIGURES, "110,000,000,000,000"]:
        assert sum(figure in line for line in lines) == 1
    if width == 40:
        assert max(map(len, lines)) <= 40
    if width == 40 and made is figures:
        assert "  accuracy 0.4833" in lines, "a line says what the figure is"


@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "latin-1", "cp437"])
def test_a_spinner_and_a_bar_have_letters_for_every_encoding(encoding: str) -> None:
    console, written = screen(encoding)
    with doing(console, "the audit"):
        pass
    with progress_of(console) as progress:
        progress.add_task("rounds", total=3, completed=1)
    shown = written.getvalue().decode(encoding)
    assert "the audit" in shown and "1/3" in shown


def test_a_terminal_that_cannot_move_its_cursor_gets_lines() -> None:
    console, written = screen("ascii", TERM="dumb")
    with doing(console, "the audit"), progress_of(console) as progress:
        progress.add_task("rounds", total=3)
    assert written.getvalue() == b"the audit\n"


def test_without_a_terminal_there_is_no_progress_to_show() -> None:
    console, written = screen("ascii", terminal=False)
    with doing(console, "the audit"), progress_of(console) as progress:
        progress.add_task("rounds", total=3)
    assert written.getvalue() == b""


def test_without_colours_there_are_none() -> None:
    console, written = screen("utf-8", NO_COLOR="1")
    console.print("audit: [bold green]PASS[/]")
    assert b"\x1b[32" not in written.getvalue() and b";32m" not in written.getvalue()
