"""The report of ``hearth evaluate attack``, from the results of its cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from scripts.evaluate.evaluation import Line, Plot, Profile, Report, Results, Row, Table, mean

PROPERTY_BAR: Final[Mapping[Profile, float]] = {"small": 0.62, "full": 0.55}
STRICT: Final = "client, epsilon 1"
WORKS: Final = 0.9  # area of property inference on plain updates; share of generated images that pass
MEMBERSHIP_WORKS: Final = 0.6
FOUR_DIGITS: Final = "{:.3f}"

Cells = Sequence[Mapping[str, Any]]


def report_of(profile: Profile, results: Results) -> Report:
    """Where several seeds were run, bounds are the largest of them with noise and the smallest without, all else their
    mean."""
    audits = _grouped(results, "audit.", "mechanism")
    memberships, properties, generators = (
        _grouped(results, f"{kind}.", "name") for kind in ("membership", "property", "generator")
    )
    rows = [row for name, cells in audits.items() for row in _audit_rows(name, cells)]
    rows += _membership_rows(memberships)
    rows += _property_rows(properties, PROPERTY_BAR[profile])
    plain = mean([cell["called"] for cell in generators["nothing"]])
    rows.append(
        Row(
            "attack by a generator, no privacy: its images of the class are called that",
            "-",
            ">= 0.9",
            plain,
            plain >= WORKS,
        )
    )
    tables = (
        _audit_table(audits),
        _membership_table(memberships),
        _property_table(properties),
        _generator_table(generators),
    )
    return Report("Attacks", tuple(rows), tables, (_audit_plot(audits),), _NOTES)


def _grouped(results: Results, prefix: str, by: str) -> dict[str, list[Mapping[str, Any]]]:
    found: dict[str, list[Mapping[str, Any]]] = {}
    for key, result in results.items():
        if key.startswith(prefix):
            found.setdefault(str(result[by]), []).append(result)
    return found


def _audit_rows(name: str, cells: Cells) -> list[Row]:
    """Features make a claim of single numbers that the paper's argument gets wrong: that is shown, not hidden."""
    claim = float(cells[0]["claimed"])
    noisy, quiet = [cell for cell in cells if cell["noise_multiplier"]], [c for c in cells if not c["noise_multiplier"]]
    above = max(max(cell["one_run"], cell["f_dp"]) for cell in noisy)
    below = min(cell["one_run"] for cell in quiet)
    if name == "features, against its claim":
        known = f"above {claim:.2f}: it guarantees nothing"
        return [Row(f"one-run audit, {name}: lower bound on epsilon", "-", known, above, above > claim)]
    return [
        Row(
            f"one-run audit, {name}: lower bound on epsilon", "-", f"<= {claim:.2f}, as claimed", above, above <= claim
        ),
        Row(
            f"the same with the noise switched off, {name}",
            "-",
            f">= {2 * claim:.2f}, twice the claim",
            below,
            below >= 2 * claim,
        ),
    ]


def _best(cells: Cells) -> float:
    """The area of the variant that does best on average."""
    return max(mean([cell["variants"][name]["area"] for cell in cells]) for name in cells[0]["variants"])


def _membership_rows(cells: Mapping[str, Cells]) -> list[Row]:
    rows, open_area = [], _best(cells["nothing"])
    what = "membership by likelihood ratio (LiRA), area under the curve"
    rows.append(
        Row(f"{what}, no noise", "-", f">= {MEMBERSHIP_WORKS}: it works", open_area, open_area >= MEMBERSHIP_WORKS)
    )
    for name, group in cells.items():
        if name != "nothing":
            area, allowed = _best(group), float(group[0]["allowed"])
            claim = f"epsilon {group[0]['claimed']:.2f}"
            rows.append(Row(f"{what}, {name}", "-", f"<= {allowed:.3f}, which {claim} allows", area, area <= allowed))
    return rows


def _property_rows(cells: Mapping[str, Cells], bar: float) -> list[Row]:
    """Each update by itself is what the paper measures."""
    what = "property inference, area under the curve"
    plain, client = (mean([cell["one_round"] for cell in cells[name]]) for name in ("nothing", "client"))
    strict = mean([cell["all_rounds"] for cell in cells[STRICT]])
    return [
        Row(f"{what}, plain updates", "0.9 to 1.0", f">= {WORKS}: it works", plain, plain >= WORKS),
        Row(f"{what}, client, each update", "0.55", f"<= {bar}", client, client <= bar),
        Row(f"{what}, {STRICT}, all rounds of a victim together", "-", f"<= {bar}", strict, strict <= bar),
    ]


def _audit_table(audits: Mapping[str, Cells]) -> Table:
    rows = []
    for cells in audits.values():
        for cell in cells:
            right = f"{cell['right']} of {cell['guesses']}"
            noise = f"{cell['noise_multiplier']:.2f}"
            bounds = f"{cell['one_run']:.2f}", f"{cell['f_dp']:.2f}"
            rows.append((cell["mechanism"], f"{cell['claimed']:.2f}", noise, str(cell["canaries"]), right, *bounds))
    headings = (
        "mechanism",
        "claimed epsilon",
        "noise multiplier",
        "canaries",
        "right guesses",
        "one-run bound",
        "f-DP bound",
    )
    return Table("One-run audits, delta 1e-5, 95 %", headings, tuple(rows))


def _membership_table(groups: Mapping[str, Cells]) -> Table:
    rows = []
    for name, cells in groups.items():
        for variant in cells[0]["variants"]:
            numbers = (
                mean([cell["variants"][variant][key] for cell in cells])
                for key in ("area", "balanced_accuracy", "true_at_low")
            )
            accuracy = mean([cell["accuracy"] for cell in cells])
            rows.append((name, _claim(cells), variant, *map(FOUR_DIGITS.format, numbers), FOUR_DIGITS.format(accuracy)))
    headings = (
        "mechanism",
        "claimed epsilon",
        "variant",
        "area",
        "balanced accuracy",
        "true at 0.1 % false",
        "model's accuracy",
    )
    return Table("Membership by likelihood ratio", headings, tuple(rows))


def _property_table(groups: Mapping[str, Cells]) -> Table:
    rows = []
    for name, cells in groups.items():
        one, together, error = (mean([cell[key] for cell in cells]) for key in ("one_round", "all_rounds", "error"))
        rows.append((name, _claim(cells), FOUR_DIGITS.format(one), f"{together:.3f} ± {error / len(cells) ** 0.5:.3f}"))
    return Table(
        "Property inference, area under the curve",
        ("watched", "claimed epsilon", "one round", "all rounds"),
        tuple(rows),
    )


def _generator_table(groups: Mapping[str, Cells]) -> Table:
    rows = []
    for name, cells in groups.items():
        numbers = (mean([cell[key] for cell in cells]) for key in ("called", "distance", "accuracy"))
        rows.append((name, _claim(cells), *map(FOUR_DIGITS.format, numbers)))
    headings = (
        "mechanism",
        "claimed epsilon",
        "called the target",
        "distance to it over distance to others",
        "model's accuracy",
    )
    return Table("Attack by a generator", headings, tuple(rows))


def _claim(cells: Cells) -> str:
    return "none" if cells[0]["claimed"] is None else f"{cells[0]['claimed']:.2f}"


def _audit_plot(audits: Mapping[str, Cells]) -> Plot:
    lines = []
    for label, key, noisy in (
        ("claimed", "claimed", True),
        ("one-run bound", "one_run", True),
        ("f-DP bound", "f_dp", True),
        ("one-run bound, noise off", "one_run", False),
    ):
        values = [mean([c[key] for c in cells if bool(c["noise_multiplier"]) == noisy]) for cells in audits.values()]
        lines.append(Line(label, tuple(map(float, range(1, len(values) + 1))), tuple(values)))
    names = ", ".join(f"{number} {name}" for number, name in enumerate(audits, start=1))
    return Plot("audits", "Claims and what audits refute", f"mechanism: {names}", "epsilon", tuple(lines))


_NOTES: Final = (
    (
        "An audit bounds epsilon from below, with 95 % confidence for each seed: a bound under the claim proves"
        " nothing, one above it refutes the claim. Canaries are the worst examples that there can be, and whoever"
        " guesses knows all other data, every model and every update that its claim allows to be seen."
    ),
    "The f-DP form supposes the curve of the mechanism's kind of noise; the one-run form supposes nothing.",
    (
        "features: the claim is of one number of one example, and ignores that normalising by a batch tells about it."
        " An audit that makes use of this refutes the claim at once. It is a labelled reproduction and protects nobody."
    ),
    (
        "Property inference is about a household, which no epsilon of an example bounds: a low figure with the"
        " mechanism example is a measurement and no guarantee. The claim is over all rounds that are watched."
    ),
    (
        "The attack by a generator reads the shared model alone, so hiding single updates does not stop it. Where the"
        " model learns nothing, neither does it. What it makes is typical of a class, and no one's image."
    ),
)
