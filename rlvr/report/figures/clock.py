"""The x axis of figures over training: the step, and what had been spent by then."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

WHAT = "Under each step: samples drawn by then, and wall time of the steps (evaluations not counted)."


def step_axis(ax: Axes, rows: Sequence[Mapping[str, Any]]) -> None:
    """Label the steps of `ax`; under each, from metrics.jsonl's `rows`, samples and time spent, where logged."""
    clocks = [_total(rows, "samples", _count), _total(rows, "seconds/step", _time)]
    known = [clock for clock in clocks if clock]
    ax.xaxis.set_major_locator(MaxNLocator(4, integer=True, min_n_ticks=2))
    ax.xaxis.set_major_formatter(
        FuncFormatter(lambda step, _: "\n".join([f"{step:g}", *(clock(step) for clock in known)]))
    )
    ax.tick_params(labelbottom=True, labelsize=8)
    names = [name for name, clock in zip(("samples", "time"), clocks, strict=True) if clock]
    ax.set_xlabel(", ".join(["step", *names]), fontsize=9)


def _total(rows: Sequence[Mapping[str, Any]], key: str, written: Any) -> Any:
    """Step → the sum of `key` up to it, as text, empty outside the run; None where it was not logged."""
    held = [(row["step"], row[key]) for row in rows if isinstance(row.get(key), int | float)]
    if not held:
        return None
    steps, totals = np.array([0, *(s for s, _ in held)], float), np.cumsum([0.0, *(v for _, v in held)])
    return lambda step: written(float(np.interp(step, steps, totals))) if 0 <= step <= steps[-1] else ""


def _count(n: float) -> str:
    for size, unit in ((1e6, "M"), (1e3, "k")):
        if n >= size:
            return f"{n / size:.3g}{unit}"
    return f"{n:.0f}"


def _time(seconds: float) -> str:
    for size, unit in ((7200, "h"), (120, "min")):
        if seconds >= size:
            return f"{seconds / (3600 if unit == 'h' else 60):.3g} {unit}"
    return f"{seconds:.0f} s"
