"""Figure 1, second part: stricter and looser readings of the same samples, with the same x."""

from __future__ import annotations

from rlvr.report.figures import Panel, View, log2_axis, pct, theme

READINGS = {
    "maj_at_k": "maj@k: the most frequent answer of k",
    "cot_pass_at_k": "CoT-pass@k: right, and the reasoning sound",
    "pass_hat_k": "pass^k: all of k right",
}
COLUMNS = ("reading", "policy", "k", "value", "se", "lo", "hi", "problems", "status")


def panel(view: View) -> Panel:
    name, short, title = "readings", "Readings", "Stricter and looser readings"
    held = {
        key: {policy: curve for policy, p in view.policies.items() if (curve := _curve(p.get(key)))}
        for key in READINGS
    }
    held = {key: curves for key, curves in held.items() if curves}
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
                if policy not in ("base", view.main):
                    continue
                lo, hi = ([pct(e[end]) for e in curve.values()] for end in ("lo", "hi"))
                ax.fill_between(ks, lo, hi, color=style[policy]["color"], alpha=0.14, linewidth=0)
            log2_axis(ax, max(int(k) for curve in curves.values() for k in curve), ticks=5)
            ax.set_title(READINGS[key].split(":")[0], fontsize=10)
            ax.set_xlabel("k")
        axes[0].set_ylabel("points")
        axes[0].set_ylim(0, 102)
        lines = [axes[0].plot([], [], label=policy, **style[policy])[0] for policy in view.names]
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
            [key, policy, int(k), *(e.get(f) for f in ("value", "se", "lo", "hi", "used", "status"))]
            for key, curves in held.items()
            for policy, curve in curves.items()
            for k, e in curve.items()
        ],
        drawing=drawing,
    )


def _curve(curve: dict | None) -> dict:
    return {k: e for k, e in (curve or {}).items() if k.isdigit() and e.get("value") is not None}
