"""Plots of a report as PNG, by matplotlib, which is of the extra ``evaluate`` and not of every installation."""

from __future__ import annotations

import io
from importlib.util import find_spec
from typing import Any

from protocol.errors import HearthError, Party
from scripts.evaluate.evaluation import Plot

_SIZE, _DPI = (7.0, 4.2), 110


class PlotsMissingError(HearthError):
    """matplotlib is not installed."""

    code = "E_PLOTS_MISSING"


def require() -> None:
    """Raises PlotsMissingError: before the work, not after it."""
    if find_spec("matplotlib") is None:
        raise PlotsMissingError(
            "matplotlib, which draws the plots of a report, is not installed: it belongs to the extra 'evaluate'"
            " (pip install 'hearth-fl[evaluate]'; ./scripts/test sets it up); --no-plots does without",
            fault=Party.OURS,
        )


def png(plot: Plot) -> bytes:
    """The same bytes for the same plot and the same version of matplotlib."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=_SIZE, dpi=_DPI, layout="constrained")
    axes = figure.subplots()
    for line in plot.lines:
        axes.errorbar(line.x, line.y, yerr=line.spread or None, marker="o", markersize=3, capsize=2, label=line.label)
    if plot.logarithmic:
        axes.set_xscale("log")
    axes.set(title=plot.title, xlabel=plot.x, ylabel=plot.y)
    axes.grid(visible=True, alpha=0.3)
    if len(plot.lines) > 1:
        axes.legend(fontsize="small")
    drawn = io.BytesIO()
    canvas: Any = FigureCanvasAgg(figure)
    canvas.print_png(drawn, metadata={"Software": None})
    return drawn.getvalue()
