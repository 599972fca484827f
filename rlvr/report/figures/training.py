"""Figure 5: the run itself, step by step, as metrics.jsonl has it."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from itertools import cycle
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from rlvr.report.figures import Panel, View, clock, theme
from rlvr.report.figures.verdicts import COLOURS
from rlvr.report.words import counted
from rlvr.text import is_step, number, points

EXPECTED = "expected_mixed_share"
"""Not logged but computed by the analysis from what is; see `rlvr.analysis.sections.training`."""
NAMES = {
    "mixed_share": "observed",
    EXPECTED: "1 − p^G − (1 − p)^G",
    "entropy": "trained on",
    "entropy/sampled": "all, estimated",
}

# Title of a small panel → keys of metrics.jsonl, and what multiplies them.
PANELS: tuple[tuple[str, dict[str, str], float], ...] = (
    ("train reward, points", {"reward": "tuned"}, 100),
    ("held-out pass@k, points", {"eval/pass@*": "tuned"}, 100),
    ("groups with both outcomes, %", {"mixed_share": "tuned", EXPECTED: "ink"}, 100),
    ("token entropy, nats", {"entropy": "run2", "entropy/sampled": "run3"}, 1),
    ("KL to the base, nats", {"kl": "run3"}, 1),
    ("completion length, tokens", {"completion_length": "ink"}, 1),
    ("cut by the token limit, %", {"truncated_share": "forgetting"}, 100),
    ("verdicts, %", {"status/*": "within"}, 100),
    ("clipped ratios, %", {"clipped_share": "run4"}, 100),
    (
        "seconds per step",
        {"seconds/sampling": "tuned", "seconds/verifying": "run4", "seconds/update": "run3"},
        1,
    ),
)
OF_SOURCES: tuple[tuple[str, dict[str, str], float], ...] = (
    ("train reward by source, points", {"reward/SOURCE": "tuned"}, 100),
    ("both outcomes by source, %", {"mixed_share/SOURCE": "tuned"}, 100),
)
"""The same, where the run trained on several sources."""
WINDOW = 10


def panel(view: View) -> Panel:
    name, short, title = "training", "Training", "The training run"
    rows = _with_expected(view)
    with_bands = any(
        is_step(policy) for policy in view.names
    )  # the next figure shows the held-out rates then
    panels = [p for p in PANELS if not (with_bands and "eval/pass@*" in p[1])]
    if sources_in(rows):
        panels[1:1] = OF_SOURCES
    drawn = [(t, found, scale) for t, keys, scale in panels if (found := _found(rows, keys))]
    if not drawn:
        what = (
            "Needs the run's metrics.jsonl"
            if not rows
            else "metrics.jsonl holds no series that is drawn here"
        )
        return Panel(name, short, title, missing=f"{what}; reports of a run (`rlvr run`) have it.")
    with theme.drawing(name):
        wide = min(3, len(drawn))
        high = -(-len(drawn) // wide)
        figure, axes = theme.canvas(7.4, 0.35 + 1.75 * high, nrows=high, ncols=wide, sharex=True)
        for ax, (label, keys, scale) in zip(axes, drawn, strict=False):
            for key, colour in keys.items():
                _series(ax, rows, key, colour, scale, len(keys) > 1)
            ax.set_title(label, fontsize=9, fontweight="normal")
            ax.margins(x=0.03)
            room = 1.3 if len(keys) > 1 else 1.0  # for the legend
            if scale == 100 or len(keys) > 1:
                ax.set_ylim(0, room * max(ax.get_ylim()[1], 1))
            if len(keys) > 1:
                ax.legend(
                    fontsize=7,
                    loc="upper left",
                    ncols=3,
                    handlelength=0.8,
                    columnspacing=0.8,
                    borderaxespad=0,
                )
            ax.tick_params(labelsize=8)
        for ax in axes[len(drawn) :]:
            ax.set_visible(False)
        for ax in axes[max(0, len(drawn) - wide) : len(drawn)]:
            clock.step_axis(ax, rows)
        drawing = theme.svg(figure, name)
    keys = [key for key in dict.fromkeys(k for row in rows for k in row) if _numeric(rows, key)]
    return Panel(
        name,
        short,
        title,
        see=_see(rows),
        caption=f"Thin: every step. Thick: median of {WINDOW} steps. Training reward is measured on the problems just "
        "trained on; the held-out curve is the one to trust. The dashed share is what groups of G would show if all "
        "problems of a step had its mean success rate p: problems of different difficulty show less. "
        + clock.WHAT
        + _lacking(panels, {t for t, _, _ in drawn}),
        columns=tuple(keys),
        rows=[[row.get(key) for key in keys] for row in rows],
        drawing=drawing,
    )


def _with_expected(view: View) -> list[dict[str, Any]]:
    """The logged steps, each with the share of mixed groups that was to be expected."""
    rows = [row for row in view.training if isinstance(row.get("step"), int | float)]
    expected = view.document["training"]["expected_mixed_share"]
    return [
        dict(row) if share is None else {**row, EXPECTED: share}
        for row, share in zip(rows, expected, strict=True)
    ]


def _lacking(panels: Sequence[tuple[str, dict[str, str], float]], drawn: Collection[str]) -> str:
    lacking = [title.split(",")[0] for title, _, _ in panels if title not in drawn]
    return f" Not in this metrics.jsonl: {', '.join(lacking)}." if lacking else ""


def _found(rows: Sequence[Mapping[str, Any]], keys: Mapping[str, str]) -> dict[str, str]:
    """The keys that the run logged. `eval/pass@*` means the smallest and the largest k, `status/*` the
    four most frequent verdicts, `…/SOURCE` each source."""
    out: dict[str, str] = {}
    logged = {k for row in rows for k in row}
    for key, colour in keys.items():
        if key == "status/*":
            total = {k: sum(row.get(k) or 0 for row in rows) for k in logged if k.startswith(key[:-1])}
            most = sorted(total, key=lambda k: -total[k])[:4]
            rest = iter(("run3", "run2", "muted", "ink"))
            out |= {k: COLOURS.get(k[len(key) - 1 :]) or next(rest) for k in most}
        elif key.endswith("/SOURCE"):
            own = [f"{key.removesuffix('SOURCE')}{name}" for name in sources_in(rows)]
            out |= dict(zip(own, cycle((*theme.RUNS, "forgetting", "muted")), strict=False))
        elif key.endswith("*"):
            some = {k for k in logged if k.startswith(key[:-1]) and k[len(key) - 1 :].isdigit()}
            ordered = sorted(some, key=lambda k: int(k[len(key) - 1 :]))
            out |= dict(zip([*ordered[:1], *ordered[1:][-1:]], (colour, "run2"), strict=False))
        elif _numeric(rows, key):
            out[key] = colour
    return out


def sources_in(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The names of the sources that the run trained on, where it had several."""
    names = {key.partition("/")[2] for row in rows for key in row if key.startswith("group_share/")}
    return sorted(names) if len(names) > 1 else []


def _numeric(rows: Sequence[Mapping[str, Any]], key: str) -> bool:
    return any(isinstance(row.get(key), int | float) for row in rows)


def _series(
    ax: Axes, rows: Sequence[Mapping[str, Any]], key: str, colour: str, scale: float, named: bool
) -> None:
    held = [(row["step"], row[key]) for row in rows if isinstance(row.get(key), int | float)]
    steps, values = np.array([s for s, _ in held], float), scale * np.array([v for _, v in held], float)
    shade, label = theme.colour(colour), NAMES.get(key, key.split("/")[-1]) if named else None
    if key == EXPECTED:
        ax.plot(steps, _median(values), color=shade, lw=1.2, ls=(0, (4, 2)), label=label)
        return
    if key.startswith("eval/"):
        ax.plot(steps, values, "o-", ms=3.5, lw=1.6, color=shade, label=label)
        return
    ax.plot(steps, values, color=shade, lw=0.7, alpha=0.45)
    ax.plot(steps, _median(values), color=shade, lw=1.8, label=label)


def _median(values: np.ndarray) -> np.ndarray:
    """Median of the `WINDOW` values around each, fewer at both ends."""
    half = WINDOW // 2
    return np.array([np.nanmedian(values[max(0, i - half) : i + half]) for i in range(1, len(values) + 1)])


def _see(rows: Sequence[Mapping[str, Any]]) -> str:
    reward = [row["reward"] for row in rows if isinstance(row.get("reward"), int | float)]
    text = f"{len({row['step'] for row in rows})} steps"
    samples = [row["samples"] for row in rows if isinstance(row.get("samples"), int | float)]
    if samples:
        text += f", {sum(samples):,.0f} samples drawn"
    if reward:
        window = max(1, min(WINDOW, len(reward) // 2))  # the first steps and the last, none in both
        first, last = np.median(reward[:window]), np.median(reward[-window:])
        text += (
            f": the training reward goes from {points(first)} to {points(last)} points (medians of "
            f"{counted(window, 'step')})"
        )
    idle = [
        row["frac_zero_variance"] for row in rows if isinstance(row.get("frac_zero_variance"), int | float)
    ]
    if idle and not math.isnan(np.mean(idle)):
        text += (
            f"; {number(100 * float(np.mean(idle)), '.0f')} % of the groups had equal rewards and taught "
            "nothing"
        )
    return text + "."
