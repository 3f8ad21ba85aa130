"""A report as files: ``report.json``, a PNG for each plot, and one HTML page that needs nothing beside it."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from string import ascii_letters, digits
from typing import Any

from scripts.evaluate.evaluation import Line, Plot
from scripts.evaluate.plots import png
from storage.durable_file import write_file_atomically

_STYLE = (
    "body{font-family:sans-serif;max-width:60em;margin:2em auto;padding:0 1em;line-height:1.4}"
    "table{border-collapse:collapse;margin:1em 0}td,th{border:1px solid #bbb;padding:.3em .6em;text-align:right}"
    "td:first-child,th:first-child{text-align:left}.missed{background:#fdd}img{max-width:100%}code{font-size:.9em}"
)
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
_PLAIN = frozenset(ascii_letters + digits + " .,:;()/=+-%_")
TARGET_HEADINGS = ("what", "bar of the paper or peer", "target", "measured", "met")


def write_report(told: Mapping[str, Any], folder: Path, with_plots: bool) -> None:
    """``told``: of ``told.tell``. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    write_file_atomically(folder / "report.json", json.dumps(told, indent=2).encode() + b"\n", 0o644)
    pictures = {}
    for plot in told["report"]["plots"] if with_plots else ():
        picture = png(_plot(plot))
        write_file_atomically(folder / f"{plot['name']}.png", picture, 0o644)
        pictures[plot["title"]] = picture
    write_file_atomically(folder / "report.html", page(told, pictures).encode("ascii"), 0o644)


def page(told: Mapping[str, Any], pictures: Mapping[str, bytes]) -> str:
    """In ASCII: whatever else is in it, or means something in HTML, is written by its number."""
    report = told["report"]
    targets = [target_cells(row) for row in report["rows"]]
    missed = [not row["met"] for row in report["rows"]]
    parts = [
        '<!doctype html><html lang="en"><meta charset="ascii">',
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
        f"<title>{_text(report['title'])}</title><style>{_STYLE}</style>",
        f"<h1>{_text(report['title'])}</h1>",
        f"<p><code>{_text(told['command'])}</code><br>{_text(provenance(told))}</p>",
        _table("Targets", TARGET_HEADINGS, targets, missed),
        *(f"<p>{_text(note)}</p>" for note in report["notes"]),
        *(_table(table["title"], table["headings"], table["rows"]) for table in report["tables"]),
        *(_picture(title, picture) for title, picture in pictures.items()),
    ]
    return "\n".join(parts) + "\n"


def target_cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    value = row["value"]
    measured = value if isinstance(value, str) else f"{value:.4g}"
    return row["what"], row["bar"], row["target"], measured, "yes" if row["met"] else "no"


def provenance(told: Mapping[str, Any]) -> str:
    """What else one has to know to run it again."""
    packages = ", ".join(f"{name} {version}" for name, version in told["versions"].items())
    seeds = "the profile's" if told["seeds"] is None else told["seeds"]
    return f"Profile {told['profile']}; seeds: {seeds}; {told['seconds']:,.0f} s of a processor; {packages}."


def _plot(plot: Mapping[str, Any]) -> Plot:
    lines = tuple(Line(**{key: _tuple(value) for key, value in line.items()}) for line in plot["lines"])
    return Plot(**{**plot, "lines": lines})


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _table(
    title: str, headings: Sequence[str], rows: Sequence[Sequence[str]], marked: Sequence[bool] | None = None
) -> str:
    def line(kind: str, cells: Sequence[str]) -> str:
        return "".join(f"<{kind}>{_text(cell)}</{kind}>" for cell in cells)

    marks = marked or [False] * len(rows)
    lines = [f"<h2>{_text(title)}</h2><table><tr>{line('th', headings)}</tr>"]
    for cells, mark in zip(rows, marks, strict=True):
        lines.append(f"<tr{' class=missed' if mark else ''}>{line('td', cells)}</tr>")
    return "".join([*lines, "</table>"])


def _picture(title: str, picture: bytes) -> str:
    return f'<p><img alt="{_text(title)}" src="data:image/png;base64,{base64.b64encode(picture).decode()}"></p>'


def _text(text: str) -> str:
    return "".join(one if one in _PLAIN else f"&#{ord(one)};" for one in text)
