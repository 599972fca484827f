"""How far training moved the policy, and towards what: KL to the base and to the verified posterior, in nats.

Needs log-probabilities of the samples under both policies (docs/metrics.md, "At what distance"). Per problem, p and q
are the base's and the tuned success rate, w = p0/π the importance weight of a tuned sample.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from typing_extensions import TypedDict

from rlvr.analysis.alignment import SampledAlignment, sampled_alignment
from rlvr.analysis.compression import safe_ratio
from rlvr.analysis.estimate import NO_DATA, Estimate, EstimateJson, Number, plain, real
from rlvr.analysis.frontier import bernoulli_kl, tilt
from rlvr.analysis.pair import Pair, means, ratio_estimate
from rlvr.analysis.samples import Bools, Floats, Ints, LogProbs

MIN_BASE_HITS = 10
"""From so many base successes on, p is estimated by counting; below, by importance sampling from tuned samples."""


NO_DISTANCE = "no_distance"
"""Not defined: the two policies cannot be told apart by their log-probabilities."""


@dataclass(frozen=True, eq=False)
class Drawn:
    """One policy's samples with log-probabilities under both: rows whose log-probabilities are missing are
    dropped.
    """

    row: Ints
    verified: Bools
    log_p0: Floats
    log_pi: Floats
    dropped: int

    @classmethod
    def of(cls, logprobs: LogProbs | None, base: str, tuned: str) -> Drawn | None:
        if logprobs is None or base not in logprobs.logp or tuned not in logprobs.logp:
            return None
        log_p0, log_pi = logprobs.logp[base], logprobs.logp[tuned]
        known = ~np.isnan(log_p0) & ~np.isnan(log_pi)
        return cls(
            logprobs.problem[known], logprobs.score[known], log_p0[known], log_pi[known], int((~known).sum())
        )


class NoDistance(TypedDict):
    status: Literal["no_logprobs"]


class BaseRateFrom(TypedDict):
    """Problems by where p comes from; see `base_rate`."""

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
    """In nats per problem, averaged over problems."""

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
    q = safe_ratio(seen.verified, seen.samples)
    p, source = base_rate(pair, seen)
    forward, forward_se = forward_kl(drawn, seen, p, source, pair)
    reverse = reverse_kl(pair, Drawn.of(pair.base.logprobs, *names), seen)
    k1_se = _sampling_se(drawn.log_pi - drawn.log_p0, drawn.row, seen.k1, seen.samples)
    bernoulli = bernoulli_part(q, p)
    with np.errstate(invalid="ignore"):
        inside = np.where(q > 0, q * forward, 0.0 * q)
        columns = {
            "kl_pi_p0": seen.k1,
            "kl_pi_p0_k3": seen.k3,
            "kl_verified": forward,
            "kl_target_pi": reverse,
            "kl_target_pi_verified": reverse + np.log(np.where(q > 0, q, np.nan)),
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
            "counts": int(np.sum(source == "counts")),
            "importance": int(np.sum(source == "importance")),
            "few_counts": int(np.sum(source == "few_counts")),
            "none": int(np.sum(source == "none")),
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


def base_rate(pair: Pair, seen: SampledAlignment) -> tuple[Floats, np.ndarray]:
    """p per problem and where it comes from: counts, importance sampling, few counts, or nowhere (NaN).

    Which of the first two is decided by the successes that the tuned samples let expect, not by those counted:
    to take the counts where they came out high would bias ln p upward. Counts all the same where they are far
    above that expectation, for then the tuned policy has stopped to visit part of what is verified.

    Counts get ½ added, which removes the first-order bias -(1-p)/(2np) of ln(c/n); and a base that was never
    wrong in n samples is not one that cannot be.
    """
    hits, n = pair.base.c, pair.base.n
    with np.errstate(over="ignore"):
        importance = np.minimum(np.exp(seen.log_p_is), (n + 0.5) / (n + 1))
    usable = ~seen.low_ess & ~np.isnan(importance)
    expected = np.where(usable, n * importance, 0.0)
    many = hits >= MIN_BASE_HITS
    choices = [
        (usable & (expected >= MIN_BASE_HITS) & (hits > 0) | many & (hits > 3 * expected), "counts"),
        (usable, "importance"),
        (hits > 0, "few_counts"),
    ]
    source = np.select([test for test, _ in choices], [name for _, name in choices], "none")
    return np.select(
        [source == "importance", source != "none"], [importance, (hits + 0.5) / (n + 1)], np.nan
    ), source


def bernoulli_part(q: Floats, p: Floats) -> Floats:
    """kl(q‖p) per problem."""
    known = ~np.isnan(p) & ~np.isnan(q)
    return np.where(known, bernoulli_kl(np.where(known, q, 0.5), np.where(known, p, 0.5)), np.nan)


def forward_kl(
    drawn: Drawn, seen: SampledAlignment, p: Floats, source: np.ndarray, pair: Pair
) -> tuple[Floats, Floats]:
    """KL(π_V‖π*) per problem = E_{π_V}[ln π - ln p0] - ln(q/p), and its sampling error (delta method).

    NaN where no tuned sample is verified, or where neither counts nor weights give p (`low_ess`).
    """
    trusted = (source == "counts") | (source == "importance")
    q = safe_ratio(seen.verified, seen.samples)
    with np.errstate(divide="ignore", invalid="ignore"):
        value = seen.mean_log_ratio_verified - np.log(q) + np.log(p)
    value = np.where(trusted & (seen.verified > 0), value, np.nan)
    # Influence of one tuned sample on the estimate; the base's counts are independent of it.
    row, right = drawn.row, drawn.verified
    log_ratio = drawn.log_pi - drawn.log_p0
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        share = np.where(right, 1 / q[row], 0.0)
        influence = share * (np.where(right, log_ratio, 0.0) - seen.mean_log_ratio_verified[row] - 1) + 1
        weight = np.where(right, np.exp(-log_ratio - seen.log_p_is[row]), 0.0)
        influence += np.where(source[row] == "importance", weight - 1, 0.0)
        square = np.bincount(row, np.nan_to_num(influence) ** 2, minlength=len(value)) / seen.samples**2
        of_counts = np.where(source == "counts", (1 - p) / (p * pair.base.n), 0.0)
    return value, np.where(np.isnan(value), np.nan, np.sqrt(square + of_counts))


def reverse_kl(pair: Pair, base: Drawn | None, seen: SampledAlignment) -> Floats:
    """KL(π*‖π) per problem: verified base samples are exact draws of π*; without them, weighted tuned
    samples.
    """
    if base is None or not len(base.row):
        return np.where(seen.low_ess, np.nan, seen.kl_target_pi)
    size = pair.base.n_problems
    hits = np.bincount(base.row[base.verified], minlength=size)
    number = np.bincount(base.row, minlength=size)
    with np.errstate(invalid="ignore", divide="ignore"):
        gap = np.where(base.verified, base.log_p0 - base.log_pi, 0.0)
        return np.where(
            hits > 0, np.bincount(base.row, gap, minlength=size) / hits - np.log(hits / number), np.nan
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
