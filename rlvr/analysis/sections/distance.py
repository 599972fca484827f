"""How far training moved the policy, and towards what: KL to the base and to the verified posterior, in nats.

Needs log-probabilities of the samples under both policies (docs/metrics.md, "At what distance"). Per problem, p and q
are the base's and the tuned success rate, w = p0/π the importance weight of a tuned sample.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from typing_extensions import TypedDict

from rlvr.analysis.alignment import SampledAlignment, sampled_alignment
from rlvr.analysis.estimate import NO_DATA, Estimate, EstimateJson, Number, plain, real
from rlvr.analysis.frontier import bernoulli_kl, tilt
from rlvr.analysis.pair import Pair, means, ratio_estimate
from rlvr.analysis.rates import Drawn, Rates, rates
from rlvr.analysis.samples import Floats, Ints

ONE_TRACE = 1e-3
"""Nats within which the log-ratios of verified samples are those of one trace."""

NO_DISTANCE = "no_distance"
"""Not defined: the two policies cannot be told apart by their log-probabilities."""


class NoDistance(TypedDict):
    status: Literal["no_logprobs"]


class BaseRateFrom(TypedDict):
    """Problems by where p comes from; see `rlvr.analysis.rates`."""

    both: int
    counts: int
    importance: int
    few_counts: int
    none: int


class Improved(TypedDict):
    up: int
    down: int


class FrontierPoint(TypedDict):
    beta: Number
    kl: float
    q: float


class CertainSuccess(EstimateJson):
    share_base_zero: Number
    """Share of the sampled problems with c0 = 0, whose price is not known."""


class Distance(TypedDict):
    """In nats per problem, averaged over problems; success rates p and q are those of `rlvr.analysis.rates`."""

    status: Literal["ok"]
    unit: str
    samples: int
    samples_without_logprobs: int
    base_rate_from: BaseRateFrom
    low_ess: int
    kl_pi_p0: EstimateJson
    kl_pi_p0_k3: EstimateJson
    kl_verified: EstimateJson
    """KL(π_V‖π*)"""
    kl_target_pi: EstimateJson
    """KL(π*‖π)"""
    kl_target_pi_verified: EstimateJson
    """KL(π*‖π_V)"""
    kl_bernoulli: EstimateJson
    """kl(q‖p)"""
    kl_within_verified: EstimateJson
    kl_within_unverified: EstimateJson
    ess: EstimateJson
    ess_verified: EstimateJson
    efficiency: EstimateJson
    """η"""
    improved: Improved
    frontier: list[FrontierPoint]
    certain_success: CertainSuccess


def distance(pair: Pair) -> Distance | NoDistance:
    """Both alignments to p(z | x, verified), KL(π‖p0), its chain rule, KL efficiency η; or why they are
    missing.
    """
    names = pair.base.policy, pair.tuned.policy
    drawn = Drawn.of(pair.tuned.logprobs, *names)
    if drawn is None or not len(drawn.row):
        return {"status": "no_logprobs"}
    size = pair.base.n_problems
    seen = sampled_alignment(drawn.log_p0, drawn.log_pi, drawn.verified, drawn.row, size)
    of_base = Drawn.of(pair.base.logprobs, *names)
    known = rates(pair, of_base, drawn, seen)
    p, q = known.p, known.q
    forward, forward_se = forward_kl(drawn, seen, known)
    reverse = reverse_kl(of_base, seen, known)
    k1_se = _sampling_se(drawn.log_pi - drawn.log_p0, drawn.row, seen.k1, seen.samples)
    bernoulli = bernoulli_part(known)
    with np.errstate(invalid="ignore"):
        inside = np.where(q > 0, q * forward, 0.0 * q)
        columns = {
            "kl_pi_p0": seen.k1,
            "kl_pi_p0_k3": seen.k3,
            "kl_verified": forward,
            "kl_target_pi": reverse,
            "kl_target_pi_verified": reverse + np.log(np.where(q > 0, q, np.nan)) + known.bias,
            "kl_bernoulli": bernoulli,
            "kl_within_verified": inside,
            "kl_within_unverified": np.where(np.isfinite(seen.k1), seen.k1, np.nan) - bernoulli - inside,
            "ess": seen.ess,
            "ess_verified": np.where(seen.verified > 0, seen.ess_verified, np.nan),
        }
    table = means(columns, pair.boot, signed=columns)
    table["kl_verified"]["se_fixed"] = _fixed(forward_se)
    table["kl_pi_p0"]["se_fixed"] = _fixed(k1_se)
    return {
        "status": "ok",
        "unit": "nats per problem",
        "samples": len(drawn.row),
        "samples_without_logprobs": drawn.dropped,
        "base_rate_from": {
            "both": known.problems_by("both"),
            "counts": known.problems_by("counts"),
            "importance": known.problems_by("importance"),
            "few_counts": known.problems_by("few_counts"),
            "none": known.problems_by("none"),
        },
        "low_ess": int(np.sum(seen.low_ess & (seen.verified > 0))),
        "kl_pi_p0": table["kl_pi_p0"],
        "kl_pi_p0_k3": table["kl_pi_p0_k3"],
        "kl_verified": table["kl_verified"],
        "kl_target_pi": table["kl_target_pi"],
        "kl_target_pi_verified": table["kl_target_pi_verified"],
        "kl_bernoulli": table["kl_bernoulli"],
        "kl_within_verified": table["kl_within_verified"],
        "kl_within_unverified": table["kl_within_unverified"],
        "ess": table["ess"],
        "ess_verified": table["ess_verified"],
        "efficiency": efficiency(bernoulli, seen.k1, table["kl_pi_p0"], pair),
        "improved": {"up": int(np.sum(q > p)), "down": int(np.sum(q < p))},
        "frontier": frontier_curve(p),
        "certain_success": certain_success(pair),
    }


def bernoulli_part(rates: Rates) -> Floats:
    """kl(q‖p) per problem, less what noise in ln(p/q) adds to q ln(q/p) (second order): it may come out below 0."""
    known = ~np.isnan(rates.p) & ~np.isnan(rates.q)
    q, p = np.where(known, rates.q, 0.5), np.where(known, rates.p, 0.5)
    return np.where(known, bernoulli_kl(q, p) - q * rates.noise / 2, np.nan)


def forward_kl(drawn: Drawn, seen: SampledAlignment, rates: Rates) -> tuple[Floats, Floats]:
    """KL(π_V‖π*) per problem = E_{π_V}[ln π - ln p0] - ln(q/p), and its sampling error: delta method, and
    where all c verified samples look like one trace, so that none has any influence, another trace that is a nat away
    and has a mass of 1/(c + 2) (Laplace's rule of succession).

    NaN where no tuned sample is verified, or where p cannot be trusted.
    """
    right = seen.verified > 0
    with np.errstate(divide="ignore", invalid="ignore"):
        value = seen.mean_log_ratio_verified + np.log(rates.p / rates.q) - rates.bias
    value = np.where(rates.trusted & right, value, np.nan)
    row, log_ratio = drawn.row, drawn.log_pi - drawn.log_p0
    with np.errstate(invalid="ignore", divide="ignore"):
        off = np.where(drawn.verified, log_ratio - seen.mean_log_ratio_verified[row], 0.0)
        influence = off * (seen.samples / seen.verified)[row] + rates.influence
        square = np.bincount(row, np.nan_to_num(influence) ** 2, minlength=len(value)) / seen.samples**2
        apart = np.bincount(row, np.abs(off) > ONE_TRACE, minlength=len(value)) > 0
        unseen = np.where(apart, 0.0, 1 / (seen.verified + 2) ** 2)
    return value, np.where(np.isnan(value), np.nan, np.sqrt(square + rates.variance + unseen))


def reverse_kl(base: Drawn | None, seen: SampledAlignment, rates: Rates) -> Floats:
    """KL(π*‖π) per problem: verified base samples are exact draws of π*; without them, weighted tuned
    samples.
    """
    if base is None or not len(base.row):
        return np.where(seen.low_ess, np.nan, seen.kl_target_pi)
    hits = np.bincount(base.row[base.verified], minlength=len(rates.p))
    with np.errstate(invalid="ignore", divide="ignore"):
        gap = np.where(base.verified, base.log_p0 - base.log_pi, 0.0)
        return np.where(
            hits > 0, np.bincount(base.row, gap, minlength=len(hits)) / hits - np.log(rates.p), np.nan
        )


def efficiency(bernoulli: Floats, kl: Floats, mean: EstimateJson, pair: Pair) -> EstimateJson:
    """η = Σ kl(q‖p)/Σ KL(π‖p0) over problems where both are known and finite; `no_distance` where the interval of
    `mean`, KL(π‖p0), holds 0: a ratio to it would be noise.
    """
    known = np.isfinite(bernoulli) & np.isfinite(kl)
    top, bottom = np.where(known, bernoulli, np.nan), np.where(known, kl, np.nan)
    if known.any() and not real(mean["lo"]) > 0:
        used = int(known.sum())
        return Estimate(None, status=NO_DISTANCE, used=used, excluded=len(known) - used).to_json()
    return ratio_estimate(top, bottom, pair.boot, empty="no_kl" if known.any() else NO_DATA)


def certain_success(pair: Pair) -> CertainSuccess:
    """Nats that certain success costs on the frontier, ln(1/p̂) with p̂ = c0/n0, averaged over problems with p̂ > 0.

    `share_base_zero` is the share of sampled problems with c0 = 0, whose price is not known: they are excluded.
    """
    n, hits = pair.base.n, pair.base.c
    with np.errstate(invalid="ignore", divide="ignore"):
        price = np.where(hits > 0, np.log(n / hits) + 0.0, np.nan)
    sampled = n > 0
    zero = plain(float(np.mean(hits[sampled] == 0))) if sampled.any() else None
    return {**means({"price": price}, pair.boot)["price"], "share_base_zero": zero}


def frontier_curve(p: Floats, points: int = 41) -> list[FrontierPoint]:
    """Mean KL and mean success rate of the tilt family π_β, β shared by all problems: the best a budget can
    buy.
    """
    known = p[~np.isnan(p)]
    if not len(known):
        return []
    curve: list[FrontierPoint] = []
    for shift in np.linspace(0, 20, points):
        q, kl = tilt(known, np.inf if shift == 0 else 1 / shift)
        curve.append(
            {"beta": plain(np.inf if shift == 0 else 1 / shift), "kl": float(kl.mean()), "q": float(q.mean())}
        )
    return curve


def _sampling_se(values: Floats, row: Ints, mean: Floats, samples: Floats) -> Floats:
    """Standard error of a per-problem mean from its own samples; NaN for fewer than two."""
    with np.errstate(invalid="ignore", divide="ignore"):
        square = np.bincount(row, (values - mean[row]) ** 2, minlength=len(mean))
        return np.where(samples > 1, np.sqrt(square / (samples - 1) / samples), np.nan)


def _fixed(se: Floats) -> Number:
    """Standard error of the mean over exactly these problems."""
    known = se[~np.isnan(se)]
    return plain(float(np.sqrt(np.sum(known**2)) / len(known))) if len(known) else None
