"""The report of ``hearth evaluate incentives``, from the results of its cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from scripts.evaluate.evaluation import Line, Plot, Profile, Report, Row, Table, mean, percent

if TYPE_CHECKING:
    from scripts.evaluate.incentives import Scene

Found = Mapping["Scene", Sequence[Mapping[str, Any]]]

LEAST: Final[Mapping[Profile, float]] = {"small": 0.9, "full": 0.99}
GAIN: Final = "0.05"
KINDS: Final = {
    "by_openings": "contribution by openings",
    "by_weight": "contribution by weight",
    "participation": "participation",
}


def report_of(profile: Profile, found: Found) -> Report:
    rows = []
    for scene, cells in found.items():
        if scene.reputation == "usual" and ("sybils" in scene.name or "rider" in scene.attack):
            share = _honest(cells, GAIN, "by_openings")
            rows.append(
                Row(
                    f"honest clients' part of the contribution rewards after probation, {scene.name}",
                    f"{_honest(cells, GAIN, 'by_weight'):.3f} by weight alone",
                    f">= {LEAST[profile]}",
                    share,
                    share >= LEAST[profile],
                )
            )
    return Report("What honesty earns", tuple(rows), (_shares(found), _parameters(found)), _plots(found), NOTES)


def _honest(cells: Sequence[Mapping[str, Any]], gain: str, kind: str) -> float:
    """Part of all that is paid; of what is paid to nobody, nothing is dishonest."""
    parts = []
    for cell in cells:
        honest, dishonest = cell["paid"][gain][kind]
        parts.append(honest / (honest + dishonest) if honest + dishonest else 1.0)
    return mean(parts)


def _shares(found: Found) -> Table:
    rows = []
    for scene, cells in found.items():
        if scene.reputation == "usual":
            honest, dishonest = cells[0]["clients"]
            rows.append(
                (
                    scene.name,
                    str(len(cells)),
                    percent(honest / (honest + dishonest), 0),
                    *(percent(_honest(cells, GAIN, kind), 2) for kind in KINDS),
                    *_reputations(cells),
                    f"{mean([cell['best'] for cell in cells]):.4f}",
                )
            )  # fmt: skip
    headings = (
        "dishonest clients", "seeds", "honest of all clients", *(f"honest part of {kind}" for kind in KINDS.values()),
        "reputation at the end, honest", "dishonest", "best accuracy",
    )  # fmt: skip
    return Table("Who is paid after probation, usual reputations, target gain .05", headings, tuple(rows))


def _reputations(cells: Sequence[Mapping[str, Any]]) -> tuple[str, str]:
    """At the end, of honest and of dishonest clients."""
    honest, dishonest = (f"{mean([cell['curve'][-1][which] for cell in cells]):.2f}" for which in (1, 2))
    return honest, dishonest if cells[0]["clients"][1] else "-"


def _parameters(found: Found) -> Table:
    """For one client, so that crowds of different sizes can be compared."""
    rows = []
    varied = {scene.name for scene in found if scene.reputation != "usual"} or {scene.name for scene in found}
    for scene, cells in found.items():
        if scene.name not in varied:
            continue
        sizes = cells[0]["clients"]
        for gain in cells[0]["paid"]:
            each = {
                kind: [mean([cell["paid"][gain][kind][who] for cell in cells]) / max(1, sizes[who]) for who in (0, 1)]
                for kind in KINDS
            }
            rows.append(
                (
                    scene.name,
                    scene.reputation,
                    gain,
                    *(f"{value:.3f}" for kind in KINDS for value in each[kind]),
                    *_reputations(cells),
                )
            )
    headings = (
        "dishonest clients", "reputation", "target gain",
        *(f"{kind}, {who}" for kind in KINDS.values() for who in ("honest client", "dishonest client")),
        "reputation at the end, honest", "dishonest",
    )  # fmt: skip
    return Table("What one client earns after probation, by the incentive's parameters", headings, tuple(rows))


def _plots(found: Found) -> tuple[Plot, ...]:
    plots = []
    for name, title, places in (
        ("reputation", "Reputation", (1, 2)),
        ("participation", "Participation paid to a client", (3, 4)),
        ("contribution", "Contribution paid to a client since probation", (5, 6)),
    ):
        lines = []
        for scene, cells in found.items():
            if "sybils" in scene.name or "boosted" in scene.name or scene.attack == "rider, noise":
                if scene.seeds == 1 and scene.reputation == "usual" and "boosted" not in scene.name:
                    continue
                for place, who in zip(places, ("honest", "dishonest"), strict=True):
                    curve = cells[0]["curve"]
                    scale = 1.0 if name == "reputation" else 1e6
                    label = f"{scene.name}, {scene.reputation}, {who}"
                    lines.append(Line(label, tuple(float(x[0]) for x in curve), tuple(x[place] / scale for x in curve)))
        plots.append(Plot(name, title, "round", name, tuple(lines)))
    return tuple(plots)


NOTES: Final = (
    (
        "Runs are those of poisoning, with weights in the sum by level and reputation. Contribution by openings is what"
        " a screened task pays: a whole contribution for each accepted client together, in proportion to what openings"
        " say that each contributed. By weight is what a task pays that is not screened, to everybody who is not"
        " rejected."
    ),
    (
        "Participation is paid to whoever is accepted, and in probation to whoever is not rejected. Level 0 of"
        " foolsgold keeps out and costs nothing else: sybils have no weight in the model, earn nothing while they are"
        " down and keep their reputation."
    ),
    (
        "A reputation rises with every accepted update that is not idle, and falls for what openings show: a norm or a"
        " history that is too long, or an update that the task's rule rejects."
    ),
    (
        "Reputation, as initial / floor / maximum / waiting rounds: usual 2/2/5/2, slow 1/1/15/1, flat 1/1/1/1, strict"
        " 5/5/10/5. The target gain is the accuracy above the best model so far that releases a round's whole"
        " contribution; participation is .6 and contribution .4 of a unit."
    ),
)
