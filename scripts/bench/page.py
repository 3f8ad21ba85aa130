"""docs/benchmarks.md from docs/benchmarks.json and the notes beside it: ``python -m scripts.bench.page [--check]``.

``--check`` writes nothing and fails when the page is not what result and notes give, when a missed aim has no note, and
when a note explains what is not missed.
"""

from __future__ import annotations

import json
import sys
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from scripts.bench.tables import (
    PART_HEADINGS,
    RATIO_HEADINGS,
    SYSTEM_HEADINGS,
    TARGET_HEADINGS,
    number,
    part_rows,
    ratio_rows,
    system_rows,
    target_rows,
)

DOCS: Final = Path(__file__).resolve().parents[2] / "docs"
COMMAND: Final = (
    "hearth bench encryption --clients 100 --dimension 100000 --peers tenseal,flower,pymife,phe"
    " --json docs/benchmarks.json"
)

READING: Final = """\
Every timing is the best of at least five, the median in brackets; every result was compared with the plain integer
sum. What ran a few coordinates only is extrapolated linearly and says so. A ratio is a peer's best run over our best
run of FE64 (which always computes the weighted sum), the same work measured right after the peer. The share of the
read bandwidth is a median of pairs instead, of a sum and a reading one after the other: memory of a shared machine is
faster and slower from second to second, and the best over the best, which stands among the figures below, compares
moments. The reading has as many streams as the sum. A client and an authority are held against the key streams, and a
client against the digest of its ciphertext too, that it cannot do without; the same libraries make them alone, in
turn with it."""


def page(result: Mapping[str, Any], notes: Mapping[str, str]) -> str:
    """The whole page. ``notes``: what of a missed target -> profile and reason."""
    lines = [
        "# Benchmarks of the encryption",
        "",
        "Written by `python -m scripts.bench.page` from `docs/benchmarks.json`, which is what this wrote:",
        "",
        f"```\n{COMMAND}\n```",
        "",
        *_machine(result),
        "",
        f"{READING}\n",
        "## Targets",
        "",
        *_table(TARGET_HEADINGS, target_rows(result)),
        "",
        *_missed(result, notes),
        "## Systems",
        "",
        *_table(SYSTEM_HEADINGS, system_rows(result)),
        "",
        *_about_peers(result),
        "What our server's time consists of, and how many times longer a client (its digest included) and an authority",
        "take than their AES-CTR key streams (and that digest) alone:",
        "",
        *_table(PART_HEADINGS, part_rows(result)),
        "",
        "## Ratios",
        "",
        *_table(RATIO_HEADINGS, ratio_rows(result)),
        "",
        *_figures(result),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _machine(result: Mapping[str, Any]) -> list[str]:
    machine = result["machine"]
    packages = ", ".join(f"{name} {version}" for name, version in machine["packages"].items())
    return [
        f"Machine: {machine['processor']}, {machine['cores']} cores, {machine['memory_bytes'] / 1e9:.0f} GB.",
        f"{machine['system']}, Python {machine['python']}, {packages}. Load average at the start:",
        f"{machine['load_average']}. Read bandwidth in the same process: {number(result['read_bandwidth_gb_s'])} GB/s;",
        f"the sum of ciphertexts reaches {_share(result['bandwidth_fraction'])} of it.",
    ]


def unexplained(result: Mapping[str, Any], notes: Mapping[str, str]) -> list[str]:
    """Missed targets that no note explains."""
    return [target["what"] for target in _misses(result) if target["what"] not in notes]


def surplus(result: Mapping[str, Any], notes: Mapping[str, str]) -> list[str]:
    """Notes that explain nothing any more; what was not measured may keep its note."""
    open_still = {target["what"] for target in result["targets"] if target["met"] is None}
    return sorted(notes.keys() - open_still - {target["what"] for target in _misses(result)})


def _misses(result: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [target for target in result["targets"] if False in (target["met"], target["aim_met"])]


def _missed(result: Mapping[str, Any], notes: Mapping[str, str]) -> list[str]:
    lines = []
    for target in _misses(result):
        note = notes.get(target["what"], "no reason is written down yet")
        lines += [f"**Missed: {target['what']}.** {' '.join(note.split())}", ""]
    return lines


def _about_peers(result: Mapping[str, Any]) -> list[str]:
    lines = []
    for row in result["systems"]:
        if "versions" in row:
            versions = ", ".join(f"{name} {version}" for name, version in row["versions"].items())
            ran = f", ran {row['measured_dimension']} coordinates" if row["extrapolated"] else ""
            error = "" if row["exact"] else f"; largest error {number(row['error'])} units of the integers"
            lines.append(f"* {row['name']} ({versions}{ran}): {row['notes']}; rounds: {row['rounds']}{error}")
    lines += [f"* {name} is **missing**: {reason}" for name, reason in sorted(result["missing"].items())]
    return [*lines, ""] if lines else []


def _figures(result: Mapping[str, Any]) -> list[str]:
    lines = ["## More figures", ""]
    bandwidth = ", ".join(
        f"{threads} thread(s) {number(speed)} GB/s" for threads, speed in result["read_bandwidth_by_threads"].items()
    )
    lines.append(f"* Read bandwidth: {bandwidth}.")
    for title, section in (
        ("1000 clients, 1 M coordinates", "large"),
        ("Spot audit", "spot_audit"),
        ("10,000 clients, 1 M coordinates, streamed", "streaming"),
        ("First encryption in a new process", "start_up"),
    ):
        if figures := result.get(section):
            told = ", ".join(f"{key.replace('_', ' ')} {_figure(value)}" for key, value in figures.items())
            lines.append(f"* {title}: {told}.")
    return lines


def _figure(value: Any) -> str:
    return number(value) if isinstance(value, int | float) else str(value)


def _share(fraction: float | None) -> str:
    return "an unmeasured share" if fraction is None else f"{fraction:.0%}"


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    ruler = ["---", *["---:"] * (len(headings) - 1)]
    return [f"| {' | '.join(cells)} |" for cells in (headings, ruler, *rows)]


def main(arguments: Sequence[str]) -> int:
    result = json.loads((DOCS / "benchmarks.json").read_text())
    notes = tomllib.loads((DOCS / "benchmarks-notes.toml").read_text())
    text, target = page(result, notes), DOCS / "benchmarks.md"
    if list(arguments) != ["--check"]:
        target.write_text(text)
        return 0
    faults = [f"no note on the missed target: {what}" for what in unexplained(result, notes)]
    faults += [f"a note on a target that is not missed: {what}" for what in surplus(result, notes)]
    if not target.exists() or target.read_text() != text:
        faults.append("docs/benchmarks.md is stale: python -m scripts.bench.page")
    for fault in faults:
        print(fault, file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
