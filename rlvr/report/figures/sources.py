"""Each source of the held-out problems by itself: verifier, rates before and after, of which kind the gain is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from rlvr.analysis.bootstrap import MIN_PROBLEMS
from rlvr.analysis.estimate import EstimateJson, real
from rlvr.analysis.sections.compare import Comparison
from rlvr.analysis.sections.summary import PolicySummary
from rlvr.report import by_source
from rlvr.report.figures import Panel, View, pct, theme
from rlvr.report.figures.tables import interval
from rlvr.report.kinds import told
from rlvr.report.words import NAMELESS
from rlvr.text import line, number

Kind = Literal["within", "beyond", "unresolved", "expansion", "forgetting"]
KINDS: dict[Kind, str] = {
    "within": "C, within K",
    "beyond": "X, beyond K",
    "unresolved": "U, unresolved",
    "expansion": "E, expansion",
    "forgetting": "F, forgetting",
}
ALL = "all sources"


def panel(view: View) -> Panel:
    name, short, title = "sources", "Sources", "Each source by itself"
    found = view.document["by_source"]
    if not found:
        return Panel(
            name, short, title, missing="Needs problems of several sources (rows with the key `source`)."
        )
    rows = list(_rows(view))
    return Panel(
        name,
        short,
        title,
        see=_see(view),
        caption="In the rates over all, every problem has the same weight, so the source with most problems decides "
        "them. The rows of a source rest on its own problems, as its own verifier judged them. 95 % intervals, cluster "
        f"bootstrap over problems; the parts of the gain are given from {MIN_PROBLEMS} problems on.",
        columns=(
            *("source", "verifier", "policy", "problems", "samples each", "pass@1, points", "largest k"),
            *("Δ pass@1, paired", *KINDS.values()),
            *("cut by the limit, %", "no answer, %", "not judged"),
        ),
        rows=rows,
        drawing=_drawing(view),
    )


def _rows(view: View) -> Iterator[list[Any]]:
    whole = {policy: view.policies[policy] for policy in dict.fromkeys((view.base, view.main))}
    for name, part in view.document["by_source"].items():
        verifier = by_source.verifier_of(view.document, name) or "–"
        for policy, summary in part["policies"].items():
            yield [
                name or NAMELESS,
                verifier,
                *_row(policy, summary, part["comparison"] if policy == view.main else None),
            ]
    for policy, summary in whole.items():
        yield [ALL, "", *_row(policy, summary, view.comparison if policy == view.main else None)]


def _row(policy: str, summary: PolicySummary, c: Comparison | None) -> list[Any]:
    curve, n = summary["pass_at_k"], summary["samples_per_problem"]
    last = list(curve)[-1]
    kinds = [""] * len(KINDS)
    if c:
        few = c["n_problems"] < MIN_PROBLEMS
        held = {**told(c["compression"]), "forgetting": c["compression"]["forgetting"]}
        kinds = ["– (few problems)" if few else interval(held.get(kind)) for kind in KINDS]
    return [
        policy,
        summary["n_problems"],
        n["min"] if n["min"] == n["max"] else f"{n['min']}–{n['max']}",
        interval(curve["1"]),
        f"pass@{last}: {interval(curve[last])}",
        interval(c["gain"]) if c else "",
        *kinds,
        number(100 * real(summary["truncated"]["value"]), ".1f"),
        number(100 * real(summary["no_answer"]["value"]), ".1f"),
        summary["excluded"],
    ]


def _see(view: View) -> str:
    return by_source.in_short(view.document) or "; ".join(by_source.lines(view.document)) + "."


def _drawing(view: View) -> str:
    """pass@1 before and after, a line for each source and one for all."""
    lines = {name or NAMELESS: part["policies"] for name, part in view.document["by_source"].items()}
    lines[ALL] = {policy: view.policies[policy] for policy in dict.fromkeys((view.base, view.main))}
    with theme.drawing("sources"):
        figure, (ax,) = theme.canvas(7.4, 0.95 + 0.42 * len(lines))
        for place, policy in enumerate(dict.fromkeys((view.base, view.main))):
            shade = theme.colour("base" if policy == view.base else "tuned")
            for y, policies in enumerate(lines.values()):
                if policy in policies:
                    _point(
                        ax,
                        policies[policy]["pass_at_k"]["1"],
                        y + 0.24 * (place - 0.5),
                        shade,
                        policy if not y else None,
                    )
        ax.set_yticks(range(len(lines)), [line(name, 28) for name in lines])
        ax.invert_yaxis()
        ax.set_xlim(left=0)
        ax.grid(axis="y", visible=False)
        ax.set_xlabel("pass@1, points")
        figure.legend(loc="outside upper left", ncols=2, handlelength=1)
        return theme.svg(figure, "sources")


def _point(ax: Any, e: EstimateJson, y: float, shade: str, label: str | None) -> None:
    ax.plot([pct(e["lo"]), pct(e["hi"])], [y, y], color=shade, lw=1.6, alpha=0.55, solid_capstyle="butt")
    ax.plot([pct(e["value"])], [y], "o", ms=5, color=shade, label=label)
