"""``hearth policy``: the file in which the owner of a phone, or the operator of a key authority, sets limits."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from scripts.commands.output_file import write_new

policy = typer.Typer(help="What a phone or a key authority may agree to.", no_args_is_help=True)
SAMPLES: Final = Path(__file__).resolve().parents[2] / "docs" / "samples"  # in the wheel, too


@policy.callback()
def _group() -> None:
    """A group of its own even while it has one command."""


@policy.command()
def init(
    file: Annotated[Path, typer.Argument(dir_okay=False, help="policy file to write; never overwritten")],
    authority: Annotated[bool, typer.Option("--authority", help="of a key authority, instead of a phone")] = False,
) -> None:
    """Writes a policy file with every line explained and set to what holds without it."""
    sample = SAMPLES / ("authority-policy.toml" if authority else "policy.toml")
    write_new(file, sample.read_bytes())
    owner = "the folder of the authority" if authority else "the folder of the household"
    typer.echo(f"{file}: edit it; it counts as policy.toml in {owner}")
