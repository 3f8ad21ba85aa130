"""What a person sees of a demonstration, on any terminal: narrow, dumb, of another encoding than UTF-8, or none.

A figure is shown whole or not at all: a table that does not fit becomes lines.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from rich.console import Console
from rich.measure import Measurement
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

_ANY_WIDTH: Final = 10_000


@contextmanager
def doing(console: Console, what: str) -> Iterator[None]:
    """Says what is done meanwhile: with a spinner, or as a line where a terminal cannot move its cursor."""
    if not console.is_terminal:
        yield
    elif console.is_dumb_terminal:
        console.print(what, soft_wrap=True)
        yield
    else:
        with console.status(what, spinner="line" if console.options.ascii_only else "dots"):
            yield


def progress_of(console: Console) -> Progress:
    """A bar, silent where nobody could see it move."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=console, disable=not console.is_terminal or console.is_dumb_terminal)


def table(title: str, *headings: str) -> Table:
    """Of figures."""
    made = Table(title=title)
    for heading in headings:
        made.add_column(heading, justify="right")
    return made


def show(console: Console, shown: Table) -> None:
    """As a table, with its headings one word below the other if need be, or as a block of lines for each row."""
    names = [str(column.header) for column in shown.columns]
    for between_words in (" ", "\n"):
        for column, name in zip(shown.columns, names, strict=True):
            column.header = name.replace(" ", between_words)
        whole = Measurement.get(console, console.options.update(width=_ANY_WIDTH), shown).maximum
        if whole <= console.width:  # else rich would cut figures as well as break headings
            console.print(shown)
            return
    first, *others = zip(names, shown.columns, strict=True)
    lines = [str(shown.title)]
    for number, cell in enumerate(map(str, first[1].cells)):
        lines.append(f"{first[0]} {cell}".strip())
        lines += ["  " + f"{name} {list(column.cells)[number]}".strip() for name, column in others]
    if shown.show_footer:
        lines += [str(first[1].footer), *(f"  {column.footer}" for _, column in others)]
    console.print(Text("\n".join(lines)), soft_wrap=True)
