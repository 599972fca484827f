"""The marks of a report's figures, as matplotlib holds them before they are written as SVG."""

import math

import numpy as np
import pytest

from rlvr.report.document import assemble
from rlvr.report.figures import View, theme


def draw(inputs, modules):
    """The view, and the axes of each figure that the modules draw of it."""
    analysis = {"replicates": 200, "seed": 0, "search_budget": None}
    document = assemble(inputs, title="", analysis=analysis, exact=None, notes=[])  # type: ignore[arg-type]
    view = View(document, inputs.training)
    return view, axes_of(view, modules)


def axes_of(view, modules):
    axes, write = {}, theme.svg

    def keep(figure, name):
        axes[name] = figure.axes
        return write(figure, name)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(theme, "svg", keep)
        for module in modules:
            module.panel(view)
    return axes


def real(value):
    return math.nan if value is None else float(value)


def points(estimates, key="value"):
    return [100 * real(e[key]) for e in estimates]


def line(ax, xs, ys):
    """Whether a line of the axes goes through these points."""
    return any(
        len(found.get_xdata()) == len(xs)
        and np.allclose(np.asarray(found.get_xdata(), float), xs, equal_nan=True)
        and np.allclose(np.asarray(found.get_ydata(), float), ys, equal_nan=True)
        for found in ax.lines
    )


def band(ax, xs, lo, hi):
    """Whether a band of the axes has these ends."""
    wanted = {(round(x, 6), round(y, 6)) for x, *ends in zip(xs, lo, hi, strict=True) for y in ends if y == y}
    bands = [c.get_paths()[0].vertices for c in ax.collections if c.get_paths()]
    return any(wanted <= {(round(x, 6), round(y, 6)) for x, y in vertices} for vertices in bands)
