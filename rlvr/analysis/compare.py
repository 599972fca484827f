"""Base against tuned on shared problems: the `comparison` of report.json, every number with its interval."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from rlvr.analysis.bootstrap import ClusterBootstrap, mean_estimates, percentile_interval, trust
from rlvr.analysis.compression import COMPONENTS, Decomposition, churn, decompose, safe_ratio
from rlvr.analysis.estimate import NO_DATA, Estimate, plain
from rlvr.analysis.paired import paired_difference, sign_flip_p
from rlvr.analysis.passk import pass_curve
from rlvr.analysis.samples import Floats, Ints, Samples, align
from rlvr.analysis.search import (
    Root,
    coverage,
    crossover,
    k_star,
    replicate_crossover,
    replicate_k_star,
    search_grid,
)
from rlvr.analysis.summary import fixed_se, keyed, powers_of_two, summarise, usual_n

__all__ = ["compare", "default_budget", "summarise"]


def default_budget(n: Ints) -> int:
    """The search budget K where nobody chose one: a sixteenth of the base's samples, so that expansion can be shown.

    With fewer than 64 samples it stays at 4 (or at n), and expansion cannot be certified.
    """
    usual = usual_n(n)
    return max(min(4, usual), usual // 16)


@dataclass(frozen=True, eq=False)
class Pair:
    """Both evaluations on their shared problems, and the replicates that all their intervals share."""

    base: Samples
    tuned: Samples
    boot: ClusterBootstrap

    @cached_property
    def top(self) -> int:
        """The largest k that both policies usually reach."""
        return min(usual_n(self.base.n), usual_n(self.tuned.n))

    @cached_property
    def ks(self) -> list[int]:
        return powers_of_two(self.top)

    @cached_property
    def curves(self) -> tuple[Floats, Floats]:
        """pass@k per problem at `ks`, (M, Q) each; NaN in both where either is undefined."""
        ks = np.asarray(self.ks)
        base = pass_curve(self.base.n, self.base.c, ks)
        tuned = pass_curve(self.tuned.n, self.tuned.c, ks)
        missing = np.isnan(base) | np.isnan(tuned)
        return np.where(missing, np.nan, base), np.where(missing, np.nan, tuned)


def compare(
    base: Samples,
    tuned: Samples,
    search_budget: int | None = None,
    alpha: float = 0.05,
    replicates: int = 2000,
    seed: int = 0,
) -> dict[str, Any]:
    """What training bought, of which kind, and how sure that is (METRICS 1, 3-7). Counts of both over shared problems.

    `search_budget` is K; choose it before looking. Raises ValueError if the two share no problem.
    """
    shared_base, shared_tuned = align(base, tuned)
    if not shared_base.n_problems:
        raise ValueError(f"{base.policy!r} and {tuned.policy!r} share no problem: nothing to compare")
    pair = Pair(shared_base, shared_tuned, ClusterBootstrap(shared_base.n_problems, replicates, seed))
    budget = default_budget(shared_base.n) if search_budget is None else search_budget
    parts = decompose(pair.base.n, pair.base.c, pair.tuned.n, pair.tuned.c, budget, alpha)
    difference = differences(pair)
    return {
        "base": base.policy,
        "tuned": tuned.policy,
        "n_problems": shared_base.n_problems,
        "only_base": base.n_problems - shared_base.n_problems,
        "only_tuned": tuned.n_problems - shared_base.n_problems,
        "replicates": replicates,
        "seed": seed,
        "gain": difference.get("1", Estimate(None, status=NO_DATA).to_json()),
        "difference": difference,
        **roots(pair),
        "compression": compression(pair, parts),
        **ratios(pair, parts),
        "coverage": coverage_change(pair, budget),
    }


def differences(pair: Pair) -> dict[str, Any]:
    """Paired tuned - base at every k, with the sign-flip p-value and what separate intervals would suggest."""
    base, tuned = pair.curves
    rows = keyed(pair.ks, mean_estimates(tuned - base, pair.boot))
    unpaired = paired_difference(base, tuned)["se_unpaired"]
    fixed = np.hypot(
        fixed_se(pair.base.n, pair.base.c, pair.ks), fixed_se(pair.tuned.n, pair.tuned.c, pair.ks)
    )
    p = sign_flip_p(tuned - base, seed=pair.boot.seed)
    for q, k in enumerate(pair.ks):
        for name, values in (("p_signflip", p), ("se_unpaired", unpaired), ("se_fixed", fixed)):
            rows[str(k)][name] = plain(float(values[q]))
    return rows


def roots(pair: Pair) -> dict[str, Any]:
    """k* and the crossover, on the problems deep enough for the whole curve."""
    deep = (pair.base.n >= pair.top) & (pair.tuned.n >= pair.top)
    counts = [x[deep] for x in (pair.base.n, pair.base.c, pair.tuned.n, pair.tuned.c)]
    if not deep.any() or pair.top < 1:
        nothing = Estimate(None, status=NO_DATA, excluded=len(deep)).to_json()
        return {"k_star": nothing, "crossover": nothing}
    boot = (
        pair.boot if deep.all() else ClusterBootstrap(int(deep.sum()), pair.boot.replicates, pair.boot.seed)
    )
    reach = int(counts[0].min())
    grid, _ = search_grid(reach)
    _, whole = search_grid(pair.top)
    base = boot.means(pass_curve(counts[0], counts[1], grid))
    target = boot.means(counts[3] / counts[2])
    on_whole = base[:, np.searchsorted(grid, whole)]
    change = boot.means(pass_curve(counts[2], counts[3], whole)) - on_whole
    _, upper = percentile_interval(change)
    ahead = np.flatnonzero(upper < 0)
    star, cross = k_star(*counts), crossover(*counts)
    return {
        "k_star": _root(star, star.value, replicate_k_star(base, grid, target), deep)
        | {"log2": None if not star.value else float(np.log2(star.value))},
        "crossover": _root(cross, cross.whole, replicate_crossover(change, whole), deep)
        | {"k_real": cross.value, "first_significant": int(whole[ahead[0]]) if len(ahead) else None},
    }


def _root(root: Root, value: float | None, replicates: Floats, deep: Any) -> dict[str, Any]:
    lo, hi = percentile_interval(replicates)
    finite = np.isfinite(replicates).all()
    status = root.status if root.status != "ok" else trust(int(deep.sum()))
    return Estimate(
        value=value,
        se=float(replicates.std(ddof=1)) if finite else None,
        lo=float(lo),
        hi=float(hi),
        status=status,
        used=int(deep.sum()),
        excluded=int((~deep).sum()),
        extra={"bound": root.bound, "share_censored": float(np.mean(np.isinf(replicates)))},
    ).to_json()


def compression(pair: Pair, parts: Decomposition) -> dict[str, Any]:
    """The five parts of the gain, their intervals, the churn floor under them, and what is certified."""
    columns = [getattr(parts, name) for name in COMPONENTS]
    sums = [
        parts.within + parts.beyond,
        parts.within + parts.beyond + parts.unresolved,
        parts.expansion + parts.unresolved,
        parts.tuned - parts.base,
    ]
    floor = np.where(parts.used, churn(pair.base.n, pair.base.c, pair.tuned.n), np.nan)
    names = (*COMPONENTS, "compression_low", "compression_high", "expansion_high", "delta", "churn_floor")
    estimates = mean_estimates(np.stack([*columns, *sums, floor], axis=1), pair.boot)
    table = {name: estimate.to_json() for name, estimate in zip(names, estimates, strict=True)}
    strict = decompose(
        pair.base.n,
        pair.base.c,
        pair.tuned.n,
        pair.tuned.c,
        parts.search_budget,
        parts.alpha,
        simultaneous=True,
    )
    depth = pair.base.n[parts.used]
    identity = (
        sum(np.nanmean(getattr(parts, name)) for name in COMPONENTS[:4]) if parts.used.any() else np.nan
    )
    return {
        "search_budget": parts.search_budget,
        "alpha": parts.alpha,
        "n_base": int(depth.min()) if len(depth) else None,
        "expansion_can_be_shown": bool(len(depth) and depth.min() >= 16 * parts.search_budget),
        **table,
        "residual": Estimate(
            float(identity - np.nanmean(parts.forgetting) - np.nanmean(parts.tuned - parts.base))
            if parts.used.any()
            else None
        ).to_json()["value"],
        "base_zero": int(parts.base_zero.sum()),
        "reach": float(np.nanmax(parts.reach)) if parts.used.any() else None,
        "certified": _certified(pair, parts),
        "certified_simultaneous": _certified(pair, strict),
    }


def _certified(pair: Pair, parts: Decomposition) -> dict[str, Any]:
    rows = np.flatnonzero(parts.certified)
    return {
        "count": len(rows),
        "alpha_per_problem": parts.alpha_used,
        "problems": [pair.base.problem_ids[i] for i in rows],
    }


def ratios(pair: Pair, parts: Decomposition) -> dict[str, Any]:
    """ρ_K, R_K and Yue et al.'s sampling-efficiency gap; null where the headroom's interval contains 0."""
    used, excluded = int(parts.used.sum()), int((~parts.used).sum())
    if not used:
        nothing = Estimate(None, status=NO_DATA, excluded=excluded).to_json()
        return {"ratio_gross": nothing, "ratio_net": nothing, "efficiency_gap": nothing}
    gain = parts.tuned - parts.base
    draws = pair.boot.means(np.stack([parts.within, parts.headroom, gain], axis=1))
    has_headroom = percentile_interval(draws[:, 1])[0] > 0

    def ratio(value: float, replicates: Floats) -> dict[str, Any]:
        lo, hi = percentile_interval(replicates)
        if np.isnan(value) or not has_headroom:
            return Estimate(None, status="no_headroom", used=used, excluded=excluded).to_json()
        se = float(np.nanstd(replicates, ddof=1))
        return Estimate(value, se, float(lo), float(hi), trust(used), used, excluded).to_json()

    gap = mean_estimates((parts.base_at_k - parts.tuned)[:, None], pair.boot)[0]
    return {
        "ratio_gross": ratio(parts.ratio_gross, safe_ratio(draws[:, 0], draws[:, 1])),
        "ratio_net": ratio(parts.ratio_net, safe_ratio(draws[:, 2], draws[:, 1])),
        "efficiency_gap": gap.to_json(),
    }


def coverage_change(pair: Pair, budget: int) -> dict[str, Any]:
    """pass@K lost and gained problem by problem, and who solved what at all."""
    loss, gain = coverage(pair.base.n, pair.base.c, pair.tuned.n, pair.tuned.c, budget)
    names = ("loss", "gain", "net")
    table = mean_estimates(np.stack([loss, gain, loss - gain], axis=1), pair.boot)
    both = (pair.base.n > 0) & (pair.tuned.n > 0)
    b, t = pair.base.c[both] > 0, pair.tuned.c[both] > 0
    return {
        "search_budget": budget,
        **{name: estimate.to_json() for name, estimate in zip(names, table, strict=True)},
        "solved": {
            "both": int(np.sum(b & t)),
            "base_only": int(np.sum(b & ~t)),
            "tuned_only": int(np.sum(~b & t)),
            "neither": int(np.sum(~b & ~t)),
        },
    }
