"""Figure 1: pass@k of every policy, and the paired difference below it, which carries the claim."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes

from rlvr.analysis.estimate import EstimateJson, real
from rlvr.analysis.sections.compare import Comparison
from rlvr.report.figures import MIN_SEEDS, SEVERAL, Panel, View, log2_axis, pct, theme
from rlvr.text import number, points

COLUMNS = ("series", "k", "value", "se", "lo", "hi", "se_fixed", "problems", "status")


def panel(view: View) -> Panel:
    name, title = "curves", "pass@k, and what training changed of it"
    if view.single:
        return Panel(name, "pass@k", title, missing=SEVERAL)
    with theme.drawing(name):
        c = view.comparison
        two = bool(c)
        figure, axes = theme.canvas(
            7.4,
            5.6 if two else 3.8,
            nrows=2 if two else 1,
            sharex=True,
            height_ratios=[2.1, 1] if two else [1],
        )
        top = max(int(k) for policy in view.policies.values() for k in policy["pass_at_k"])
        _curves(
            axes[0],
            view,
            {name: p["pass_at_k"] for name, p in view.policies.items()},
            {name: group["pass_at_k"] for name, group in view.groups.items()},
        )
        axes[0].set_ylim(_floor(view), 102)
        _false_positives(axes[0], c)
        log2_axis(axes[-1], top)
        axes[0].set_ylabel("pass@k, points")
        axes[-1].set_xlabel("k, samples (log₂)")
        if c:
            if not view.groups:
                _marks(axes[0], c, pct(view.policies[view.main]["pass_at_k"]["1"]["value"]))
            _difference(axes[1], view, c)
        figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper left", ncols=3)
        drawing = theme.svg(figure, name)
    return Panel(
        name,
        "pass@k",
        title,
        see=_see(view),
        caption="Bands: 95 % cluster bootstrap over problems, base and tuned of a problem kept together.",
        columns=COLUMNS,
        rows=_rows(view),
        drawing=drawing,
    )


def _floor(view: View) -> float:
    """Where the axis begins: 0, unless everything lies far above."""
    lowest = min(pct(e["value"]) for policy in view.policies.values() for e in policy["pass_at_k"].values())
    return 0 if lowest < 45 else 10 * (lowest // 10) - 10


Curves = Mapping[str, Mapping[str, EstimateJson]]


def _curves(ax: Axes, view: View, curves: Curves, of_groups: Curves) -> None:
    """Every policy's curve, with a band for base and the main policy; of several seeds each one thin, their
    mean thick (a band would mix the seeds into it)."""
    means = {name: g for name, g in view.groups.items() if len(g["runs"]) >= MIN_SEEDS}
    seeds = {run for group in means.values() for run in group["runs"]}
    for policy, curve in curves.items():
        ks, values = _line(curve)
        style, main = view.styles[policy], policy in (view.base, view.main)
        if policy in seeds:
            ax.plot(ks, values, lw=0.8, alpha=0.55, **style)
            continue
        ax.plot(
            ks,
            values,
            marker="o",
            ms=3 if main else 2,
            lw=2 if main else 1.2,
            label=policy,
            **style,
        )
        if main:  # bands of every checkpoint would hide each other; their intervals are in the table
            lo, hi = ([pct(e["lo"]) for e in curve.values()], [pct(e["hi"]) for e in curve.values()])
            ax.fill_between(ks, lo, hi, color=style["color"], alpha=0.16, linewidth=0)
    for name, group in means.items():
        ks, mean = _line({k: e for k, e in of_groups[name].items() if e["value"] is not None})
        label = f"{name}: mean of {len(group['runs'])} seeds"
        ax.plot(ks, mean, marker="o", ms=3, lw=2.4, label=label, **view.styles[group["runs"][0]])


def _line(curve: Mapping[str, EstimateJson]) -> tuple[list[int], list[float]]:
    return [int(k) for k in curve], [pct(e["value"]) for e in curve.values()]


def _marks(ax: Axes, c: Comparison, target: float) -> None:
    """k*: from tuned pass@1 across to the base's curve and down; and where the base overtakes."""
    star, cross = c["k_star"], c["crossover"]
    at = real(star["value"])
    line = {"color": theme.colour("muted"), "linewidth": 1, "linestyle": (0, (2, 2))}
    text = {"color": theme.colour("ink"), "fontsize": 9}
    if at >= 1:
        ax.plot([1, at, at], [target, target, ax.get_ylim()[0]], **line)
        ax.annotate(
            f"k* = {number(at)}",
            (at, target),
            (6, -14),
            textcoords="offset points",
            **text,
        )
    elif star["status"] == "censored_right":
        bound = star.get("bound") or 1
        ax.annotate("", (bound, target), (1, target), arrowprops={"arrowstyle": "->"} | line)
        ax.annotate(
            f"k* > {bound}",
            (bound, target),
            (-6, -12),
            textcoords="offset points",
            ha="right",
            **text,
        )
    if cross["value"] is not None and cross["status"] != "base_ahead_at_1":
        k = str(int(real(cross["value"])))
        x = cross.get("k_real") or real(cross["value"])
        ax.axvline(x, color=theme.colour("forgetting"), linewidth=1, linestyle=(0, (4, 3)))
        ax.annotate(
            f"base ahead from k = {k}", (x, ax.get_ylim()[0]), (5, 6), textcoords="offset points", **text
        )


def _false_positives(ax: Axes, c: Comparison | None) -> None:
    """What a policy that is never right would show with the verifier's false positives: the largest audited rate, or
    one in a thousand, assumed, where nobody audited it."""
    if not c:
        return
    noise = c["noise"]
    rate = "0.001" if noise["fpr_assumed"] else max(noise["fpr_floor"], key=float)
    floor, how = noise["fpr_floor"].get(rate), "assumed" if noise["fpr_assumed"] else "audited"
    if floor and 100 * max(floor.values()) > ax.get_ylim()[0]:
        ks, values = [int(k) for k in floor], [pct(v) for v in floor.values()]
        label = f"never right, {number(100 * float(rate))} % false positives ({how})"
        ax.plot(ks, values, ":", lw=1, color=theme.colour("muted"), label=label)


def _difference(ax: Axes, view: View, main: Comparison) -> None:
    _curves(
        ax,
        view,
        {name: c["difference"] for name, c in view.comparisons.items()},
        {name: group["difference"] for name, group in view.groups.items()},
    )
    ax.axhline(0, color=theme.colour("ink"), linewidth=0.8)
    ax.set_ylabel("tuned − base,\npoints, paired")
    cross = main["crossover"]
    if cross["status"] == "censored_right" and not view.groups:
        ax.set_title(
            f"no crossing up to k = {cross.get('bound')}", loc="right", fontsize=9, fontweight="normal"
        )


def _see(view: View) -> str:
    c = view.comparison
    if not c:
        return "One policy: the chance that at least one of k samples is right."
    gain, star, cross = c["gain"], c["k_star"], c["crossover"]
    start = f"{view.main}, the first run, one sample" if view.groups else "One sample"
    text = (
        f"{start}: {points(gain['value'], sign=True)} points "
        f"({points(gain['lo'], sign=True)} to {points(gain['hi'], sign=True)}); the lower panel shows at "
        "which k "
        "that lead is still there. "
    )
    if star["status"] == "censored_right":
        text += f"Even {star.get('bound')} base samples are worth less than one tuned sample. "
    elif star["value"] is not None and real(star["value"]) >= 1:
        worth = f"base samples that one tuned sample is worth: k* = {number(star['value'])}. "
        text += f"The {worth}" if view.groups else f"The dotted line finds the {worth}"
    if cross["value"] is None:
        bound = cross.get("bound")
        return text + (f"The base never overtakes up to k = {bound}." if bound else "")
    first = cross.get("first_significant")
    sure = f"beyond noise from k = {first}" if first else "nowhere beyond noise"
    return text + f"The base is ahead from k = {number(cross['value'])} on, {sure}."


def _rows(view: View) -> list[list[Any]]:
    rows = [_row(name, k, e) for name, p in view.policies.items() for k, e in p["pass_at_k"].items()]
    for name, comparison in view.comparisons.items():
        rows += [_row(f"{name} − base", k, e) for k, e in comparison["difference"].items()]
    return rows


def _row(series: str, k: str, e: EstimateJson) -> list[Any]:
    return [series, int(k), e["value"], e["se"], e["lo"], e["hi"], e.get("se_fixed"), e["used"], e["status"]]
