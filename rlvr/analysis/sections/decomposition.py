"""Of which kind the gain is, for a pair of evaluations: k*, crossover, decomposition, ratios, coverage."""

from __future__ import annotations

from typing import NotRequired, cast

import numpy as np
from scipy.stats import binomtest
from typing_extensions import TypedDict

from rlvr.analysis.bootstrap import ClusterBootstrap, trust
from rlvr.analysis.compression import COMPONENTS, Decomposition, churn, decompose
from rlvr.analysis.estimate import NO_DATA, Estimate, EstimateJson, RootJson, real
from rlvr.analysis.intervals import percentile_interval
from rlvr.analysis.pair import Pair, means, ratio_estimate
from rlvr.analysis.passk import pass_curve
from rlvr.analysis.samples import Bools, Floats
from rlvr.analysis.search import (
    Root,
    coverage,
    crossover,
    k_star,
    replicate_crossover,
    replicate_k_star,
    search_grid,
)

ONE_SAMPLE = "one_sample"
"""Not defined: it takes two samples of a problem."""


class KStar(RootJson):
    log2: NotRequired[float | None]
    """Bits of search."""


class Crossover(RootJson):
    """`value` is the first whole k at which the base is ahead."""

    k_real: NotRequired[float | None]
    first_significant: NotRequired[int | None]
    """The first k at which the paired interval excludes 0."""


class Roots(TypedDict):
    k_star: KStar
    crossover: Crossover


class Certified(TypedDict):
    """Problems whose tuned rate is shown to lie above what K base samples could reach."""

    count: int
    alpha_per_problem: float
    """α shared among the problems that the base never solved; U, E and `reach` are at this level too."""
    problems: list[str]
    answered_by_base: int | None
    """How many of them the base answers rightly at least once, though not as the verifier asks; null where the rows do
    not tell answers and verdicts apart."""


class Compression(TypedDict):
    """The gain in parts; see docs/metrics.md, "Of which kind is the gain"."""

    search_budget: int
    alpha: float
    n_base: int | None
    """The smallest number of base samples per problem."""
    expansion_can_be_shown: bool
    within: EstimateJson
    beyond: EstimateJson
    unresolved: EstimateJson
    expansion: EstimateJson
    forgetting: EstimateJson
    headroom: EstimateJson
    compression_low: EstimateJson
    compression_high: EstimateJson
    expansion_high: EstimateJson
    delta: EstimateJson
    churn_floor: EstimateJson
    residual: float | None
    base_zero: int
    """Problems that the base never solved."""
    reach: float | None
    """B_U: pass@K of the largest base rate that 0 of n leaves possible."""
    certified_simultaneous: Certified
    """Where it is empty, nothing of `expansion` is shown: report `expansion_high`, U + E, as unresolved."""


class Ratios(TypedDict):
    ratio_gross: EstimateJson
    ratio_net: EstimateJson
    efficiency_gap: EstimateJson


class Solved(TypedDict):
    both: int
    base_only: int
    tuned_only: int
    neither: int


class Flips(TypedDict):
    """One sample of each problem before and after; `coverage.solved` is the 2 × 2 table."""

    to_right: list[str]
    to_wrong: list[str]
    p_exact: float
    """McNemar's test, exact: if flips went either way equally often, the chance of a table at least this uneven."""


class Coverage(TypedDict):
    search_budget: int
    loss: EstimateJson
    gain: EstimateJson
    net: EstimateJson
    solved: Solved


def roots(pair: Pair) -> Roots:
    """k* and the crossover, on the problems deep enough for the whole curve. A curve of one sample has no root."""
    deep = (pair.base.n >= pair.top) & (pair.tuned.n >= pair.top)
    counts = [x[deep] for x in (pair.base.n, pair.base.c, pair.tuned.n, pair.tuned.c)]
    if not deep.any() or pair.top < 1:
        nothing = Estimate(None, status=NO_DATA, excluded=len(deep)).to_json()
        return {"k_star": {**nothing}, "crossover": {**nothing}}
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
    _, upper = percentile_interval(change, len(counts[0]))
    ahead = np.flatnonzero(upper < 0)
    star, cross = k_star(*counts), crossover(*counts)
    single = Estimate(None, status=ONE_SAMPLE, used=int(deep.sum()), excluded=int((~deep).sum())).to_json()
    worth: KStar = {
        **_root(star, star.value, replicate_k_star(base, grid, target), deep),
        "log2": None if not star.value else float(np.log2(star.value)),
    }
    overtakes: Crossover = {
        **_root(cross, cross.whole, replicate_crossover(change, whole), deep),
        "k_real": cross.value,
        "first_significant": int(whole[ahead[0]]) if len(ahead) else None,
    }
    return {
        "k_star": {**single} if reach < 2 else worth,
        "crossover": {**single} if pair.top < 2 else overtakes,
    }


def _root(root: Root, value: float | None, replicates: Floats, deep: Bools) -> RootJson:
    lo, hi = percentile_interval(replicates, int(deep.sum()))
    finite = np.isfinite(replicates).all()
    status = root.status if root.status != "ok" else trust(int(deep.sum()))
    found = Estimate(
        value=value,
        se=float(replicates.std(ddof=1)) if finite else None,
        lo=float(lo),
        hi=float(hi),
        status=status,
        used=int(deep.sum()),
        excluded=int((~deep).sum()),
        extra={"bound": root.bound, "share_censored": float(np.mean(np.isinf(replicates)))},
    )
    return cast("RootJson", found.to_json())


def decomposed(pair: Pair, budget: int, alpha: float) -> Decomposition:
    """The gain in parts, α shared. Problems with one base sample are not used: it cannot tell rare from frequent."""
    several = np.where(pair.base.n >= 2, pair.base.n, 0)
    solved = np.where(pair.base.n >= 2, pair.base.c, 0)
    return decompose(several, solved, pair.tuned.n, pair.tuned.c, budget, alpha, simultaneous=True)


def compression(pair: Pair, parts: Decomposition) -> Compression:
    """The five parts of the gain, their intervals, the churn floor under them, and what is certified.

    `parts` is `decomposed`: bounds, parts and certificates are at one level.
    """
    columns = {name: getattr(parts, name) for name in COMPONENTS} | {
        "compression_low": parts.within + parts.beyond,
        "compression_high": parts.within + parts.beyond + parts.unresolved,
        "expansion_high": parts.expansion + parts.unresolved,
        "delta": parts.tuned - parts.base,
        "churn_floor": np.where(parts.used, churn(pair.base.n, pair.base.c, pair.tuned.n), np.nan),
    }
    table = means(columns, pair.boot, signed=["delta"])
    depth = pair.base.n[parts.used]
    return {
        "search_budget": parts.search_budget,
        "alpha": parts.alpha,
        "n_base": int(depth.min()) if len(depth) else None,
        "expansion_can_be_shown": bool(len(depth) and depth.min() >= 16 * parts.search_budget),
        "within": table["within"],
        "beyond": table["beyond"],
        "unresolved": table["unresolved"],
        "expansion": table["expansion"],
        "forgetting": table["forgetting"],
        "headroom": table["headroom"],
        "compression_low": table["compression_low"],
        "compression_high": table["compression_high"],
        "expansion_high": table["expansion_high"],
        "delta": table["delta"],
        "churn_floor": table["churn_floor"],
        "residual": residual(parts),
        "base_zero": int(parts.base_zero.sum()),
        "reach": float(np.nanmax(parts.reach)) if parts.used.any() else None,
        "certified_simultaneous": _certified(pair, parts),
    }


def residual(parts: Decomposition) -> float | None:
    """C + X + U + E - F minus the gain, averaged: 0 up to rounding, or something is broken."""
    if not parts.used.any():
        return None
    total = parts.within + parts.beyond + parts.unresolved + parts.expansion - parts.forgetting
    return float(np.nanmean(total - (parts.tuned - parts.base)))


def _certified(pair: Pair, parts: Decomposition) -> Certified:
    rows, answers = np.flatnonzero(parts.certified), pair.base.c_answer
    return {
        "count": len(rows),
        "alpha_per_problem": parts.alpha_used,
        "problems": [pair.base.problem_ids[int(i)] for i in rows],
        "answered_by_base": None if answers is None else int(np.sum(answers[rows] > 0)),
    }


def ratios(pair: Pair, parts: Decomposition) -> Ratios:
    """ρ_K, R_K and Yue et al.'s sampling-efficiency gap; null where the headroom's interval contains 0."""
    gain = parts.tuned - parts.base
    table = means(
        {"headroom": parts.headroom, "gap": parts.base_at_k - parts.tuned}, pair.boot, signed=["gap"]
    )
    if not real(table["headroom"]["lo"]) > 0:
        used, status = int(parts.used.sum()), "no_headroom" if parts.used.any() else NO_DATA
        none = Estimate(None, status=status, used=used, excluded=len(parts.used) - used).to_json()
        return {"ratio_gross": none, "ratio_net": none, "efficiency_gap": table["gap"]}
    return {
        "ratio_gross": ratio_estimate(parts.within, parts.headroom, pair.boot),
        "ratio_net": ratio_estimate(gain, parts.headroom, pair.boot, signed=True),
        "efficiency_gap": table["gap"],
    }


def flips(pair: Pair) -> Flips | None:
    """Which problems went from wrong to right and back; None unless both policies have at most one sample of each.

    McNemar (1947); the exact form is a sign test on the problems that changed.
    """
    n0, n1 = pair.base.n, pair.tuned.n
    both = (n0 == 1) & (n1 == 1)
    if max(n0.max(initial=0), n1.max(initial=0)) > 1 or not both.any():
        return None
    change = np.where(both, pair.tuned.c - pair.base.c, 0)
    up, down = ([pair.base.problem_ids[int(i)] for i in np.flatnonzero(change == way)] for way in (1, -1))
    p = float(binomtest(len(up), len(up) + len(down)).pvalue) if up or down else 1.0
    return {"to_right": up, "to_wrong": down, "p_exact": p}


def coverage_change(pair: Pair, budget: int) -> Coverage:
    """pass@K lost and gained problem by problem, and who solved what at all."""
    loss, gain = coverage(pair.base.n, pair.base.c, pair.tuned.n, pair.tuned.c, budget)
    both = (pair.base.n > 0) & (pair.tuned.n > 0)
    b, t = pair.base.c[both] > 0, pair.tuned.c[both] > 0
    table = means({"loss": loss, "gain": gain, "net": loss - gain}, pair.boot, signed=["net"])
    return {
        "search_budget": budget,
        "loss": table["loss"],
        "gain": table["gain"],
        "net": table["net"],
        "solved": {
            "both": int(np.sum(b & t)),
            "base_only": int(np.sum(b & ~t)),
            "tuned_only": int(np.sum(~b & t)),
            "neither": int(np.sum(~b & ~t)),
        },
    }
