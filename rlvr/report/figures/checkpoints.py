"""Figure 5, second part: the evaluations during training, each compared with the base."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any, NamedTuple

from matplotlib.axes import Axes

from rlvr.report.figures import Panel, View, clock, pct, theme
from rlvr.text import points

PARTS = ("within", "beyond", "unresolved", "expansion")
COLUMNS = ("step", "policy", "quantity", "value", "se", "lo", "hi", "status")


class At(NamedTuple):
    """An evaluation on the way."""

    policy: str
    comparison: Mapping[str, Any]


Runs = dict[int, At]


def panel(view: View) -> Panel:
    name, short, title = "steps", "Steps", "What training bought, step by step"
    found = {
        int(m[1]): n for n in view.document.get("comparisons") or {} if (m := re.search(r"step-(\d+)$", n))
    }
    if not found:
        return Panel(name, short, title, missing="Needs evaluations during training (step-N.jsonl).")
    last = max([*(row["step"] for row in view.training if isinstance(row.get("step"), int)), 0])
    runs = {step: At(policy, view.document["comparisons"][policy]) for step, policy in sorted(found.items())}
    if last > max(runs):
        runs[last] = At(view.main, view.comparison)
    series = {
        title: lines for title, lines in _series(view, runs).items() if any(map(_known, lines.values()))
    }
    lacking = [title.split(",")[0] for title in _series(view, runs) if title not in series]
    with theme.drawing(name):
        high = -(-(2 + len(series)) // 3)
        figure, axes = theme.canvas(7.4, 0.5 + 2.1 * high, nrows=high, ncols=3)
        _rates(axes[0], view, runs)
        _parts(axes[1], runs)
        for ax, (label, lines) in zip(axes[2:], series.items(), strict=False):
            _lines(ax, label, lines)
        for ax in axes[: 2 + len(series)]:
            ax.tick_params(labelsize=8)
            clock.step_axis(ax, view.training)
        for ax in axes[2 + len(series) :]:
            ax.set_visible(False)
        drawing = theme.svg(figure, name)
    first, end = (runs[step].comparison["compression"]["within"]["value"] for step in (min(runs), max(runs)))
    return Panel(
        name,
        short,
        title,
        see=f"Compression within the budget goes from {points(first)} points at step {min(runs)} to "
        f"{points(end)} at step {max(runs)}; what stands above it is of another kind, below 0 is forgetting.",
        caption="Evaluations during training may have fewer samples: wider intervals, shorter curves. Bands of the "
        "rates: ± 1.96 standard errors of the fixed benchmark (none where n < 2k); of the others: 95 %, cluster "
        "bootstrap over problems. KL(π*‖π) rests on weighted samples of the checkpoint, at the end on the base's own "
        f"samples. {clock.WHAT}" + _lacking(lacking),
        columns=COLUMNS,
        rows=_rows(view, runs),
        drawing=drawing,
    )


def _lacking(titles: list[str]) -> str:
    if not titles:
        return ""
    why = "they need log-probabilities under the base in the evaluations, or enough samples"
    return f" Not here: {', '.join(titles)} ({why})."


def _series(view: View, runs: Runs) -> dict[str, dict[str, dict[int, Mapping[str, Any]]]]:
    """Title of a small panel → label of a line → step → estimate."""

    def distance(key: str) -> dict[int, Mapping[str, Any]]:
        held = {step: at.comparison.get("alignment") or {} for step, at in runs.items()}
        return {step: alignment.get(key) or {} for step, alignment in held.items()}

    policies = {0: "base", **{step: at.policy for step, at in runs.items()}}
    answers = {step: view.policies[policy]["diversity"]["answers"] for step, policy in policies.items()}
    k = next((found["rarefied_k"] for found in answers.values() if "rarefied_k" in found), "n")
    return {
        f"distinct answers among {k}": {"": {step: a.get("rarefied") or {} for step, a in answers.items()}},
        "KL(π‖p0), nats": {"": distance("kl_pi_p0")},
        "to the verified posterior, nats": {
            "KL(π_V‖π*)": distance("kl_verified"),
            "KL(π*‖π)": distance("kl_target_pi"),
        },
        "β_eff, 1/nats": {
            "": {step: beta_eff(at.comparison["evidence"]["pooled"]) for step, at in runs.items()}
        },
    }


def beta_eff(pooled: Mapping[str, Any]) -> dict[str, Any]:
    """1/evidence with its interval: that of the evidence, inverted; none where it holds 0, as β_eff is unbounded."""
    value, lo, hi = pooled["beta_eff"], *(_float(pooled[end]) for end in ("lo", "hi"))
    bounded = lo * hi > 0
    return {
        "value": value,
        "lo": 1 / hi if bounded else None,
        "hi": 1 / lo if bounded else None,
        "status": pooled["status"] if bounded else "unbounded",
    }


def _known(line: Mapping[int, Mapping[str, Any]]) -> bool:
    return any(e.get("value") is not None for e in line.values())


def _float(value: Any) -> float:
    return math.nan if value is None else float(value)


def _lines(ax: Axes, title: str, lines: Mapping[str, Mapping[int, Mapping[str, Any]]]) -> None:
    for (label, line), colour in zip(lines.items(), ("tuned", "run2"), strict=False):
        _line(ax, {s: e for s, e in line.items() if e.get("value") is not None}, colour, label, _float)
    ax.set_title(title, fontsize=9, fontweight="normal")
    if len(lines) > 1:
        ax.legend(fontsize=7)


def _line(
    ax: Axes, held: Mapping[int, Mapping[str, Any]], colour: str, label: str, scaled: Callable[[Any], float]
) -> None:
    xs, shade = list(held), theme.colour(colour)
    ax.plot(xs, [scaled(e["value"]) for e in held.values()], "o-", ms=3.5, color=shade, label=label or None)
    lo, hi = ([scaled(e.get(end)) for e in held.values()] for end in ("lo", "hi"))
    ax.fill_between(xs, lo, hi, color=shade, alpha=0.15, linewidth=0)


def _rates(ax: Axes, view: View, runs: Runs) -> None:
    k = str(view.comparison["compression"]["search_budget"])
    at = {0: "base", **{step: at.policy for step, at in runs.items()}}
    for key, colour in dict.fromkeys((("1", "tuned"), (k, "run2"))):
        curves = {step: view.policies[policy]["pass_at_k"].get(key) for step, policy in at.items()}
        held = {step: _fixed(e) for step, e in curves.items() if e and e["value"] is not None}
        _line(ax, held, colour, f"pass@{key}", pct)
    ax.set_title("held-out pass@k, points", fontsize=9, fontweight="normal")
    ax.legend(fontsize=7, loc="lower right")


def _fixed(e: Mapping[str, Any]) -> dict[str, Any]:
    """The estimate with the interval for these problems only."""
    if e.get("se_fixed") is None:
        return {"value": e["value"], "lo": None, "hi": None}
    return {
        "value": e["value"],
        **{end: e["value"] + z * e["se_fixed"] for end, z in (("lo", -1.96), ("hi", 1.96))},
    }


def _parts(ax: Axes, runs: Runs) -> None:
    xs = list(runs)
    width = 0.6 * min([b - a for a, b in pairwise(xs)], default=1)
    bottom = [0.0] * len(runs)
    for part in PARTS:
        high = [pct(at.comparison["compression"][part]["value"]) for at in runs.values()]
        hatch = "////" if part == "unresolved" else None
        shade = theme.colour(part)
        ax.bar(xs, high, bottom=bottom, width=width, color=shade, label=part, hatch=hatch, linewidth=0)
        bottom = [b + h for b, h in zip(bottom, high, strict=True)]
    lost = [-pct(at.comparison["compression"]["forgetting"]["value"]) for at in runs.values()]
    ax.bar(xs, lost, width=width, color=theme.colour("forgetting"), label="forgetting", linewidth=0)
    ax.axhline(0, color=theme.colour("ink"), linewidth=0.8)
    ax.set_ylim(top=1.7 * max([*bottom, 1.0]))  # room for the legend
    ax.set_title("of which kind, points", fontsize=9, fontweight="normal")
    ax.legend(fontsize=7, ncols=2, loc="upper left", handlelength=0.9, columnspacing=0.8)
    ax.grid(axis="x", visible=False)


def _rows(view: View, runs: Runs) -> list[list[Any]]:
    quantities: dict[tuple[int, str, str], Mapping[str, Any]] = {}
    for step, (policy, comparison) in {0: At("base", {}), **runs}.items():
        curve = view.policies[policy]["pass_at_k"]
        quantities |= {(step, policy, f"pass@{k}"): e for k, e in curve.items()}
        quantities |= {
            (step, policy, f"pass@{k}, these problems only"): {**_fixed(e), "se": e.get("se_fixed")}
            for k, e in curve.items()
        }
        if comparison:
            parts = comparison["compression"]
            quantities |= {(step, policy, part): parts[part] for part in (*PARTS, "forgetting")}
            quantities[step, policy, "k*"] = comparison["k_star"]
    for title, lines in _series(view, runs).items():
        for label, line in lines.items():
            for step, e in line.items():
                policy = runs[step].policy if step in runs else "base"
                quantities[step, policy, label or title.split(",")[0]] = e
    fields = ("value", "se", "lo", "hi", "status")
    ordered = sorted(quantities.items(), key=lambda item: item[0][0])
    return [[*key, *(e.get(field) for field in fields)] for key, e in ordered]
