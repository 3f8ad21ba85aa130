"""How the model of a task gets better, round by round."""

from __future__ import annotations

from client_agent.web.standing import Standing
from storage.pages.charts import MOST_POINTS, Chart, Series


def progress_chart(standing: Standing) -> Chart | None:
    """Right answers in percent, on the public test set; None before the second published round."""
    lines = [one for one in standing.lines() if one.accuracy is not None][-MOST_POINTS:]
    if len(lines) < 2:
        return None
    values = [None if one.accuracy is None else round(100 * one.accuracy, 2) for one in lines]
    return Chart("", "", [float(one.number) for one in lines], (Series("%", values, places=1),), left="%")
