"""The figures of docs/bayes.md, each from what a script of this folder wrote with --json.

python scripts/bayes/figures.py FOUND.json [MORE.json…] [--docs docs]
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from paired import SHOWN  # beside this script

BLUE, GREEN, PINK, ORANGE, GREY, INK = "#0072b2", "#009e73", "#cc79a7", "#e69f00", "#6a7077", "#1d2126"


def titled(ax: Axes, title: str) -> None:
    ax.set_title(title, loc="left", fontsize=10, fontweight="bold")
    ax.spines[["top", "right"]].set_visible(False)


def best_predictor(found: dict[str, Any], figure: Figure) -> None:
    left, right = figure.subplots(1, 2)
    networks = found["networks"]
    for colour, (width, network) in zip((ORANGE, PINK, GREEN, BLUE), networks.items(), strict=True):
        steps = [int(step) for step in network["by_step"][0] if int(step)]
        curves = [[curve[str(step)] for step in steps] for curve in network["by_step"]]
        for curve in curves:
            left.plot(steps, curve, color=colour, linewidth=0.7, alpha=0.5)
        left.plot(steps, np.mean(curves, axis=0), color=colour, linewidth=2, label=f"width {width}")
    left.set(
        xscale="log", yscale="log", xlabel="training steps", ylabel="nats a flip above the Bayes mixture"
    )
    titled(left, "networks come near the mixture")
    widest = [*networks][-1]
    flips = np.mean(networks[widest]["by_flip"], axis=0)
    right.plot(range(1, len(flips) + 1), flips, color=BLUE, linewidth=2, label=f"network, width {widest}")
    for style, (name, one) in zip(("--", "-.", ":"), found["known"].items(), strict=True):
        right.plot(
            range(1, len(flips) + 1), one["by_flip"], color=GREY, linestyle=style, linewidth=1.4, label=name
        )
    right.set(yscale="log", xlabel="flip")
    titled(right, "width 32 and other predictors, flip by flip")
    for ax in (left, right):
        ax.legend(frameon=False, fontsize=8)


def posterior_prediction(found: dict[str, Any], figure: Figure) -> None:
    left, right = figure.subplots(1, 2)
    for (name, one), colour in zip(found["priors"].items(), (BLUE, ORANGE), strict=True):
        rows = one["by_points"]
        left.plot([r["points"] for r in rows], [r["kl"] for r in rows], color=colour, linewidth=2, label=name)
    left.axhline(0.02, color=GREY, linestyle=":", linewidth=1, label="mark")
    left.set(xlabel="points in the prompt", ylabel="KL(exact‖network), nats", ylim=(0, None))
    titled(left, "distance from the exact prediction")
    example = found["example"]
    x = example["x"]
    right.fill_between(
        x, example["network low"], example["network high"], color=BLUE, alpha=0.18, linewidth=0
    )
    right.plot(x, example["network mean"], color=BLUE, linewidth=2, label="network, one forward pass")
    right.plot(x, example["exact mean"], color=INK, linewidth=1, label="exact: mean and 95 % band")
    for end in ("low", "high"):
        right.plot(x, example[f"exact {end}"], color=INK, linestyle="--", linewidth=1)
    right.scatter(
        *zip(*example["points"], strict=True), color=INK, s=18, zorder=3, label="points in the prompt"
    )
    right.set(xlabel="x", ylabel="y", ylim=(min(example["network low"]) - 1.4, None))  # room for the legend
    titled(right, "a line through five points")
    left.legend(frameon=False, fontsize=8)
    right.legend(frameon=False, fontsize=8, loc="lower left")


def in_context_and_tuning(found: dict[str, Any], figure: Figure) -> None:
    panels = {
        "corrections": "share of its corrections",
        "updates": "cosine of updates",
        "maps": "cosine of maps",
    }
    tunings = found["measures"]
    for ax, (measure, title) in zip(figure.subplots(1, 3, sharey=True), panels.items(), strict=True):
        for row, by in enumerate(tunings.values()):
            for lift, colour, shown in zip((-0.1, 0.1), (BLUE, GREY), SHOWN, strict=True):
                one = by[measure][shown]
                if one["value"] is not None:
                    ax.plot([one["lo"], one["hi"]], [row + lift] * 2, color=colour)
                    ax.plot(one["value"], row + lift, "o", color=colour, label=shown if row == 0 else None)
        ax.set(yticks=range(len(tunings)), yticklabels=tunings, ylim=(len(tunings) - 0.5, -0.5))
        ax.grid(axis="x", linewidth=0.5, color="#dcdcd6")
        titled(ax, title)
    figure.legend(
        *figure.axes[1].get_legend_handles_labels(),
        frameon=False,
        fontsize=8,
        loc="outside lower center",
        ncols=2,
    )


def gradient_step(found: dict[str, Any], figure: Figure) -> None:
    left, right = figure.subplots(1, 2)
    depths = found["depths"]
    kinds = {"gradient descent": (GREY, "--"), "GD++": (ORANGE, "-.")}
    left.plot(
        [d["depth"] for d in depths], [d["loss"] for d in depths], "o-", color=BLUE, label="trained layers"
    )
    for name, (colour, style) in kinds.items():
        rows = [(d["depth"], d[name]["loss"]) for d in depths if name in d]
        left.plot(
            *zip(*rows, strict=True), "s", color=colour, linestyle=style, label=f"as many steps of {name}"
        )
    left.set(
        xlabel="layers, or steps", ylabel="squared error of the query", xticks=[d["depth"] for d in depths]
    )
    left.set_ylim(0, None)
    titled(left, "trained layers beside gradient descent")
    left.legend(frameon=False, fontsize=8)
    pairs = np.array(depths[0]["gradient descent"]["predictions"])
    ends = [pairs.min(), pairs.max()]
    right.plot(ends, ends, color=GREY, linewidth=1)
    right.scatter(*pairs.T, color=BLUE, s=9)
    right.set(xlabel="best single step of gradient descent", ylabel="one trained layer")
    titled(right, "200 predictions")


def context_update(found: dict[str, Any], figure: Figure) -> None:
    left, right = figure.subplots(1, 2)
    names, sizes, _ = zip(*found["arriving"], strict=True)
    left.barh(range(len(names)), sizes, color=BLUE)
    left.set(yticks=range(len(names)), xlabel="‖ΔW‖ / ‖W‖")
    left.set_yticklabels([name.strip() or "␣" for name in names], fontsize=7)
    left.invert_yaxis()
    titled(left, "the edit, as the context arrives")
    values = found["singular values"]
    right.plot(range(1, len(values) + 1), np.maximum(values, 1e-17), "o-", color=BLUE, markersize=3)
    right.axvline(len(names), color=GREY, linestyle=":", linewidth=1)
    right.set(yscale="log", xlabel="direction", ylabel="singular value, first = 1")
    titled(right, "all tokens' edits together")


HEIGHTS = {
    best_predictor: 3.5,
    gradient_step: 3.2,
    context_update: 3.4,
    posterior_prediction: 3.4,
    in_context_and_tuning: 2.5,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("found", type=Path, nargs="+")
    parser.add_argument("--docs", type=Path, default=Path("docs"), help="folder of the figures")
    args = parser.parse_args()
    drawings = {draw.__name__: draw for draw in HEIGHTS}
    for file in args.found:
        found = json.loads(file.read_text(encoding="utf-8"))
        draw = drawings[found["script"]]
        figure = Figure(figsize=(7.5, HEIGHTS[draw]), layout="constrained")
        draw(found, figure)
        figure.savefig(args.docs / f"bayes-{draw.__name__.replace('_', '-')}.png", dpi=110)


if __name__ == "__main__":
    main()
