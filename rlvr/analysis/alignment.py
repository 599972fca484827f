"""How close the tuned policy π is to the verified posterior π* = p0(z) V(z)/p, in nats.

KL(π‖π*) is infinite unless π never fails. What can be measured is the chain rule KL(π‖p0) = kl(q‖p) + q
KL(π_V‖π*) + (1-q) KL(π_¬V‖p0_¬V), with π_V = π(· | V = 1) and kl the Bernoulli divergence.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import logsumexp

from rlvr.analysis.frontier import bernoulli_kl_logs
from rlvr.analysis.samples import Bools, Floats

MIN_ESS = 10.0
MIN_ESS_SHARE = 0.05


@dataclass(frozen=True, eq=False)
class ExactAlignment:
    """All terms for enumerable policies; NaN where undefined (an empty class), inf where support
    is missing.
    """

    log_p: Floats
    log_q: Floats
    kl_pi_p0: Floats
    kl_bernoulli: Floats
    kl_verified: Floats  # KL(π_V ‖ π*), forward
    kl_unverified: Floats  # KL(π_¬V ‖ p0_¬V)
    kl_pi_target: Floats  # KL(π ‖ π*)
    kl_target_pi: Floats  # KL(π* ‖ π), reverse
    kl_target_pi_verified: Floats  # KL(π* ‖ π_V)
    efficiency: Floats  # kl(q‖p)/KL(π‖p0)


def exact_alignment(log_p0: ArrayLike, log_pi: ArrayLike, verified: ArrayLike) -> ExactAlignment:
    """From tables of (unnormalised) log probabilities over traces, shape (…, Z); -inf means exactly 0.

    Whether an atom has mass is decided on its logarithm, never on an underflowed probability.
    """
    log_p0, log_pi = np.asarray(log_p0, dtype=np.float64), np.asarray(log_pi, dtype=np.float64)
    verified = np.broadcast_to(np.asarray(verified, dtype=bool), log_pi.shape)
    log_p0, log_pi = _normalise(_from_zero(log_p0)), _normalise(_from_zero(log_pi))
    p0_right, pi_right = np.where(verified, log_p0, -np.inf), np.where(verified, log_pi, -np.inf)
    p0_wrong, pi_wrong = np.where(verified, -np.inf, log_p0), np.where(verified, -np.inf, log_pi)
    log_p, log_q = _logsumexp(p0_right), _logsumexp(pi_right)
    log_not_p, log_not_q = _logsumexp(p0_wrong), _logsumexp(pi_wrong)

    kl_total = _kl(log_pi, log_p0)
    kl_bernoulli = bernoulli_kl_logs(log_q, log_not_q, log_p, log_not_p)
    forward = _kl(_normalise(pi_right), _normalise(p0_right))
    reverse = _kl(_normalise(p0_right), _normalise(pi_right))
    with np.errstate(invalid="ignore", divide="ignore"):
        no_target = np.isneginf(log_p) | np.isnan(log_p + log_q)
        sure = np.isneginf(log_not_q)
        to_target = np.where(no_target, np.nan, np.where(sure, forward, np.inf))
        from_target = np.where(no_target, np.nan, np.where(np.isneginf(log_q), np.inf, reverse - log_q))
        spent = (kl_total > 1e-14) & np.isfinite(kl_total)
        efficiency = np.where(spent, kl_bernoulli / kl_total, np.nan)
    return ExactAlignment(
        log_p, log_q, kl_total, kl_bernoulli, forward, _kl(_normalise(pi_wrong), _normalise(p0_wrong)),
        to_target, from_target, reverse, efficiency,
    )  # fmt: skip


def _logsumexp(logs: Floats) -> Floats:
    with np.errstate(divide="ignore"):
        return np.asarray(logsumexp(logs, axis=-1)) if logs.shape[-1] else np.full(logs.shape[:-1], -np.inf)


def _from_zero(logs: Floats) -> Floats:
    """The same table with its largest logarithm at 0: a common offset costs no digits in what follows."""
    top = logs.max(axis=-1, keepdims=True, initial=-np.inf)
    return logs - np.where(np.isfinite(top), top, 0.0)


def _normalise(logs: Floats) -> Floats:
    """Subtract the log total; NaN for a table without any mass."""
    total = _logsumexp(logs)[..., None]
    with np.errstate(invalid="ignore"):
        return np.where(np.isneginf(total), np.nan, logs - total)


def _kl(log_a: Floats, log_b: Floats) -> Floats:
    """Σ a (ln a - ln b) over normalised tables; 0·ln 0 = 0, inf where a has mass and b none, NaN if either is
    empty.
    """
    empty = np.isnan(log_a).any(axis=-1) | np.isnan(log_b).any(axis=-1) | (log_a.shape[-1] == 0)
    mass = ~np.isneginf(log_a) & ~np.isnan(log_a)
    missing = (mass & np.isneginf(log_b)).any(axis=-1)
    with np.errstate(invalid="ignore"):
        terms = np.where(mass & ~np.isneginf(log_b), np.exp(log_a) * (log_a - log_b), 0.0)
    return np.where(empty, np.nan, np.where(missing, np.inf, np.maximum(terms.sum(axis=-1), 0.0)))


@dataclass(frozen=True, eq=False)
class SampledAlignment:
    """Importance-sampling estimates per problem (M,) from samples of π; weights w = p0/π. NaN where
    undefined.
    """

    samples: Floats
    verified: Floats
    log_p_is: Floats  # ln (1/n) Σ V w: the base's success rate seen from π's samples
    ess: Floats  # (Σw)²/Σw²
    ess_verified: Floats
    k1: Floats  # mean(ln π - ln p0): KL(π‖p0), unbiased
    k3: Floats  # mean(w - 1 - ln w): KL(π‖p0), never negative
    mean_log_ratio_verified: Floats  # E_{π_V}[ln π - ln p0]
    kl_verified: Floats  # KL(π_V‖π*) with p̂_IS
    kl_target_pi: Floats  # KL(π*‖π), self-normalised

    @property
    def low_ess(self) -> Bools:
        """Where the weights rest on too few samples to be reported: ESS below 10 or 5 % of the verified."""
        return (self.ess_verified < MIN_ESS) | (self.ess_verified < MIN_ESS_SHARE * self.verified)


def sampled_alignment(
    log_p0: ArrayLike,
    log_pi: ArrayLike,
    verified: ArrayLike,
    problem: ArrayLike | None = None,
    problems: int = 1,
) -> SampledAlignment:
    """From samples z ~ π, arrays (N,) of normalised log probabilities; `problem` (N,) assigns them to
    problems.

    ESS cannot see missing support: p̂_IS counts only traces that π still visits, so for a collapsed π it is
    too small, and the forward KL with it.
    """
    log_p0, log_pi = np.asarray(log_p0, dtype=np.float64), np.asarray(log_pi, dtype=np.float64)
    verified = np.asarray(verified, dtype=bool)
    row = np.zeros(len(log_p0), dtype=np.int64) if problem is None else np.asarray(problem, dtype=np.int64)
    impossible = ~np.isfinite(log_pi)
    if impossible.any():
        i = int(np.flatnonzero(impossible)[0])
        raise ValueError(
            f"sample {i} has log probability {log_pi[i]} under the policy that drew it, expected a finite one"
        )
    log_w = log_p0 - log_pi

    def total(values: Floats, among: Bools | None = None) -> Floats:
        values = values if among is None else np.where(among, values, 0.0)
        return np.bincount(row, weights=values, minlength=problems).astype(np.float64)

    n, right = total(np.ones(len(row))), total(verified.astype(float))
    log_right = np.where(verified, log_w, -np.inf)
    sum_all, sum_right = (
        segment_logsumexp(log_w, row, problems),
        segment_logsumexp(log_right, row, problems),
    )
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        none = n == 0
        log_p_is = np.where(none, np.nan, sum_right - np.log(n))
        blank = np.isneginf(log_p_is) | none
        ess = np.exp(2 * sum_all - segment_logsumexp(2 * log_w, row, problems))
        ess_right = np.exp(2 * sum_right - segment_logsumexp(2 * log_right, row, problems))
        log_ratio = total(-log_w, verified) / right
        share = np.exp(log_right - sum_right[row])
        # ln w - ln p̂_IS before averaging, so that two large numbers do not cancel afterwards.
        centred = np.where(share > 0, share * (log_w - log_p_is[row]), 0.0)
        return SampledAlignment(
            samples=n,
            verified=right,
            log_p_is=log_p_is,
            ess=np.where(none, np.nan, np.where(np.isneginf(sum_all), 0.0, ess)),
            ess_verified=np.where(none, np.nan, np.where(np.isneginf(sum_right), 0.0, ess_right)),
            k1=total(-log_w) / np.where(none, np.nan, n),
            k3=total(_k3(log_w)) / np.where(none, np.nan, n),
            mean_log_ratio_verified=np.where(right > 0, log_ratio, np.nan),
            kl_verified=np.where(blank, np.nan, _not_negative(log_ratio - np.log(right / n) + log_p_is)),
            kl_target_pi=np.where(blank, np.nan, total(centred)),
        )


def _k3(log_w: Floats) -> Floats:
    """w - 1 - ln w, accurate near w = 1 and inf where w overflows or is 0 (Schulman 2020)."""
    with np.errstate(over="ignore"):
        return np.where(np.isneginf(log_w), np.inf, np.expm1(log_w) - log_w)


def _not_negative(values: Floats) -> Floats:
    """Jensen makes the estimate non-negative; rounding leaves about 1e-16 of either sign where it is 0."""
    return np.where(np.abs(values) < 1e-12, 0.0, values)


def segment_logsumexp(logs: Floats, row: np.ndarray, rows: int) -> Floats:
    """ln Σ e^x per problem; -inf for a problem without mass."""
    top = np.full(rows, -np.inf)
    np.maximum.at(top, row, logs)
    shift = np.where(np.isfinite(top), top, 0.0)
    with np.errstate(divide="ignore"):
        return shift + np.log(np.bincount(row, weights=np.exp(logs - shift[row]), minlength=rows))
