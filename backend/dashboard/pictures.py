"""Pictures of a task's numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from backend.dashboard.answers import Round
from storage.pages.charts import Chart, Series


def _percent(one: Round) -> float | None:
    return None if one.score is None or one.score.share is None else round(100 * one.score.share, 2)


def progress(rounds: Sequence[Round], accuracy: str, spent: str) -> Chart | None:
    """Right answers and epsilon, round by round; the arguments name the lines. None before there are two points."""
    known = [one for one in rounds if _percent(one) is not None]
    if len(known) < 2:
        return None
    epsilon = [None if one.privacy is None else round(one.privacy.value, 4) for one in known]
    lines = [Series(accuracy, [_percent(one) for one in known], places=1)]
    if any(value is not None for value in epsilon):
        lines.append(Series(spent, epsilon, scale="right", places=3, style="dashed"))
    return Chart("", "", [float(one.round) for one in known], lines, left="%", right="ε")


def price(tasks: Sequence[tuple[str, Sequence[Round]]]) -> Chart | None:
    """Right answers over the epsilon that they cost, one line for each task. None where no figure is known."""
    points = [{one.privacy.value: _percent(one) for one in rounds if one.privacy} for _, rounds in tasks]
    return _overlaid([name for name, _ in tasks], points, "ε", "points" if len(tasks) > 1 else "line")


def side_by_side(tasks: Sequence[tuple[str, Sequence[Round]]]) -> Chart | None:
    """Right answers by round, one line for each task."""
    points = [{float(one.round): _percent(one) for one in rounds} for _, rounds in tasks]
    return _overlaid([name for name, _ in tasks], points, "", "line")


def work(rounds: Sequence[Round], name: str) -> Chart | None:
    """Seconds that the server's moves took in each round."""
    known = [one for one in rounds if one.seconds is not None]
    if len(known) < 2:
        return None
    seconds = [one.seconds for one in known]
    return Chart("", "", [float(one.round) for one in known], [Series(name, seconds, places=2, style="area")], left="s")


def cost(rounds: Sequence[Round], each: int | None, uploaded: str, gas: str) -> Chart | None:
    """Kilobytes that phones uploaded in each round, and thousands of gas; ``each``: bytes of a ciphertext, if known."""
    known = [one for one in rounds if each is not None or one.gas_used is not None]
    lines = list[Series]()
    if each is not None:
        lines.append(Series(uploaded, [each * one.committed / 1000 for one in known], places=1, style="area"))
    used = [None if one.gas_used is None else one.gas_used / 1000 for one in known]
    if any(value is not None for value in used):
        lines.append(Series(gas, used, scale="right", places=1, style="dashed"))
    if len(known) < 2:
        return None
    return Chart("", "", [float(one.round) for one in known], lines, left="kB" if each is not None else "", right=gas)


def _overlaid(
    names: Sequence[str], points: Sequence[Mapping[float, float | None]], across: str, style: str
) -> Chart | None:
    """One line for each mapping, over all places that any of them has."""
    places = sorted({at for found in points for at, value in found.items() if value is not None})
    if len(places) < 2:
        return None
    found = zip(names, points, strict=True)
    return Chart(
        "",
        across,
        places,
        [Series(name, [of.get(at) for at in places], places=1, style=style) for name, of in found],
        left="%",
    )
