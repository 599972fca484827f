"""Figure 5, second part: the evaluations during training, each compared with the base."""

from __future__ import annotations

import re
from typing import Any

from rlvr.report.figures import Panel, View, pct, theme
from rlvr.report.text import points

PARTS = ("within", "beyond", "unresolved", "expansion")
COLUMNS = ("step", "policy", "quantity", "value", "se", "lo", "hi", "status")


def panel(view: View) -> Panel:
    name, short, title = "steps", "Steps", "What training bought, step by step"
    found = {
        int(m[1]): n for n in view.document.get("comparisons") or {} if (m := re.search(r"step-(\d+)$", n))
    }
    if not found:
        return Panel(name, short, title, missing="Needs evaluations during training (step-N.jsonl).")
    last = max([*(row["step"] for row in view.training if isinstance(row.get("step"), int)), 0])
    runs = {step: (policy, view.document["comparisons"][policy]) for step, policy in sorted(found.items())}
    if last > max(runs):
        runs[last] = (view.main, view.comparison)
    with theme.drawing(name):
        figure, axes = theme.canvas(7.4, 3.1, ncols=2)
        _rates(axes[0], view, runs)
        _parts(axes[1], runs)
        for ax in axes:
            ax.set_xlabel("step")
        figure.legend(loc="outside upper left", ncols=5, handlelength=1.2, columnspacing=1.2)
        drawing = theme.svg(figure, name)
    first, end = (runs[step][1]["compression"]["within"]["value"] for step in (min(runs), max(runs)))
    return Panel(
        name,
        short,
        title,
        see=f"Compression within the budget goes from {points(first)} points at step {min(runs)} to "
        f"{points(end)} at step {max(runs)}; what stands above it is of another kind, below 0 is forgetting.",
        caption="Evaluations during training may have fewer samples: wider intervals, shorter curves.",
        columns=COLUMNS,
        rows=_rows(view, runs),
        drawing=drawing,
    )


def _rates(ax: Any, view: View, runs: dict[int, tuple[str, Any]]) -> None:
    k = str(view.comparison["compression"]["search_budget"])
    for key, colour in dict.fromkeys((("1", "tuned"), (k, "run2"))):
        at = [(0, "base"), *((step, policy) for step, (policy, _) in runs.items())]
        held = [(s, e) for s, policy in at if (e := view.policies[policy]["pass_at_k"].get(key))]
        xs, shade = [s for s, _ in held], theme.colour(colour)
        ax.plot(xs, [pct(e["value"]) for _, e in held], "o-", ms=3.5, color=shade, label=f"pass@{key}")
        lo, hi = ([pct(e[end]) for _, e in held] for end in ("lo", "hi"))
        ax.fill_between(xs, lo, hi, color=shade, alpha=0.15, linewidth=0)
    ax.set_ylabel("points")


def _parts(ax: Any, runs: dict[int, tuple[str, Any]]) -> None:
    xs = list(range(len(runs)))
    bottom = [0.0] * len(runs)
    for part in PARTS:
        high = [pct(c["compression"][part]["value"]) for _, c in runs.values()]
        hatch = "////" if part == "unresolved" else None
        ax.bar(
            xs, high, bottom=bottom, width=0.7, color=theme.colour(part), label=part, hatch=hatch, linewidth=0
        )
        bottom = [b + h for b, h in zip(bottom, high, strict=True)]
    lost = [-pct(c["compression"]["forgetting"]["value"]) for _, c in runs.values()]
    ax.bar(xs, lost, width=0.7, color=theme.colour("forgetting"), label="forgetting", linewidth=0)
    ax.axhline(0, color=theme.colour("ink"), linewidth=0.8)
    ax.set_xticks(xs, [str(step) for step in runs])
    ax.grid(axis="x", visible=False)


def _rows(view: View, runs: dict[int, tuple[str, Any]]) -> list[list[Any]]:
    rows = []
    for step, (policy, comparison) in runs.items():
        quantities = {f"pass@{k}": e for k, e in view.policies[policy]["pass_at_k"].items()}
        quantities |= {part: comparison["compression"][part] for part in (*PARTS, "forgetting")}
        quantities["k*"] = comparison["k_star"]
        for quantity, e in quantities.items():
            rows.append(
                [step, policy, quantity, *(e.get(key) for key in ("value", "se", "lo", "hi", "status"))]
            )
    return rows
