"""Figure 4: what the distance from the base bought, against the most that it could have bought."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes

from rlvr.analysis.estimate import real
from rlvr.analysis.sections.distance import CertainSuccess, Distance
from rlvr.report.figures import Panel, View, pct, theme
from rlvr.report.figures.tables import interval
from rlvr.report.schema import distance_of
from rlvr.text import number

Link = Literal["kl_bernoulli", "kl_within_verified", "kl_within_unverified"]
Quantity = Literal[
    Link,
    "kl_pi_p0",
    "kl_pi_p0_k3",
    "kl_verified",
    "kl_target_pi",
    "efficiency",
    "certain_success",
    "ess",
    "ess_verified",
]
Runs = Mapping[str, Distance]

CHAIN: dict[Link, tuple[str, str]] = {
    "kl_bernoulli": ("success: kl(q‖p)", "within"),
    "kl_within_verified": ("among verified: q · KL(π_V‖π*)", "expansion"),
    "kl_within_unverified": ("among failures: (1 − q) · KL", "unresolved"),
}
COLUMNS = ("run", "quantity", "value", "se", "lo", "hi", "status")
QUANTITIES: tuple[Quantity, ...] = (
    "kl_pi_p0",
    "kl_pi_p0_k3",
    *CHAIN,
    "kl_verified",
    "kl_target_pi",
    "efficiency",
    "certain_success",
    "ess",
    "ess_verified",
)


def panel(view: View) -> Panel:
    name, short, title = "frontier", "Frontier", "Distance from the base, and what it bought"
    runs = {run: d for run, c in view.comparisons.items() if (d := distance_of(c))}
    if view.main not in runs:
        why = (
            "Needs each completion's log-probability under base and tuned policy (key logprobs), sampled at "
        )
        return Panel(name, short, title, missing=why + "top-p 1; a run of this pipeline writes them.")
    with theme.drawing(name):
        figure, axes = theme.canvas(7.4, 3.7, ncols=2, width_ratios=[1.9, 1])
        _frontier(axes[0], view, runs)
        _chain(axes[1], runs)
        figure.legend(loc="outside upper left", ncols=3, handlelength=1.4, columnspacing=1.2)
        drawing = theme.svg(figure, name)
    return Panel(
        name,
        short,
        title,
        see=_see(runs[view.main]),
        caption="Left: mean over problems; the curve is the family π_β ∝ p0 exp(V/β), β shared by all "
        "problems, the most success that a distance can buy. "
        + _price(runs[view.main]["certain_success"])
        + "Right: the chain rule splits the distance; a "
        "part estimated below 0 is noise around 0. Intervals: cluster bootstrap over problems. "
        "Log-probabilities are those of the sampling distribution.",
        columns=COLUMNS,
        rows=_rows(runs),
        drawing=drawing,
    )


def _frontier(ax: Axes, view: View, runs: Runs) -> None:
    curve = _curve(runs[view.main])
    far = max(real(end) for d in runs.values() for end in (d["kl_pi_p0"]["value"], d["kl_pi_p0"]["hi"]))
    certain = runs[view.main]["certain_success"]
    price = real(certain["value"])
    inside = [(kl, q) for kl, q in curve if kl <= max(1.6 * far, 1.1 * np.nan_to_num(price), 0.1)]
    ax.plot(
        [kl for kl, _ in inside],
        [pct(q) for _, q in inside],
        color=theme.colour("ink"),
        linewidth=1.4,
        label="best reachable",
    )
    if not np.isnan(price):
        zero = number(100 * real(certain["share_base_zero"]), ".0f")
        label = f"mean ln(1/p̂); c0 = 0 on {zero} %"
        ax.axvline(price, color=theme.colour("muted"), linewidth=1.2, linestyle=(0, (4, 3)), label=label)
    base = pct(view.policies[view.base]["pass_at_k"]["1"]["value"])
    ax.plot(0, base, "o", color=theme.colour("base"), label=view.base)
    labels = {view.labels[run]: run for run in reversed([*runs])}  # of several seeds the first has the entry
    for run, distance in runs.items():
        style, label = view.styles[run], view.labels[run]
        kl, rate = distance["kl_pi_p0"], view.policies[run]["pass_at_k"]["1"]
        x, y = real(kl["value"]), pct(rate["value"])
        ax.plot([real(kl["lo"]), real(kl["hi"])], [y, y], color=style["color"], linewidth=1)
        ax.plot([x, x], [pct(rate["lo"]), pct(rate["hi"])], color=style["color"], linewidth=1)
        ax.plot(x, y, "o", color=style["color"], label=label if labels[label] == run else None)
        eta = distance["efficiency"]["value"]
        if eta is not None and run == view.main:  # of the others, the table: labels would lie on each other
            ax.annotate(f"η = {number(eta, '.2f')}", (x, y), (7, -12), textcoords="offset points", fontsize=9)
    ax.set_xlabel("KL(π‖p0), nats per problem")
    ax.set_ylabel("pass@1, points")
    ax.set_ylim(0, 102)


def _price(certain: CertainSuccess) -> str:
    """What the vertical line says."""
    zero = f"{number(100 * np.nan_to_num(real(certain['share_base_zero'])), '.1f')} % of the problems have c0 = 0"
    if certain["value"] is None:
        return f"No vertical line at mean ln(1/p̂): {zero}. "
    return (
        f"Vertical line: mean ln(1/p̂) = {interval(certain, 1, '.2f')} nats, what certain success costs on problems "
        f"with p̂ = c0/n0 > 0; {zero} and are not in it. "
    )


def _curve(distance: Distance) -> list[tuple[float, float]]:
    """(mean KL, mean success) over all problems: those whose base rate is 0 as far as anybody knows are moved
    by no β and spend nothing."""
    sources = distance["base_rate_from"]
    problems = sum(sources[name] for name in ("both", "counts", "importance", "few_counts", "none"))
    known = 1 - sources["none"] / problems
    return [(known * point["kl"], known * point["q"]) for point in distance["frontier"]]


def _chain(ax: Axes, runs: Runs) -> None:
    for x, distance in enumerate(runs.values()):
        up = down = 0.0
        for key, (label, colour) in CHAIN.items():
            value = real(distance[key]["value"])
            if value != value:
                continue
            start = up if value >= 0 else down
            ax.bar(
                x,
                value,
                bottom=start,
                width=0.55,
                color=theme.colour(colour),
                label=label if x == 0 else None,
                linewidth=0,
            )
            up, down = (up + value, down) if value >= 0 else (up, down + value)
    ax.axhline(0, color=theme.colour("ink"), linewidth=0.8)
    ax.set_xticks(range(len(runs)), [run.replace("step-", "") for run in runs])
    ax.set_xlim(-0.8, max(len(runs), 2) - 0.2)
    ax.grid(axis="x", visible=False)
    ax.set_ylabel("nats per problem")


def _see(a: Distance) -> str:
    text = f"The tuned policy lies {interval(a['kl_pi_p0'], 1, '.2f')} nats from the base. "
    if a["efficiency"]["value"] is not None:
        text += (
            f"KL efficiency η = {interval(a['efficiency'], 1, '.2f')}: that share of the distance went "
            "into success, "
            "the rest into style or lost variety. "
        )
    forward = a["kl_verified"]
    if forward["value"] is None:
        return text + "Its distance from the verified posterior cannot be estimated from these samples."
    return text + (
        "Among its verified traces it is "
        f"{interval(forward, 1, '.2f')} nats from the base's verified posterior, KL(π_V‖π*), with an "
        "effective "
        f"sample size of {number(a['ess_verified']['value'], '.0f')} per problem"
        + (f" ({forward['excluded']} problems say nothing about it)." if forward["excluded"] else ".")
    )


def _rows(runs: Runs) -> list[list[Any]]:
    rows: list[list[Any]] = []
    for run, a in runs.items():
        for quantity in QUANTITIES:
            e = a[quantity]
            rows.append([run, quantity, e["value"], e["se"], e["lo"], e["hi"], e["status"]])
        rows.append(
            [run, "share of problems with c0 = 0", a["certain_success"]["share_base_zero"], *[None] * 4]
        )
        rows += [[run, f"frontier at β = {p['beta']}: KL", p["kl"], *[None] * 4] for p in a["frontier"]]
        rows += [[run, f"frontier at β = {p['beta']}: q", p["q"], *[None] * 4] for p in a["frontier"]]
    return rows
