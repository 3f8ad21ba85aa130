"""The report of ``hearth evaluate poisoning``, from the results of its cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from protocol.privacy.pld import PrivacyLoss
from protocol.privacy.port import SampledGaussian
from protocol.screening.norms import PPM
from scripts.evaluate.evaluation import Line, Plot, Profile, Report, Row, Table, mean, percent
from scripts.evaluate.poisoned.setting import NOISY_COPY_PPM

if TYPE_CHECKING:
    from scripts.evaluate.poisoning import Case, Sizes

Found = Mapping["Case", Sequence[Mapping[str, Any]]]

MOST: Final[Mapping[Profile, float]] = {"small": 0.06, "full": 0.005}  # of the attack rate
POINTS: Final[Mapping[Profile, float]] = {"small": 0.1, "full": 0.01}  # of accuracy lost
LEAST: Final[Mapping[Profile, float]] = {"small": 0.9, "full": 0.99}  # of honest clients in the sum
DEFENCES: Final = {
    "screened": "screened (foolsgold, or alignment where all are alike)",
    "screened, krum": "screened, rule krum",
    "screened, alignment": "screened, rule alignment",
    "foolsgold": "published FoolsGold, updates in the open",
    "krum": "published Multi-Krum, updates in the open",
    "mean": "mean",
}
DEALS: Final = {
    "classes": "ten honest clients of one class each",
    "alike": "{} clients, all alike",
    "uneven": "{} clients by Dirichlet(0.5)",
}


def report_of(profile: Profile, found: Found, sizes: Sizes) -> Report:
    rows = [*_flips(profile, found), *_misled(profile, found), *_boosted(profile, found)]
    tables = [
        _table(found, deal, noisy, DEALS[deal].format(sizes.together)) for deal in DEALS for noisy in (False, True)
    ]
    return Report(
        "Attackers on the model",
        tuple(rows),
        tuple(table for table in tables if table.rows),
        _plots(found),
        _notes(sizes),
    )


def _of(cells: Sequence[Mapping[str, Any]], *path: str) -> float:
    """Mean over seeds."""
    values = []
    for cell in cells:
        value: Any = cell
        for step in path:
            value = value[step]
        values.append(float(value))
    return mean(values)


def _lost(found: Found, case: Case) -> float:
    """Accuracy below that of the same defence without an attacker."""
    (calm,) = (
        cells
        for other, cells in found.items()
        if (other.deal, other.noisy, other.defence, other.attack) == (case.deal, case.noisy, case.defence, "none")
    )
    return _of(calm, "accuracy") - _of(found[case], "accuracy")


def _flips(profile: Profile, found: Found) -> list[Row]:
    rows = []
    for noisy in (False, True):
        ours, peer = (
            [case for case in _targeted(found, "classes", "label flip", noisy, defence) if case.attackers > 1]
            for defence in ("screened", "foolsgold")
        )
        sybils = f"{min(case.attackers for case in ours)} to {max(case.attackers for case in ours)} sybils"
        what = f"label flip, {sybils} beside 10 honest, {'with' if noisy else 'no'} noise"
        worst = max(_of(found[case], "flipped") for case in ours)
        lost = max(_lost(found, case) for case in ours)
        bar = f"{max(_of(found[case], 'flipped') for case in peer):.4f} here"
        if not noisy:
            bar += ", .0018 published"
        rows += [
            Row(f"{what}: attack rate", bar, f"<= {MOST[profile]}", worst, worst <= MOST[profile]),
            Row(
                f"{what}: points of accuracy lost",
                f"{100 * max(_lost(found, case) for case in peer):.2f} here",
                f"<= {100 * POINTS[profile]:g}",
                100 * lost,
                lost <= POINTS[profile],
            ),
        ]
    return rows


def _targeted(found: Found, deal: str, attack: str, noisy: bool, defence: str) -> list[Case]:
    """Of as many seeds as the targets."""
    chosen = [
        case for case in found if (case.deal, case.attack, case.noisy, case.defence) == (deal, attack, noisy, defence)
    ]
    most = max(case.seeds for case in chosen)
    return [case for case in chosen if case.seeds == most]


def _misled(profile: Profile, found: Found) -> list[Row]:
    rows = []
    for noisy in (False, True):
        ours, peer = (
            [
                case
                for attack in ("sign flip", "omniscient")
                for case in _targeted(found, "alike", attack, noisy, defence)
            ]
            for defence in ("screened", "krum")
        )
        what = f"all alike, 20 to 40 % sign flip or omniscient, {'with' if noisy else 'no'} noise"
        kept = [_of(found[case], "last", "attackers") for case in peer]
        accepted = max(_of(found[case], "last", "attackers") for case in ours)
        honest = min(_of(found[case], "last", "honest") for case in ours)
        lost = max(_lost(found, case) for case in ours)
        rows += [
            Row(
                f"{what}: attackers in the sum, last 20 rounds",
                f"Multi-Krum {percent(min(kept), 0)} to {percent(max(kept), 0)}",
                "0",
                accepted,
                accepted == 0,
            ),
            Row(
                f"{what}: honest clients in the sum, last 20 rounds",
                "-",
                f">= {LEAST[profile]}",
                honest,
                honest >= LEAST[profile],
            ),
            Row(
                f"{what}: points of accuracy lost",
                f"Multi-Krum {100 * max(_lost(found, case) for case in peer):.1f}",
                f"<= {100 * POINTS[profile]:g}",
                100 * lost,
                lost <= POINTS[profile],
            ),
        ]
    return rows


def _boosted(profile: Profile, found: Found) -> list[Row]:
    rows = []
    for noisy in (False, True):
        (ours,), (peer,) = (
            _targeted(found, "classes", "boosted", noisy, defence) for defence in ("screened", "foolsgold")
        )
        what = f"one poisoner, ten times as long, {'with' if noisy else 'no'} noise"
        rate, accused = _of(found[ours], "flipped"), _of(found[ours], "rejected", "honest")
        bar = f"FoolsGold {_of(found[peer], 'flipped'):.3f}"
        rows += [
            Row(f"{what}: attack rate", bar, f"<= {MOST[profile]}", rate, rate <= MOST[profile]),
            Row(f"{what}: honest clients rejected, of all rounds", "-", "0", accused, accused == 0),
        ]
    return rows


HEADINGS: Final = (
    "attack",
    "attackers",
    "defence",
    "seeds",
    "attack rate",
    "accuracy",
    "attackers in the sum, last 20 rounds",
    "all rounds",
    "their part of the weights",
    "honest in the sum, last 20 rounds",
    "all rounds ",
    "called idle: attackers",
    "honest",
)


def _table(found: Found, deal: str, noisy: bool, clients: str) -> Table:
    rows = []
    chosen = [case for case in found if (case.deal, case.noisy) == (deal, noisy)]
    order = {attack: number for number, attack in enumerate(dict.fromkeys(case.attack for case in chosen))}
    places = list(DEFENCES)
    for case in sorted(chosen, key=lambda one: (order[one.attack], one.attackers, places.index(one.defence))):
        cells = found[case]
        attacked, ours = case.attackers > 0, case.defence.startswith("screened")
        rows.append(
            (
                case.attack,
                str(case.attackers),
                DEFENCES[case.defence],
                str(len(cells)),
                _rate(case, cells),
                f"{_of(cells, 'accuracy'):.4f}",
                *(percent(_of(cells, which, "attackers"), 1) if attacked else "-" for which in ("last", "all")),
                percent(_of(cells, "last", "share"), 1) if attacked else "-",
                *(percent(_of(cells, which, "honest"), 1) for which in ("last", "all")),
                percent(_of(cells, "last", "idle_attackers"), 1) if ours and attacked else "-",
                percent(_of(cells, "last", "idle_honest"), 1) if ours else "-",
            )
        )
    title = f"{clients[0].upper()}{clients[1:]}, {'with' if noisy else 'without'} noise"
    return Table(title, HEADINGS, tuple(rows))


def _rate(case: Case, cells: Sequence[Mapping[str, Any]]) -> str:
    if case.attack == "backdoor":
        return f"{_of(cells, 'triggered'):.4f}"
    if case.attack in ("none", "label flip", "boosted", "own noise", "split", "on and off"):
        return f"{_of(cells, 'flipped'):.4f}"
    return "-"


def _plots(found: Found) -> tuple[Plot, ...]:
    plots = []
    for noisy in (False, True):
        lines = []
        for defence in ("screened", "foolsgold", "krum", "mean"):
            points = sorted(
                (float(case.attackers), _of(cells, "flipped"))
                for case, cells in found.items()
                if (case.deal, case.noisy, case.defence) == ("classes", noisy, defence)
                and case.attack in ("none", "label flip")
            )
            if points:
                lines.append(Line(DEFENCES[defence], *zip(*points, strict=True)))
        word = "with" if noisy else "without"
        title = f"Label flip beside ten honest clients, {word} noise"
        plots.append(Plot(f"flips-{word}-noise", title, "sybils", "attack rate", tuple(lines)))
        lines = []
        most = max(case.attackers for case in found if case.deal == "alike")
        for case, cells in found.items():
            if (case.deal, case.noisy, case.attack, case.attackers) == ("alike", noisy, "omniscient", most):
                curve = cells[0]["curve"]
                label = DEFENCES[case.defence]
                lines.append(Line(label, tuple(float(x[0]) for x in curve), tuple(x[1] for x in curve)))
        title = f"All alike, {most} omniscient attackers, {word} noise"
        plots.append(Plot(f"omniscient-{word}-noise", title, "round", "accuracy", tuple(lines)))
    return tuple(plots)


def _notes(sizes: Sizes) -> tuple[str, ...]:
    """With epsilon of the steps with noise, as if each example were drawn by itself at the batch's rate."""
    told = []
    for kind, step, rounds, each in (
        ("classes", sizes.of_classes[1], sizes.shape.rounds, sizes.examples // 10),
        ("alike", sizes.of_many[1], sizes.rounds_of_many, sizes.examples // sizes.together),
    ):
        rate = round(step.batch / each * PPM)
        epsilon = PrivacyLoss().epsilon({SampledGaussian(rate, step.noise): rounds}, 5)
        told.append(
            f"{DEALS[kind].format(sizes.together)}: {rounds} rounds of one step on {step.batch} examples, clip"
            f" {step.clip:g}, rate {step.rate:g}; noise {step.noise:g} clips on a client's sum, which is epsilon"
            f" {epsilon:.2f} at delta 1e-5 of one example, of a client's own noise alone"
        )
    return (
        (
            f"Softmax regression on the pixels of {sizes.shape.dataset}, the setting of FoolsGold (Fung et al. 2020)."
            f" {'. '.join(told)}. Figures of the model are means of its last 20 rounds."
        ),
        (
            "Attack rate: ones called seven; of backdoor, images of other classes with a white corner called seven."
            " Attackers add the noise that honest clients add, except riders that send zeros. Tasks with noise, and"
            f" those of clients that are alike, begin with {sizes.probation} rounds that move no model, the others with"
            f" three; with noise a cosine with a public vector counts from {NOISY_COPY_PPM / PPM:g} on."
        ),
        (
            "In the sum: with a weight above 0; the part of the weights counts levels, too. Rows that have three seeds"
            " are those of the targets."
        ),
    )
