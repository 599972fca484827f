"""The page of `rlvr worlds`: every check with its figures, in the report's style; no script."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.resources import files

from jinja2 import Environment
from markupsafe import Markup
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

from rlvr.report.figures import theme
from rlvr.report.page import stylesheet
from rlvr.theory.check import HEAD, Check, cells
from rlvr.theory.parts import Outcome
from rlvr.theory.words import TERMS, WORLDS


def render(found: Sequence[Outcome], quick: bool) -> str:
    """The page as text."""
    worlds: dict[str, list[Check]] = {}
    for outcome in found:
        worlds.setdefault(outcome.part.world, []).extend(outcome.checks)
    checks = [check for outcome in found for check in outcome.checks]
    return (
        Environment(autoescape=True)
        .from_string(files("rlvr.theory").joinpath("page.html.j2").read_text(encoding="utf-8"))
        .render(
            style=Markup(stylesheet()),
            quick=quick,
            worlds=worlds,
            words=WORLDS,
            terms=TERMS,
            broken=[outcome for outcome in found if outcome.error],
            number=len(checks),
            met=sum(check.passed for check in checks),
            cells=cells,
            head=HEAD,
            drawings={check.name: [Markup(drawing) for drawing in drawings(check)] for check in checks},
        )
    )


SERIES = ("base", *theme.RUNS, "expansion", "forgetting")
"""Colours, in this order; a figure has no more lines than there are."""
APART = 0.12
"""Lines of a category, between its series."""


def drawings(check: Check) -> list[str]:
    """Its curves and dots, as SVG."""
    slug = check.name.lower().replace(" ", "-")
    curves = [
        _curves(f"{slug}-{number}", title, lines)
        for number, (title, lines) in enumerate(check.curves.items())
    ]
    dots = [
        _dots(f"{slug}-dots-{number}", title, series)
        for number, (title, series) in enumerate(check.dots.items())
    ]
    return curves + dots


def _curves(name: str, title: str, curves: Mapping[str, Sequence[float]]) -> str:
    """The first of a group is what the others are drawn over."""
    (across, places), *lines = curves.items()
    with theme.drawing(name):
        figure, (ax,) = theme.canvas(7.4, 3.4)
        for (label, values), colour in zip(lines, SERIES[: len(lines)], strict=True):
            ax.plot(places, values, color=theme.colour(colour), marker="o", ms=3, label=label)
        ax.set_title(title)
        ax.set_xlabel(across)
        if all(float(place).is_integer() for place in places):
            ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        figure.legend(loc="outside upper right", ncols=4, handlelength=1.4, columnspacing=1.2)
        return theme.for_page(theme.svg(figure, name), title)


def _dots(name: str, title: str, series: Mapping[str, Mapping[str, float]]) -> str:
    """One line a category, from the top; one colour a series. The axis is logarithmic."""
    categories = list(next(iter(series.values())))
    with theme.drawing(name):
        figure, (ax,) = theme.canvas(7.4, 1.0 + 0.3 * len(categories))
        for at, ((label, values), colour) in enumerate(
            zip(series.items(), SERIES[1 : len(series) + 1], strict=True)
        ):
            aside = APART * (at - (len(series) - 1) / 2)  # series of one value stay apart
            ax.plot(
                [values[category] for category in categories], [line + aside for line in range(len(categories))],
                color=theme.colour(colour), marker="o", ms=6, ls="none", label=label,
            )  # fmt: skip
        ax.set_yticks(range(len(categories)), categories)
        ax.set_ylim(len(categories) - 0.5, -0.5)
        ax.set_xscale("log")
        plain = FuncFormatter(lambda value, _: f"{value:g}")  # not as a power in TeX
        ax.xaxis.set_major_formatter(plain)
        every = [value for values in series.values() for value in values.values()]
        ax.xaxis.set_minor_formatter(plain if max(every) < 10 * min(every) else NullFormatter())
        ax.set_title(title)
        figure.legend(loc="outside upper right", ncols=4, handlelength=1.4, columnspacing=1.2)
        return theme.for_page(theme.svg(figure, name), title)
