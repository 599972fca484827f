"""Figure 1, second part: stricter and looser readings of the same samples, with the same x."""

from __future__ import annotations

from typing import Literal

from rlvr.analysis.estimate import EstimateJson
from rlvr.report.figures import SEVERAL, Panel, View, answers_differ, log2_axis, pct, theme

Reading = Literal["answer_pass_at_k", "maj_at_k", "cot_pass_at_k", "pass_hat_k"]
READINGS: dict[Reading, str] = {
    "answer_pass_at_k": "answer alone: pass@k of right answers, whatever else the verifier asks for",
    "maj_at_k": "maj@k: the most frequent answer of k",
    "cot_pass_at_k": "CoT-pass@k: right, and the reasoning sound",
    "pass_hat_k": "pass^k: all of k right",
}
COLUMNS = ("reading", "policy", "k", "value", "se", "lo", "hi", "problems", "status")


def panel(view: View) -> Panel:
    name, short, title = "readings", "Readings", "Stricter and looser readings"
    held: dict[Reading, dict[str, dict[str, EstimateJson]]] = {
        key: {policy: curve for policy, p in view.policies.items() if (curve := _curve(p[key]))}
        for key in READINGS
    }
    if not answers_differ(view):
        held["answer_pass_at_k"] = {}  # it is pass@k
    held = {key: curves for key, curves in held.items() if curves}
    if view.single:
        return Panel(name, short, title, missing=SEVERAL)
    if not held:
        return Panel(name, short, title, missing="Needs samples with answers and verdicts on the reasoning.")
    style = view.styles
    with theme.drawing(name):
        figure, axes = theme.canvas(7.4, 2.9, ncols=len(held), sharey=True)
        for ax, (key, curves) in zip(axes, held.items(), strict=True):
            for policy, curve in curves.items():
                ks = [int(k) for k in curve]
                ax.plot(
                    ks, [pct(e["value"]) for e in curve.values()], marker="o", ms=2.5, lw=1.7, **style[policy]
                )
                if policy not in (view.base, view.main):
                    continue
                lo, hi = ([pct(e["lo"]) for e in curve.values()], [pct(e["hi"]) for e in curve.values()])
                ax.fill_between(ks, lo, hi, color=style[policy]["color"], alpha=0.14, linewidth=0)
            log2_axis(ax, max(int(k) for curve in curves.values() for k in curve), ticks=5)
            ax.set_title(READINGS[key].split(":")[0], fontsize=10)
            ax.set_xlabel("k")
        axes[0].set_ylabel("points")
        axes[0].set_ylim(0, 102)
        shown = {view.labels[policy]: style[policy] for policy in view.names}
        lines = [axes[0].plot([], [], label=label, **look)[0] for label, look in shown.items()]
        figure.legend(handles=lines, loc="outside upper left", ncols=6)
        drawing = theme.svg(figure, name)
    return Panel(
        name,
        short,
        title,
        see="; ".join(READINGS[key] for key in held)
        + ". A policy can gain in one and lose in another: pass@k rewards variety, the others agreement "
        "or care.",
        columns=COLUMNS,
        rows=[
            [key, policy, int(k), e["value"], e["se"], e["lo"], e["hi"], e["used"], e["status"]]
            for key, curves in held.items()
            for policy, curve in curves.items()
            for k, e in curve.items()
        ],
        drawing=drawing,
    )


def _curve(curve: dict[str, EstimateJson]) -> dict[str, EstimateJson]:
    return {k: e for k, e in curve.items() if e["value"] is not None}
