"""``hearth bench``: what this machine and this contract can do."""

from __future__ import annotations

import typer

from scripts.commands.bench_gas import gas

bench = typer.Typer(help="Measures this machine and Hearth on it.", no_args_is_help=True)


@bench.callback()
def _group() -> None:
    """A group of its own even while it has one command."""


bench.command()(gas)
