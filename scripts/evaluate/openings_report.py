"""The report of ``hearth evaluate attack --openings``, from the results of its cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from scripts.evaluate.evaluation import Line, Plot, Profile, Report, Results, Row, Table, mean, percent

Cells = Sequence[Mapping[str, Any]]

WORKS: Final[Mapping[Profile, float]] = {"small": 0.8, "full": 0.9}
BLIND: Final[Mapping[Profile, float]] = {"small": 0.2, "full": 0.05}
ALL: Final = "-1"
NOISES: Final = {"noisy": "with noise", "quiet": "no noise"}
KINDS: Final = {
    "round": "one round's update, from its own openings",
    "present": "history of 20 updates and more, of a client that goes on",
    "absent": "history of 20 updates, of a client that stays away",
}


def report_of(profile: Profile, results: Results) -> Report:
    groups = {noise: [one for key, one in results.items() if key.startswith(f"{noise}.")] for noise in NOISES}
    quiet, noisy = (_of(groups[noise], "round", "20", "recovered") for noise in ("quiet", "noisy"))
    alone = _of(groups["noisy"], "round", "0", "recovered")
    whole = _of(groups["noisy"], "round", ALL, "recovered")
    what = "part of one round's update that is recovered"
    rows = (
        Row(f"{what}, no noise, 20 colluders", "-", f">= {WORKS[profile]}: it works", quiet, quiet >= WORKS[profile]),
        Row(f"{what}, with noise, nobody colludes", "-", f"<= {BLIND[profile]}", alone, alone <= BLIND[profile]),
        Row(
            f"{what}, with noise, 20 colluders",
            f"{whole:.3f} from the update itself",
            "no more than from the update itself",
            noisy,
            noisy <= whole + 0.01,
        ),
    )
    return Report("What openings give away", rows, (_table(groups),), _plots(groups), NOTES)


def _of(cells: Cells, kind: str, key: str, what: str) -> float:
    return mean([float(cell[kind][key][what]) for cell in cells])


def _table(groups: Mapping[str, Cells]) -> Table:
    rows = []
    for noise, cells in groups.items():
        for kind, told in KINDS.items():
            for key in cells[0][kind]:
                colluders, _, rounds = key.partition(" ")
                if colluders == ALL and rounds not in ("", "1", "50"):
                    continue
                seen = "the vector itself" if colluders == ALL else colluders
                figures = [_of(cells, kind, key, what) for what in ("recovered", "distance", "guessed")]
                found, guessed = (_of(cells, kind, key, what) for what in ("hits", "guessed_hits"))
                rows.append(
                    (told, NOISES[noise], rounds or "1", seen, *(f"{value:.3f}" for value in figures),
                     percent(found, 0), percent(guessed, 0))
                )  # fmt: skip
    headings = (
        "read", "noise", "rounds opened", "colluders", "part recovered", "distance of label distributions",
        "by guessing", "most frequent class found", "by guessing ",
    )  # fmt: skip
    return Table("The best linear reader, by the number of colluders", headings, tuple(rows))


def _plots(groups: Mapping[str, Cells]) -> tuple[Plot, ...]:
    lines = []
    for noise, cells in groups.items():
        for colluders in ("0", "1", "5", "20"):
            keys = [key for key in cells[0]["present"] if key.startswith(f"{colluders} ")]
            points = tuple(float(key.partition(" ")[2]) for key in keys)
            shares = tuple(_of(cells, "present", key, "recovered") for key in keys)
            lines.append(Line(f"{colluders} colluders, {NOISES[noise]}", points, shares))
    title = "History of a client that goes on: part recovered of its mean update"
    return (Plot("histories", title, "rounds opened", "part recovered", tuple(lines), logarithmic=True),)


NOTES: Final = (
    (
        "The reader knows the sketch, which is public, so an inner product with a vector that it knows is an exact"
        " linear measurement. It knows its colluders' vectors, the model's last step and the round's sum, and, of"
        " histories, their sum. It has data like the victims' (test images), makes up 500 clients of them, and takes"
        " the best linear guess by their covariances."
    ),
    (
        "Part recovered: of what distinguishes victims' updates from their mean, without noise; 0 is what guessing the"
        " mean gives. Label distributions: total variation, 0 is right. 50 victims by Dirichlet(0.5); the model stands"
        " still after 30 rounds."
    ),
    (
        "A history is opened again in each round under a new sketch, and hardly changes: so each round is one more"
        " measurement of the same vector, for colluders and for anybody who knows the sum. After some dozen rounds"
        " that says most of what the history itself would, of a client that stays away as of one that goes on. Noise"
        " of single examples does not hide which classes a client has; a figure that counts a phone's own noise holds"
        " all the same."
    ),
)
