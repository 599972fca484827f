"""Figure 3: every problem as a point, base rate across, tuned rate up. A click opens its rollouts."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from rlvr.analysis.sections.problems import Change, Problems
from rlvr.report.figures import SEVERAL, Panel, View, theme
from rlvr.report.words import counted
from rlvr.text import number

COLUMNS = (
    "problem_id",
    "n base",
    "c base",
    "n tuned",
    "c tuned",
    "base",
    "base lo",
    "base hi",
    "tuned",
    "tuned lo",
    "tuned hi",
    "kind",
)
KINDS: dict[Change, tuple[str, str]] = {
    "search": ("tuned", "better"),
    "beyond": ("run4", "better, clearly beyond K"),
    "worse": ("forgetting", "worse"),
    "same": ("base", "equal"),
    "unresolved": ("run3", "first solved, unresolved"),
    "certified": ("run2", "first solved, certified"),
    "unsolved": ("muted", "never solved"),
}
MOST_DRAWN = 3000
MOST_WITH_BARS = 200


def panel(view: View) -> Panel:
    name, short, title = "problems", "Problems", "Every problem, before and after"
    c, found = view.comparison, view.document["problems"]
    if not c or not found:
        return Panel(name, short, title, missing="Needs two evaluations: a base and a tuned policy.")
    if view.single:
        return Panel(name, short, title, missing=SEVERAL)
    K, size = c["compression"]["search_budget"], len(found["problem_id"])
    with theme.drawing(name):
        figure, axes = theme.canvas(
            7.4,
            6.4,
            nrows=2,
            ncols=2,
            width_ratios=[5.2, 1],
            height_ratios=[1, 5.2],
            sharex="col",
            sharey="row",
        )
        top, corner, main, side = axes
        corner.set_visible(False)
        floor = 0.5 / found["median_n_base"]
        _points(main, found, floor)
        _curve(main, K, floor)
        _axes(main, floor, found["unseen_bound"])
        _margins(top, side, np.array(found["base"]), np.array(found["tuned"]), floor)
        figure.legend(
            handles=_legend(main, found["change"]),
            loc="outside upper left",
            ncols=4,
            columnspacing=1.2,
            handletextpad=0.2,
        )
        drawing = _with_problems(theme.svg(figure, name), name, min(size, MOST_DRAWN))
    return Panel(
        name,
        short,
        title,
        see=_see(found["change"]),
        caption="Base rates on a logarithmic axis, tuned rates on a linear one; problems that the base "
        f"never solved are in the column on the left. Dashed: y = x. Solid: 1 − (1 − x)^{K}, what the "
        f"best of {K} "
        "base samples "
        "reaches. Bars and intervals in the table: Beta posterior (Jeffreys' prior), 95 %"
        + ("." if size <= MOST_WITH_BARS else f"; bars are left out beyond {MOST_WITH_BARS} problems.")
        + (f" {MOST_DRAWN:,} of {size:,} problems are drawn." if size > MOST_DRAWN else ""),
        columns=COLUMNS,
        rows=_rows(found),
        drawing=drawing,
        points=tuple(found["problem_id"][:MOST_DRAWN]),
    )


def _points(ax: Axes, found: Problems, floor: float) -> None:
    """One collection in the order of the problems, so that the drawing's elements can be numbered.

    Problems with equal counts would hide each other: a seeded jitter, smaller than one sample, spreads them.
    """
    x, y, n = (np.array(found[key]) for key in ("base", "tuned", "n_base"))
    rng = np.random.default_rng(0)
    size = min(len(x), MOST_DRAWN)
    at = np.where(x > 0, x, _column(floor)) * np.exp(rng.uniform(-1, 1, len(x)) * np.where(x > 0, 0.02, 0.22))
    up = y + rng.uniform(-1, 1, len(y)) * 0.006
    colours = [theme.colour(KINDS[change][0]) for change in found["change"][:size]]
    if len(x) <= MOST_WITH_BARS:
        lo0, hi0, lo1, hi1 = (np.array(found[k]) for k in ("base_lo", "base_hi", "tuned_lo", "tuned_hi"))
        thin = {"colors": colours, "alpha": 0.3, "linewidth": 0.7, "zorder": 2}
        ax.vlines(at, 100 * lo1, 100 * hi1, **thin)
        some = x > 0  # the column's own interval, 0 to p_U, is said on the axis
        thin["colors"] = [c for c, drawn in zip(colours, some, strict=True) if drawn]
        ax.hlines(100 * up[some], np.maximum(lo0[some], floor / 1.3), hi0[some], **thin)
    area = 16 + 20 * (n / max(n.max(), 1))
    dots = ax.scatter(
        at[:size],
        100 * up[:size],
        s=area[:size],
        c=colours,
        alpha=0.62,
        linewidths=0,
        clip_on=False,
        zorder=3,
    )
    dots.set_gid("points")


def _column(floor: float) -> float:
    return floor / 2.6


def _curve(ax: Axes, K: int, floor: float) -> None:
    x = np.geomspace(floor, 1, 200)
    ax.plot(x, 100 * x, color=theme.colour("muted"), linewidth=1, linestyle=(0, (4, 3)))
    ax.plot(
        x, 100 * -np.expm1(K * np.log1p(-np.minimum(x, 1 - 1e-12))), color=theme.colour("ink"), linewidth=1
    )


def _axes(ax: Axes, floor: float, bound: float) -> None:
    """The column of c = 0 says below it up to where the base rate may lie, p_U = 1 − α^{1/n}."""
    unseen = f"0 of n\n(p ≤ {number(100 * bound, '.2g')})"
    left = _column(floor) / 1.9
    ax.set_xscale("log")
    ax.set_xlim(left, 1.15)
    ax.set_ylim(-3, 103)
    ax.add_patch(
        Rectangle((left, -3), floor / 1.35 - left, 106, color=theme.colour("rule"), alpha=0.35, linewidth=0)
    )
    ticks = [t for t in (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1) if t >= floor]
    ax.xaxis.set_major_locator(FixedLocator([_column(floor), *ticks]))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(FuncFormatter(lambda v, _: unseen if v < floor else f"{100 * v:g}"))
    ax.set_xlabel("base success rate, points")
    ax.set_ylabel("tuned success rate, points")


def _margins(top: Axes, side: Axes, x: np.ndarray, y: np.ndarray, floor: float) -> None:
    bins = np.concatenate([[_column(floor) / 1.4, floor / 1.35], np.geomspace(floor, 1.0, 13)])
    top.hist(np.where(x > 0, x, _column(floor)), bins=bins.tolist(), color=theme.colour("base"), rwidth=0.92)
    side.hist(
        100 * y,
        bins=list(range(0, 101, 5)),
        orientation="horizontal",
        color=theme.colour("tuned"),
        rwidth=0.9,
    )
    top.tick_params(axis="x", labelbottom=False, length=0)
    side.tick_params(axis="y", labelleft=False, length=0)
    for ax in (top, side):
        ax.grid(visible=False)
    top.set_ylabel("problems", fontsize=9)
    side.set_xlabel("problems", fontsize=9)


def _legend(ax: Axes, changes: list[Change]) -> list[Any]:
    handles = []
    for kind, (colour, label) in KINDS.items():
        if count := changes.count(kind):
            text = f"{label} ({count})"
            handles += ax.plot([], [], "o", ms=6, color=theme.colour(colour), label=text, alpha=0.8)
    return handles


def _with_problems(drawn: str, name: str, count: int) -> str:
    """Numbers the points' elements: matplotlib writes one for each, in the order of the data, drawn out or as the use
    of a path that it has defined before."""
    start = drawn.index(f'id="{name}-points"')
    end = _end_of_group(drawn, start)
    start = max(start, drawn.rfind("</defs>", start, end))
    element = "<use " if "<use " in drawn[start:end] else "<path "
    numbers = iter(range(count))
    points, number = re.subn(
        element, lambda _: f'{element}data-problem="{next(numbers)}" ', drawn[start:end], count=count
    )
    if number != count:
        raise RuntimeError(f"the drawing of {count} problems has {number} points")
    return drawn[:start] + points + drawn[end:]


def _end_of_group(drawn: str, start: int) -> int:
    """Where the group ends in whose opening tag `start` lies."""
    depth = 1
    for mark in re.finditer(r"<g\b|</g>", drawn[start:]):
        depth += 1 if mark[0] == "<g" else -1
        if depth == 0:
            return start + mark.start()
    raise RuntimeError("a group of the drawing does not end")


def _see(changes: list[Change]) -> str:
    count = {kind: changes.count(kind) for kind in KINDS}
    zero = count["unresolved"] + count["certified"] + count["unsolved"]
    text = (
        f"{count['search'] + count['beyond']} problems got better among those that the base solves at times, "
        f"{count['worse']} worse. Between the two curves lies what search within the budget explains; "
        f"{count['beyond'] or 'none'} of them lie above it beyond noise."
    )
    if zero:
        opened = count["unresolved"] + count["certified"]
        text += (
            f" Of {counted(zero, 'problem')} with no base success, {opened} {'is' if opened == 1 else 'are'} solved at "
            "times after training; "
            f"expansion is certified for {count['certified']}."
        )
    return text + " A click on a point opens the problem's rollouts where the page holds some."


def _rows(found: Problems) -> list[list[Any]]:
    said = [KINDS[change][1] for change in found["change"]]
    columns = (
        *(found["problem_id"], found["n_base"], found["c_base"], found["n_tuned"], found["c_tuned"]),
        *(found["base"], found["base_lo"], found["base_hi"]),
        *(found["tuned"], found["tuned_lo"], found["tuned_hi"], said),
    )
    return [list(row) for row in zip(*columns, strict=True)]
