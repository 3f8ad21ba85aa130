"""docs/learning.md and docs/poisoning.md from docs/evaluations/*.json and the notes beside them:
``python -m scripts.evaluate.page``.

``--take FOLDER`` first copies the report of a full profile from the folder of ``hearth evaluate --report``. ``--check``
writes nothing and fails when a page is not what reports and notes give, when a missed target has no note, and when a
note explains what is not missed.
"""

from __future__ import annotations

import argparse
import json
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from scripts.evaluate.registry import EVALUATIONS
from scripts.evaluate.written import TARGET_HEADINGS, provenance, target_cells
from storage.durable_file import write_file_atomically

DOCS: Final = Path(__file__).resolve().parents[2] / "docs"
REPORTS: Final = DOCS / "evaluations"
NOTES: Final = REPORTS / "notes.toml"


@dataclass(frozen=True)
class Page:
    """``reading``: what stands before all figures; ``names``: of the evaluations on it, none for all others'."""

    path: Path
    title: str
    reading: str
    names: frozenset[str] = frozenset()


LEARNING: Final = Page(
    DOCS / "learning.md",
    "What learning reaches",
    """\
What the product's own training, accounting and updates reach on real data; encryption is replaced by the plain sum, to
which it is equal. A figure is the mean over seeds unless it says otherwise, and every epsilon names its delta and
whose noise it counts. [privacy.md](privacy.md) says what an epsilon means and what it does not.""",
)
POISONING: Final = Page(
    DOCS / "poisoning.md",
    "What attackers reach",
    """\
What attackers on the model, free riders and readers of openings get out of a screened task. Sketches, histories, inner
products, verdicts, contribution and reputation are the product's own code; encryption, authorities and chain are left
out, since openings are exactly those of the updates ([screening.md](screening.md)). That they are is measured, too: a
short run of each attack goes through the whole protocol in memory, and what follows from its openings is bit for bit
what follows in the clear. Steps are those of a phone in real numbers, and rounding to integers is the product's in
effect, not bit for bit, but where the whole protocol is run. A figure is the mean over seeds.

Published defences stand beside it. They see every update, and are told more: Multi-Krum how many attackers there are.
Their weighted sum is divided by its weights, which leaves FoolsGold its full step whoever it leaves out.

What no defence here catches, seen or unseen: one poisoner of ordinary length, whom nobody resembles; sybils of
ordinary length that spend most of it on a private direction each; beside noise, riders who send an older step of the
model than the last, or a mean of three. What an identity costs is the brake ([incentives.md](incentives.md)). The rule
is the task's choice, and a wrong one does harm: `foolsgold` drops most honest clients whose data overlap without noise,
and is led by attackers who pull away from everybody.""",
    frozenset({"poisoning", "incentives", "openings"}),
)
PAGES: Final = (LEARNING, POISONING)

Told = Mapping[str, Any]


def page(reports: Mapping[str, Told], notes: Mapping[str, str], which: Page = LEARNING) -> str:
    """``reports``: by name of the evaluation; ``notes``: what of a missed target -> why it is missed."""
    lines = [
        f"# {which.title}",
        "",
        "Written by `python -m scripts.evaluate.page` from the reports in `docs/evaluations/`.",
        "",
        which.reading,
        "",
        "## Targets",
        "",
        *_table(("evaluation", *TARGET_HEADINGS), [(name, *cells) for name, cells in _targets(reports)]),
        "",
    ]
    for name, told in _ordered(reports):
        for what in _missed(told):
            reason = " ".join(notes.get(what, "No reason is written down yet.").split())
            lines += [f"**Missed, {name}: {what}.** {reason}", ""]
    for name, told in _ordered(reports):
        lines += _section(name, told)
    return "\n".join(lines).rstrip() + "\n"


def faults(
    reports: Mapping[str, Told], notes: Mapping[str, str], written: str | None, which: Page = LEARNING
) -> list[str]:
    """Of the page as it is, None if it is not there."""
    missed = {what for told in reports.values() for what in _missed(told)}
    found = [f"no note on the missed target: {what}" for what in sorted(missed - notes.keys())]
    found += [f"a note on a target that is not missed: {what}" for what in sorted(notes.keys() - missed)]
    found += [f"{name} is of a small profile" for name, told in reports.items() if told["profile"] != "full"]
    if written != page(reports, notes, which):
        found.append(f"docs/{which.path.name} is stale: python -m scripts.evaluate.page")
    return found


def on_page(which: Page, reports: Mapping[str, Told]) -> dict[str, Told]:
    """Those of the reports that belong on it."""
    elsewhere = frozenset().union(*(other.names for other in PAGES)) - which.names
    return {
        name: told
        for name, told in reports.items()
        if name in which.names or (not which.names and name not in elsewhere)
    }


def _ordered(reports: Mapping[str, Told]) -> Iterator[tuple[str, Told]]:
    return ((name, reports[name]) for name in EVALUATIONS if name in reports)


def _targets(reports: Mapping[str, Told]) -> Iterator[tuple[str, tuple[str, ...]]]:
    return ((name, target_cells(row)) for name, told in _ordered(reports) for row in told["report"]["rows"])


def _rows(told: Told) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = told["report"]["rows"]
    return rows


def _missed(told: Told) -> list[str]:
    return [row["what"] for row in _rows(told) if not row["met"]]


def _section(name: str, told: Told) -> list[str]:
    report = told["report"]
    lines = [f"## {name}: {report['title']}", "", f"```\n{told['command']}\n```", "", provenance(told), ""]
    lines += [f"* {note}" for note in report["notes"]]
    for table in report["tables"]:
        lines += ["", f"### {table['title']}", "", *_table(table["headings"], table["rows"])]
    return [*lines, ""]


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    ruler = ["---", *["---:"] * (len(headings) - 1)]
    return [f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |" for cells in (headings, ruler, *rows)]


def read_reports() -> dict[str, Told]:
    return {path.stem: json.loads(path.read_text()) for path in sorted(REPORTS.glob("*.json"))}


def take(folder: Path) -> None:
    """Raises OSError, and ValueError for what is no report of a full profile."""
    data = (folder / "report.json").read_bytes()
    told = json.loads(data)
    if told["profile"] != "full" or told["evaluation"] not in EVALUATIONS:
        raise ValueError(f"{folder}: no report of a full profile")
    REPORTS.mkdir(exist_ok=True)
    write_file_atomically(REPORTS / f"{told['evaluation']}.json", data, 0o644)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--take", type=Path, action="append", default=[], metavar="FOLDER")
    asked = parser.parse_args(arguments)
    for folder in asked.take:
        take(folder)
    everything, wrong = read_reports(), list[str]()
    written_down: dict[str, str] = tomllib.loads(NOTES.read_text())
    for which in PAGES:
        reports = on_page(which, everything)
        of_others = {row["what"] for name in everything.keys() - reports.keys() for row in _rows(everything[name])}
        notes = {what: reason for what, reason in written_down.items() if what not in of_others}
        if asked.check:
            wrong += faults(reports, notes, which.path.read_text() if which.path.exists() else None, which)
        else:
            which.path.write_text(page(reports, notes, which))
    for fault in wrong:
        print(fault, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
