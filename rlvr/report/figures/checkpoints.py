"""Figure 5, second part: the evaluations during training, each compared with the base."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any, NamedTuple

from matplotlib.axes import Axes

from rlvr.analysis.estimate import EstimateJson, Number, real
from rlvr.analysis.evidence import LogOdds
from rlvr.analysis.sections.compare import Comparison
from rlvr.report.figures import Panel, View, clock, pct, theme
from rlvr.report.kinds import PARTS, told
from rlvr.report.schema import distance_of
from rlvr.text import is_step, points, step_of

COLUMNS = ("step", "policy", "quantity", "value", "se", "lo", "hi", "status")


class At(NamedTuple):
    """An evaluation on the way."""

    policy: str
    comparison: Comparison


Runs = dict[int, At]


class Point(NamedTuple):
    """What is drawn of an estimate at one step."""

    value: Number
    lo: Number
    hi: Number
    se: Number = None
    status: str | None = None

    @classmethod
    def of(cls, e: EstimateJson | None) -> Point:
        return cls(e["value"], e["lo"], e["hi"], e["se"], e["status"]) if e else cls(None, None, None)


Line = dict[int, Point]
"""By step."""


def panel(view: View) -> Panel:
    name, short, title = "steps", "Steps", "What training bought, step by step"
    main = view.comparison
    steps = [n for n in view.document["comparisons"] if is_step(n)]
    if not main or not steps:
        return Panel(name, short, title, missing="Needs evaluations during training (step-N.jsonl).")
    last = max([*(row["step"] for row in view.training if isinstance(row.get("step"), int)), 0])
    runs = {
        step_of(name): At(name, view.document["comparisons"][name]) for name in sorted(steps, key=step_of)
    }
    if is_step(view.main):  # the newest evaluation of a run that is going on
        runs[step_of(view.main)] = At(view.main, main)
    elif last > max(runs):
        runs[last] = At(view.main, main)
    series = {
        title: lines for title, lines in _series(view, runs).items() if any(map(_known, lines.values()))
    }
    lacking = [title.split(",")[0] for title in _series(view, runs) if title not in series]
    with theme.drawing(name):
        high = -(-(2 + len(series)) // 3)
        figure, axes = theme.canvas(7.4, 0.5 + 2.1 * high, nrows=high, ncols=3)
        _rates(axes[0], view, runs, str(main["compression"]["search_budget"]))
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
        f"{points(end)} at step {max(runs)}; what lies above it is of another kind, below 0 is forgetting.",
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
    return f" Not drawn: {', '.join(titles)} ({why})."


def _series(view: View, runs: Runs) -> dict[str, dict[str, Line]]:
    """Title of a small panel → label of a line → step → estimate."""
    distances = {step: distance_of(at.comparison) for step, at in runs.items()}
    policies = {0: view.base, **{step: at.policy for step, at in runs.items()}}
    found = {step: view.policies[policy]["diversity"]["answers"] for step, policy in policies.items()}
    answers = {step: a if a["status"] == "ok" else None for step, a in found.items()}
    k = next((a["rarefied_k"] for a in answers.values() if a), "n")
    return {
        f"distinct answers among {k}": {
            "": {step: Point.of(a and a["rarefied"]) for step, a in answers.items()}
        },
        "KL(π‖p0), nats": {"": {step: Point.of(d and d["kl_pi_p0"]) for step, d in distances.items()}},
        "to the verified posterior, nats": {
            "KL(π_V‖π*)": {step: Point.of(d and d["kl_verified"]) for step, d in distances.items()},
            "KL(π*‖π)": {step: Point.of(d and d["kl_target_pi"]) for step, d in distances.items()},
        },
        "β_eff, 1/nats": {
            "": {step: beta_eff(at.comparison["evidence"]["pooled"]) for step, at in runs.items()}
        },
    }


def beta_eff(pooled: LogOdds) -> Point:
    """With no interval where β_eff is unbounded."""
    lo, hi = pooled["beta_eff_lo"], pooled["beta_eff_hi"]
    status = "unbounded" if lo is None or hi is None else pooled["status"]
    return Point(pooled["beta_eff"], lo, hi, status=status)


def _known(line: Line) -> bool:
    return any(e.value is not None for e in line.values())


def _lines(ax: Axes, title: str, lines: Mapping[str, Line]) -> None:
    for (label, line), colour in zip(lines.items(), ("tuned", "run2"), strict=False):
        _line(ax, line, colour, label, real)
    ax.set_title(title, fontsize=9, fontweight="normal")
    if len(lines) > 1:
        ax.legend(fontsize=7)


def _line(ax: Axes, line: Line, colour: str, label: str, scaled: Callable[[Number], float]) -> None:
    held = {step: e for step, e in line.items() if e.value is not None}
    xs, shade = list(held), theme.colour(colour)
    ax.plot(xs, [scaled(e.value) for e in held.values()], "o-", ms=3.5, color=shade, label=label or None)
    lo, hi = ([scaled(e.lo) for e in held.values()], [scaled(e.hi) for e in held.values()])
    ax.fill_between(xs, lo, hi, color=shade, alpha=0.15, linewidth=0)


def _rates(ax: Axes, view: View, runs: Runs, k: str) -> None:
    at = {0: view.base, **{step: at.policy for step, at in runs.items()}}
    for key, colour in dict.fromkeys((("1", "tuned"), (k, "run2"))):
        curves = {step: view.policies[policy]["pass_at_k"].get(key) for step, policy in at.items()}
        _line(ax, {step: _fixed(e) for step, e in curves.items() if e}, colour, f"pass@{key}", pct)
    ax.set_title("held-out pass@k, points", fontsize=9, fontweight="normal")
    ax.legend(fontsize=7, loc="lower right")


def _fixed(e: EstimateJson) -> Point:
    """The estimate with the interval for these problems only."""
    se = e.get("se_fixed")
    if se is None:
        return Point(e["value"], None, None)
    value = real(e["value"])
    return Point(e["value"], value - 1.96 * real(se), value + 1.96 * real(se), se)


def _parts(ax: Axes, runs: Runs) -> None:
    xs = list(runs)
    width = 0.6 * min([b - a for a, b in pairwise(xs)], default=1)
    bottom = [0.0] * len(runs)
    held = [told(at.comparison["compression"]) for at in runs.values()]
    for part in PARTS:
        high = [pct(parts[part]["value"]) if part in parts else 0.0 for parts in held]
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
    points: dict[tuple[int, str, str], Point] = {}
    for step, policy in {0: view.base, **{step: at.policy for step, at in runs.items()}}.items():
        curve = view.policies[policy]["pass_at_k"]
        points |= {(step, policy, f"pass@{k}"): Point.of(e) for k, e in curve.items()}
        points |= {(step, policy, f"pass@{k}, these problems only"): _fixed(e) for k, e in curve.items()}
        if step in runs:
            parts = runs[step].comparison["compression"]
            points |= {(step, policy, part): Point.of(e) for part, e in told(parts).items()}
            points[step, policy, "forgetting"] = Point.of(parts["forgetting"])
            points[step, policy, "k*"] = Point.of(runs[step].comparison["k_star"])
    for title, lines in _series(view, runs).items():
        for label, line in lines.items():
            for step, e in line.items():
                policy = runs[step].policy if step in runs else view.base
                points[step, policy, label or title.split(",")[0]] = e
    ordered = sorted(points.items(), key=lambda item: item[0][0])
    return [[*key, e.value, e.se, e.lo, e.hi, e.status] for key, e in ordered]
