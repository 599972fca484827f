"""pass@k by the number of attempts: what feedback within an episode is worth, beside more samples."""

from __future__ import annotations

from rlvr.report.figures import Panel, View, pct, theme
from rlvr.report.figures.tables import interval
from rlvr.report.words import attempts_in_short
from rlvr.text import number


def panel(view: View) -> Panel:
    name, short, title = "turns", "Attempts", "pass@k by the number of attempts"
    found = view.document["turns"]
    if not found:
        return Panel(
            name, short, title,
            missing="Needs episodes of several attempts: `environment=feedback` in the config (docs/turns.md).",
        )  # fmt: skip
    rows = [
        [policy, of["attempts"], number(100 * of["reached"], ".1f"), k, interval(e)]
        for policy, by_turn in found.items()
        for of in by_turn
        for k, e in of["pass_at_k"].items()
    ]
    return Panel(
        name,
        short,
        title,
        see=" ".join(attempts_in_short(policy, by_turn) for policy, by_turn in found.items()),
        caption="Every episode as if it had ended at its T-th attempt, or at its last one before: pass@(k, T). An "
        "attempt reads all that came before it, so T of them cost more than T samples. 95 % intervals, cluster "
        "bootstrap over problems.",
        columns=("policy", "attempts T", "episodes with so many, %", "k", "pass@k, points"),
        rows=rows,
        drawing=_drawing(view),
    )


def _drawing(view: View) -> str:
    with theme.drawing("turns"):
        figure, (ax,) = theme.canvas(7.4, 3.6)
        for policy, by_turn in view.document["turns"].items():
            style = view.styles[policy]
            for k in ("1", list(by_turn[0]["pass_at_k"])[-1]):
                es = [of["pass_at_k"][k] for of in by_turn]
                at = [of["attempts"] for of in by_turn]
                ax.plot(
                    at, [pct(e["value"]) for e in es], marker="o", ms=4, color=style["color"],
                    linestyle="-" if k == "1" else "--", label=f"{policy}, pass@{k}",
                )  # fmt: skip
                ax.fill_between(
                    at,
                    [pct(e["lo"]) for e in es],
                    [pct(e["hi"]) for e in es],
                    color=style["color"],
                    alpha=0.15,
                    lw=0,
                )
        ax.set_xticks(range(1, 1 + max(map(len, view.document["turns"].values()))))
        ax.set_xlabel("attempts, at most")
        ax.set_ylabel("points")
        ax.set_ylim(bottom=0)
        columns = 4 if len(view.document["turns"]) <= 2 else 2
        figure.legend(loc="outside upper left", ncols=columns, handlelength=1.6, columnspacing=1.2)
        return theme.svg(figure, "turns")
