"""Figure 2: of which kind the gain is, as one bar per run."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.patches import Patch

from rlvr.analysis.estimate import EstimateJson
from rlvr.analysis.sections.compare import Comparison
from rlvr.analysis.sections.decomposition import Compression
from rlvr.report.figures import Panel, View, pct, theme
from rlvr.report.kinds import Part, told
from rlvr.report.prose import lost
from rlvr.report.words import counted
from rlvr.text import number, points

PARTS: dict[Part, str] = {
    "within": "compression within K",
    "beyond": "compression beyond K",
    "unresolved": "unresolved",
    "expansion": "expansion",
}
COLUMNS = ("run", "part", "value", "se", "lo", "hi", "problems", "status")


def panel(view: View) -> Panel:
    name, short, title = "decomposition", "Decomposition", "Of which kind the gain is"
    main = view.comparison
    if not main:
        return Panel(name, short, title, missing="Needs two evaluations: a base and a tuned policy.")
    if not told(main["compression"]):
        return Panel(name, short, title, missing="Needs several samples of the base per problem.")
    runs = view.comparisons
    with theme.drawing(name):
        figure, (ax,) = theme.canvas(7.4, 1.75 + 0.75 * len(runs))
        for y, comparison in enumerate(runs.values()):
            _bar(ax, y, comparison["compression"])
        ax.axvline(0, color=theme.colour("ink"), linewidth=0.9)
        ax.set_yticks(range(len(runs)), list(runs))
        ax.set_ylim(len(runs) - 0.45, -0.6)
        ax.grid(axis="y", visible=False)
        ax.spines["left"].set_visible(False)
        ax.tick_params(axis="y", length=0)
        ax.set_xlabel("points of pass@1 (gain to the right, forgetting to the left)")
        figure.legend(handles=_legend(ax), loc="outside upper left", ncols=3)
        drawing = theme.svg(figure, name)
    return Panel(
        name,
        short,
        title,
        see=_see(main["compression"]),
        caption=_caption(main),
        columns=COLUMNS,
        rows=[row for run, c in runs.items() for row in _rows(run, c)],
        drawing=drawing,
    )


_INSIDE: dict[str, Any] = {"color": theme.colour("ground"), "fontsize": 10, "fontweight": "bold"}


def _bar(ax: Axes, y: int, parts: Compression) -> None:
    held = told(parts)
    right, whole = 0.0, sum(pct(e["value"]) for e in held.values())
    for part, e in held.items():
        value = pct(e["value"])
        hatch = "////" if part == "unresolved" else None
        ax.barh(y, value, left=right, height=0.5, color=theme.colour(part), hatch=hatch, linewidth=0)
        if value > 0:
            _whisker(ax, y, right, e, part)
        if value > 0.12 * whole and part != "unresolved":
            ax.text(right + value / 2, y, points(e["value"]), ha="center", va="center", **_INSIDE)
        right += value
    ax.barh(y, -pct(parts["forgetting"]["value"]), height=0.5, color=theme.colour("forgetting"), linewidth=0)
    ends = [-pct(parts["forgetting"]["lo"]), -pct(parts["forgetting"]["hi"])]
    ax.plot(ends, [y + 0.31] * 2, color=theme.colour("forgetting"), linewidth=1.6, solid_capstyle="butt")
    floor = pct(parts["churn_floor"]["value"])
    for x in (floor, -floor):
        ax.plot([x, x], [y - 0.34, y + 0.34], color=theme.colour("ink"), linewidth=1.1)
    ax.plot(
        pct(parts["delta"]["value"]),
        y - 0.31,
        "D",
        color=theme.colour("ground"),
        mec=theme.colour("ink"),
        ms=7,
    )


def _whisker(ax: Axes, y: int, left: float, part: EstimateJson, name: str) -> None:
    """The part's own interval, drawn under its segment, from where the segment begins."""
    at = y + 0.31
    ax.plot(
        [left + pct(part["lo"]), left + pct(part["hi"])],
        [at, at],
        color=theme.colour(name),
        linewidth=1.6,
        solid_capstyle="butt",
    )


def _legend(ax: Axes) -> list[Any]:
    handles: list[Any] = [
        Patch(
            facecolor=theme.colour(part),
            hatch="////" if part == "unresolved" else None,
            label=label,
            linewidth=0,
        )
        for part, label in PARTS.items()
    ]
    handles.append(Patch(facecolor=theme.colour("forgetting"), label="forgetting", linewidth=0))
    ground, ink = theme.colour("ground"), theme.colour("ink")
    handles.append(
        ax.plot([], [], "D", color=ground, mec=ink, ms=6, label="Δ pass@1; ticks: churn floor")[0],
    )
    return handles


def _see(parts: Compression) -> str:
    k, held = parts["search_budget"], told(parts)
    within, beyond = counted(k, "base sample"), counted(k, "sample")
    text = (
        f"Of {points(parts['delta']['value'], sign=True)} points, {points(parts['within']['value'])} "
        f"({points(parts['within']['lo'])} to {points(parts['within']['hi'])}) are what {within} already "
        f"reach{'es' if k == 1 else ''}, {points(parts['beyond']['value'])} lie beyond {beyond} on problems that the "
        "base does solve"
    )
    if parts["base_zero"]:
        text += f", {points(held['unresolved']['value'])} cannot be resolved with {parts['n_base']} samples"
        if "expansion" in held:
            text += f", and {points(held['expansion']['value'])} are expansion"
    return f"{text}. {lost(parts)}"


def _caption(c: Comparison) -> str:
    parts = c["compression"]
    certified = parts["certified_simultaneous"]["count"]
    zero = parts["base_zero"]
    shared = f" shared among {zero} problems" if zero > 1 else ""
    text = (
        f"K = {parts['search_budget']}, n0 = {parts['n_base']}, α = {parts['alpha']:g}{shared}, "
        f"ρ_K = {number(c['ratio_gross']['value'])}, R_K = {number(c['ratio_net']['value'])}. "
        f"Certified expansion: {certified} of {zero} problems that the base never solved"
    )
    if zero:
        text += f" (B_U = {number(parts['reach'])})"
        text += "" if certified else ", so that nothing above it is shown and all of their gain is unresolved"
    if not parts["expansion_can_be_shown"]:
        text += (
            f"; with fewer than {16 * parts['search_budget']} base samples per problem it can hardly be shown"
        )
    residual = abs(parts["residual"] or 0)
    exactly = "exactly" if residual == 0 else f"to {number(residual, '.0e')}"
    return (
        f"{text}. The parts add up to Δ pass@1 {exactly}. Lines under the bar: 95 % intervals of the parts."
    )


def _rows(run: str, c: Comparison) -> list[list[Any]]:
    parts = c["compression"]
    rows: list[tuple[str, EstimateJson]] = [
        *told(parts).items(),
        ("forgetting", parts["forgetting"]),
        ("delta", parts["delta"]),
        ("headroom", parts["headroom"]),
        ("churn_floor", parts["churn_floor"]),
        ("compression_low", parts["compression_low"]),
        ("compression_high", parts["compression_high"]),
        ("expansion_high", parts["expansion_high"]),
        ("ratio_gross", c["ratio_gross"]),
        ("ratio_net", c["ratio_net"]),
        ("efficiency_gap", c["efficiency_gap"]),
    ]
    return [[run, name, e["value"], e["se"], e["lo"], e["hi"], e["used"], e["status"]] for name, e in rows]
