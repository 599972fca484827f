"""The tables: the summary with its audit, the limits of the claim, further problem sets, exact values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rlvr.report.figures import Panel, View
from rlvr.report.text import number


def interval(e: Mapping[str, Any] | None, scale: float = 100, form: str = ".1f") -> str:
    """ "61.4 (57.9 to 64.8)", "–" where it is not defined, with the reason where one is known."""
    if not e or e.get("value") is None:
        reason = (e or {}).get("status", "")
        bound = (e or {}).get("bound")
        if reason == "censored_right" and bound is not None:
            return f"> {bound}"
        return f"– ({reason.replace('_', ' ')})" if reason not in ("", "ok", "no_data") else "–"
    value, lo, hi = (_scaled(e.get(key), scale) for key in ("value", "lo", "hi"))
    if lo is None or hi is None:
        return number(value, form)
    return f"{number(value, form)} ({number(lo, form)} to {number(hi, form)})"


def _scaled(value: Any, scale: float) -> float | None:
    return None if value is None else float(value) * scale


def at_k(policy: Mapping[str, Any], series: str, k: int) -> Mapping[str, Any] | None:
    return (policy.get(series) or {}).get(str(k))


def summary(view: View) -> Panel:
    """Table 8: one row per quantity, one column per run."""
    name, short, title = "summary", "Summary", "All of it in one table"
    runs = {"tuned": view.comparison} if view.comparison else {}
    runs |= dict(view.document.get("comparisons") or {})
    rows: list[list[Any]] = []
    base = view.policies["base"]
    K = runs["tuned"]["compression"]["search_budget"] if runs else None
    ks = [k for k in (1, 4, 16, 64, 256) if str(k) in base["pass_at_k"]]
    if K and K not in ks and str(K) in base["pass_at_k"]:
        ks = sorted([*ks, K])
    series = {
        "pass_at_k": "pass@{}",
        "maj_at_k": "maj@{}",
        "pass_hat_k": "pass^{}",
        "cot_pass_at_k": "CoT-pass@{}",
    }
    for key, form in series.items():
        for k in ks if key == "pass_at_k" else [k for k in ks if k == 4] if key == "pass_hat_k" else ks:
            if at_k(base, key, k):
                rows.append([form.format(k), interval(at_k(base, key, k))])
                rows[-1] += [interval(at_k(view.policies[run], key, k)) for run in runs]
    for label, read in _ROWS:
        values = [read(c) for c in runs.values()]
        if any(v != "–" for v in values):
            rows.append([label, "", *values])
    for label, key in (("cut by the token limit, %", "truncated"), ("without an answer, %", "no_answer")):
        if any((view.policies[n].get(key) or {}).get("value") is not None for n in ("base", *runs)):
            rows.append([label, *(interval(view.policies[n].get(key)) for n in ("base", *runs))])
    return Panel(
        name,
        short,
        title,
        see="Rates in points, each with its 95 % interval. "
        + (
            "The intervals of the comparison are paired: both policies answered the same problems."
            if runs
            else ""
        ),
        caption="False positives and negatives of the verifier: not audited by hand here, so no rate is "
        "corrected for them. One training run supports statements about that run, not about the method.",
        columns=("quantity", "base", *runs),
        rows=rows,
    )


def _in(comparison: Mapping[str, Any], section: str, key: str) -> Mapping[str, Any] | None:
    return (comparison.get(section) or {}).get(key)


def _part(key: str) -> Any:
    return lambda c: interval(c["compression"].get(key))


_ROWS: tuple[tuple[str, Any], ...] = (
    ("Δ pass@1, paired", lambda c: interval(c["gain"])),
    ("p, sign flips", lambda c: number(c["gain"].get("p_signflip"), ".2g")),
    ("k*, base samples worth one tuned sample", lambda c: interval(c["k_star"], 1, ".3g")),
    ("log₂ k*, bits of search", lambda c: number(c["k_star"].get("log2"), ".2f")),
    ("R_K, net compression ratio", lambda c: interval(c["ratio_net"], 1, ".2f")),
    ("ρ_K, gross compression ratio", lambda c: interval(c["ratio_gross"], 1, ".2f")),
    ("C, compression within K", _part("within")),
    ("X, compression beyond K", _part("beyond")),
    ("U, unresolved", _part("unresolved")),
    ("E, expansion", _part("expansion")),
    ("F, forgetting", _part("forgetting")),
    ("churn floor of gain and forgetting", _part("churn_floor")),
    (
        "certified expansion, problems",
        lambda c: f"{c['compression']['certified']['count']} of {c['compression']['base_zero']}",
    ),
    ("base overtakes at k", lambda c: interval(c["crossover"], 1, ".4g")),
    ("… beyond noise from k", lambda c: number(c["crossover"].get("first_significant"), "g")),
    (
        "log-odds of success, tuned against base, nats",
        lambda c: interval(_in(c, "evidence", "pooled"), 1, ".2f"),
    ),
    ("KL(π‖p0), nats", lambda c: interval(_in(c, "alignment", "kl_pi_p0"), 1, ".2f")),
    ("KL(π_V‖π*), nats", lambda c: interval(_in(c, "alignment", "kl_verified"), 1, ".2f")),
    ("KL(π*‖π), nats", lambda c: interval(_in(c, "alignment", "kl_target_pi"), 1, ".2f")),
    ("η, KL efficiency", lambda c: interval(_in(c, "alignment", "efficiency"), 1, ".2f")),
    (
        "effective sample size among verified",
        lambda c: interval(_in(c, "alignment", "ess_verified"), 1, ".0f"),
    ),
    ("pass@K lost, problem by problem", lambda c: interval(c["coverage"]["loss"])),
    ("pass@K gained, problem by problem", lambda c: interval(c["coverage"]["gain"])),
)


def limits(view: View) -> Panel:
    """Table 7, from the strata that the analysis cut on half of the base's samples."""
    name, short, title = "limits", "Limits", "Where the gain lies, and where it ends"
    rows = view.comparison.get("limits")
    if not rows:
        why = "Needs base and tuned samples of each problem, enough of them to define strata on one half."
        return Panel(name, short, title, missing=why)
    K = view.comparison["compression"]["search_budget"]
    return Panel(
        name,
        short,
        title,
        see="Problems by how often the base solves them: what was already reachable, and what was not.",
        caption="Strata are defined on half of the base's samples and scored on the other half; on the same "
        "half, regression to the mean would read as forgetting.",
        columns=tuple(words.format(K=K) for words in _LIMITS.values()),
        rows=[[_stratum(key, row.get(key)) for key in _LIMITS] for row in rows],
    )


_LIMITS = {
    "stratum": "base success rate",
    "problems": "problems",
    "base_pass_1": "base pass@1",
    "base_pass_k": "base pass@{K}",
    "tuned_pass_1": "tuned pass@1",
    "tuned_pass_k": "tuned pass@{K}",
    "gain": "Δ pass@1",
    "share_of_gain": "share of Δ, %",
    "certified": "certified expansion",
    "unsound_share": "unsound, %",
    "samples_to_first_hit": "base samples to the first hit, 1/p",
}


def _stratum(key: str, value: Any) -> Any:
    if isinstance(value, Mapping):
        return interval(value, form=".0f") if value.get("used") else "–"
    if key in ("share_of_gain", "unsound_share"):
        return number(None if value is None else 100 * float(value), ".0f")
    return number(value, ".3g") if key == "samples_to_first_hit" else value


def probes(view: View) -> Panel:
    """Further problem sets, each on its own: what training did where the base finds nothing."""
    name, short, title = "probes", "Further sets", "Problem sets apart from the held-out one"
    sets = view.document.get("probes") or {}
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
                    probe["comparison"]["compression"]["certified"]["count"] if policy == "tuned" else None,
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
    rows = (view.document.get("exact") or {}).get("rows")
    if not rows:
        return Panel(
            name,
            short,
            title,
            missing="Only an enumerable world has exact values; this one is not declared as such.",
        )
    inside = [row["inside"] for row in rows if row["inside"] is not None]
    return Panel(
        name,
        short,
        title,
        see=f"{sum(inside)} of {len(inside)} exact values lie in the 95 % interval that the samples gave."
        if inside
        else "Exact values of this world, beside the estimates where there are any.",
        columns=("quantity", "exact", "estimated", "lo", "hi", "inside the interval"),
        rows=[[r["quantity"], r["exact"], r["estimate"], r["lo"], r["hi"], r["inside"]] for r in rows],
    )


def evidence(view: View) -> Panel:
    name, short, title = "evidence", "Evidence", "What hints and shots are worth"
    return Panel(
        name,
        short,
        title,
        missing="Needs evaluations of the base at several numbers of shots or with hints; none was given.",
    )
