"""The smaller tables: the limits of the claim, further problem sets, exact values."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rlvr.analysis.estimate import EstimateJson, Number, real
from rlvr.analysis.sections.compare import Comparison
from rlvr.analysis.sections.strata import Stratum
from rlvr.report.figures import SEVERAL, Panel, View
from rlvr.report.words import NAMELESS
from rlvr.text import line, number, points

BELOW_ONE = "below_one"
"""Status of a k* that is written as such."""


def interval(e: EstimateJson | Number, scale: float = 100, form: str = ".1f") -> str:
    """ "61.4 (57.9 to 64.8)", "–" where it is not defined, with the reason where one is known."""
    if not isinstance(e, dict):
        return number(scale * real(e), form)
    if e["value"] is None:
        reason, bound = e["status"], e.get("bound")
        if reason == "censored_right" and bound is not None:
            return f"> {bound}"
        if reason == BELOW_ONE:
            return "< 1"
        return f"– ({reason.replace('_', ' ')})" if reason not in ("", "ok", "no_data") else "–"
    value, lo, hi = (scale * real(number) for number in (e["value"], e["lo"], e["hi"]))
    if e["lo"] is None or e["hi"] is None:
        return number(value, form)
    return f"{number(value, form)} ({number(lo, form)} to {number(hi, form)})"


def limits(view: View) -> Panel:
    """Table 7, from the strata that the analysis cut on half of the base's samples."""
    name, short, title = "limits", "Limits", "Where the gain lies, and where it ends"
    c = view.comparison
    if not c:
        why = "Needs base and tuned samples of each problem, enough of them to define strata on one half."
        return Panel(name, short, title, missing=why)
    if view.single:
        return Panel(name, short, title, missing=SEVERAL)
    K = c["compression"]["search_budget"]
    return Panel(
        name,
        short,
        title,
        see="Problems by how often the base solves them: what was already reachable, and what was not.",
        caption="Strata are defined on half of the base's samples and scored on the other half; on the same "
        "half, regression to the mean would read as forgetting. Rows of whole sets rest on all samples.",
        columns=(
            *("problems by set and base rate", "problems", "base pass@1", f"base pass@{K}"),
            *("tuned pass@1", f"tuned pass@{K}", "Δ pass@1 ± se", "share of Δ, %"),
            *("certified expansion", "unsound, %", "base samples to the first hit, 1/p"),
        ),
        rows=list(_strata(view, c)),
    )


def _strata(view: View, main: Comparison) -> Iterator[list[Any]]:
    """All held-out problems, their strata and sources, and every further set of problems."""
    yield _stratum("in distribution (held out), all", main["whole"])
    for row in main["limits"]:
        yield _stratum(f"base rate {row['stratum']}", row)
    for row in main["by_source"]:
        yield _stratum(f"source {line(row['stratum'] or NAMELESS, 40)}, all", row)
    sets = view.document["probes"]
    for name, probe in sets.items():
        yield _stratum(f"out of distribution: {line(name, 40)}, all", probe["comparison"]["whole"])


def _stratum(name: str, row: Stratum) -> list[Any]:
    def rate(e: EstimateJson) -> str:
        return interval(e, form=".0f") if e["used"] else "–"

    gain = row["gain"]
    return [
        name,
        row["problems"],
        *(rate(row[key]) for key in ("base_pass_1", "base_pass_k", "tuned_pass_1", "tuned_pass_k")),
        rate(gain) if gain["se"] is None else f"{points(gain['value'], True)} ± {points(gain['se'])}",
        number(100 * real(row["share_of_gain"]), ".0f"),
        row["certified"],
        number(100 * real(row["unsound_share"]), ".0f"),
        number(row["samples_to_first_hit"], ".3g"),
    ]


def probes(view: View) -> Panel:
    """Further problem sets, each on its own: what training did where the base finds nothing."""
    name, short, title = "probes", "Further sets", "Problem sets apart from the held-out one"
    sets = view.document["probes"]
    if not sets:
        return Panel(name, short, title, missing="None was given (a run's probe sets are shown here).")
    rows = []
    for label, probe in sets.items():
        for policy in ("base", "tuned"):
            p = probe["policies"][policy]
            curve = p["pass_at_k"]
            last = list(curve)[-1]
            n = p["samples_per_problem"]["max"]
            rows.append(
                [
                    label,
                    policy,
                    p["n_problems"],
                    n,
                    probe["correct"][policy],
                    p["solved"],
                    interval(curve["1"]),
                    f"pass@{last}: {interval(curve[last])}",
                    _percent(probe["upper_bound"][policy]),
                    probe["comparison"]["compression"]["certified_simultaneous"]["count"]
                    if policy == "tuned"
                    else None,
                ]
            )
    return Panel(
        name,
        short,
        title,
        see=" ".join(probe["words"] for probe in sets.values()),
        caption="Upper bound: 1 − α^{1/n}, the largest success rate per problem that 0 correct of n "
        "samples leaves possible at 95 %. Never 0: a finite number of samples cannot show that a problem "
        "cannot be solved.",
        columns=(
            "set",
            "policy",
            "problems",
            "samples each",
            "correct samples",
            "problems solved",
            "pass@1, points",
            "largest k",
            "upper bound of p where 0 correct",
            "certified expansion",
        ),
        rows=rows,
    )


def _percent(rate: float | None) -> str:
    return "–" if rate is None else f"{number(100 * rate, '.2g')} %"


def exact(view: View) -> Panel:
    """Where the world can be enumerated: what is true, beside what was estimated."""
    name, short, title = "exact", "Exact", "Exact values beside the estimates"
    exact = view.document.get("exact")
    rows = exact["rows"] if exact else []
    if not rows:
        return Panel(
            name,
            short,
            title,
            missing="Needs a finished run in an enumerable world (`problems.heldout.world`).",
        )
    inside = [row["inside"] for row in rows if row["inside"] is not None]
    return Panel(
        name,
        short,
        title,
        see=f"{sum(inside)} of {len(inside)} exact values lie in the 95 % interval that the samples gave."
        if inside
        else "Exact values of this world, beside the estimates where there are any.",
        caption="Exact up to the traces outside the enumeration, whose mass is in the last rows: of a mass m there, "
        "m times its ln π − ln p0 is missing from the exact KL(π‖p0). The intervals allow for sampling alone.",
        columns=("quantity", "exact", "estimated", "lo", "hi", "inside the interval", "problems"),
        rows=[
            [r["quantity"], r["exact"], r["estimate"], r["lo"], r["hi"], r["inside"], r["problems"]]
            for r in rows
        ],
    )
