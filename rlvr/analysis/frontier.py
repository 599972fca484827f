"""The best success rate a KL budget can buy, and what GRPO and the policy gradient do with it.

max E_π[V] subject to KL(π‖p0) <= ε is solved by π ∝ p0 e^{V/β}: logit q = logit p + 1/β, and KL = kl(q‖p).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit, log_expit, logit

from rlvr.analysis.samples import Floats


def bernoulli_kl(q: ArrayLike, p: ArrayLike) -> Floats:
    """kl(q‖p) in nats; inf where p rules out what q does."""
    q, p = np.asarray(q, dtype=np.float64), np.asarray(p, dtype=np.float64)
    with np.errstate(divide="ignore"):
        return bernoulli_kl_logs(np.log(q), np.log1p(-q), np.log(p), np.log1p(-p))


def bernoulli_kl_logs(
    log_q: ArrayLike, log_not_q: ArrayLike, log_p: ArrayLike, log_not_p: ArrayLike
) -> Floats:
    """kl(q‖p) from ln q, ln(1-q), ln p, ln(1-p), for rates that underflow."""
    total: Floats = np.zeros(np.broadcast(log_q, log_p).shape)
    for a, b in ((log_q, log_p), (log_not_q, log_not_p)):
        a, b = np.broadcast_arrays(np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64))
        both = ~np.isneginf(a) & ~np.isneginf(b)
        gap = np.subtract(a, b, out=np.zeros(a.shape), where=both)
        total = total + np.where(np.isneginf(a), 0.0, np.where(both, np.exp(a) * gap, np.inf))
    return np.maximum(total, 0.0)


def tilt(p: ArrayLike, beta: ArrayLike) -> tuple[Floats, Floats]:
    """(q, KL) of the KL-regularised optimum π_β ∝ p0 e^{V/β}. A rate of exactly 0 or 1 is not
    moved by any β.
    """
    p, beta = np.broadcast_arrays(np.asarray(p, dtype=np.float64), np.asarray(beta, dtype=np.float64))
    inside = (p > 0) & (p < 1)
    with np.errstate(divide="ignore", over="ignore"):
        shift = 1 / beta
    log_odds = logit(np.where(inside, p, 0.5)) + shift
    q = np.where(inside, expit(log_odds), p)
    kl = _tilt_kl(np.where(inside, p, 0.5), q, log_odds, shift)
    return q, np.where(inside, kl, 0.0)


def logit_shift(p: ArrayLike, beta: ArrayLike) -> Floats:
    """logit q - logit p of the tilt, 1/β; NaN at p = 0 and p = 1, whose log-odds are infinite."""
    p, beta = np.broadcast_arrays(np.asarray(p, dtype=np.float64), np.asarray(beta, dtype=np.float64))
    with np.errstate(divide="ignore"):
        return np.where((p > 0) & (p < 1), 1 / beta, np.nan)


def _tilt_kl(p: Floats, q: Floats, log_odds: Floats, shift: Floats) -> Floats:
    """kl(q‖p) where logit q = log_odds = logit p + shift."""
    log_q, log_not_q = log_expit(log_odds), log_expit(-log_odds)
    with np.errstate(invalid="ignore"):
        kl = np.exp(log_q) * (log_q - np.log(p)) + np.exp(log_not_q) * (log_not_q - np.log1p(-p))
        kl = np.where(np.isposinf(shift), -np.log(p), np.where(np.isneginf(shift), -np.log1p(-p), kl))
    return np.maximum(kl, 0.0)


def kl_inverse(p: ArrayLike, budget: ArrayLike) -> Floats:
    """The largest q with kl(q‖p) <= budget nats. 1 from ln(1/p) nats on; 0 at p = 0, which no
    budget moves.
    """
    p, budget = np.broadcast_arrays(np.asarray(p, dtype=np.float64), np.asarray(budget, dtype=np.float64))
    if np.any(budget < 0):
        raise ValueError("a KL budget cannot be negative")
    lo, hi = p.astype(float).copy(), np.ones(p.shape)
    for _ in range(100):
        middle = (lo + hi) / 2
        inside = bernoulli_kl(middle, p) <= budget
        lo, hi = np.where(inside, middle, lo), np.where(inside, hi, middle)
    with np.errstate(divide="ignore"):
        everything = budget >= -np.log(p)
    return np.where(p == 0, 0.0, np.where((p == 1) | everything, 1.0, np.where(budget == 0, p, lo)))


def kl_efficiency(p: ArrayLike, q: ArrayLike, kl: ArrayLike) -> float:
    """η = Σ kl(q_i‖p_i)/Σ KL(π_i‖p0,i) over problems; NaN where no KL was spent or it is infinite.

    At most 1 for exact values (data processing); 1-η was spent on style or on lost diversity. Says nothing of
    the direction: look at the sign of q-p as well.
    """
    spent = float(np.sum(kl))
    if not np.isfinite(spent) or spent <= 0:
        return np.nan
    return float(np.sum(bernoulli_kl(q, p)) / spent)


def effective_temperature(p: ArrayLike, q: ArrayLike) -> Floats:
    """β_eff = 1/(logit q - logit p); NaN where the rates are equal."""
    with np.errstate(divide="ignore", invalid="ignore"):
        gap = logit(np.asarray(q, dtype=np.float64)) - logit(np.asarray(p, dtype=np.float64))
        return np.where((gap == 0) | np.isnan(gap), np.nan, 1 / gap)


def group_signal(p: ArrayLike, G: ArrayLike) -> Floats:
    """P(a group of G samples has both outcomes), 1 - p^G - (1-p)^G: where group-relative advantages are not
    all 0.
    """
    p, G = np.asarray(p, dtype=np.float64), np.asarray(G, dtype=np.float64)
    with np.errstate(divide="ignore"):
        value = -np.expm1(G * np.log1p(-p)) - p**G
    return np.maximum(value, 0.0)


def grpo_iterates(p: ArrayLike, beta: float, eps: float, steps: int) -> Floats:
    """Success rates q_0..q_steps, (steps+1, …), of GRPO with full KL-regularised optimum each round.

    logit q_{t+1} = logit p + 1/(β √(q_t (1-q_t) + ε)) (Mroueh 2025, arXiv 2503.06639).
    """
    p = np.asarray(p, dtype=np.float64)
    path = [p]
    for _ in range(steps):
        q = path[-1]
        with np.errstate(divide="ignore", invalid="ignore"):
            step = expit(logit(p) + 1 / (beta * np.sqrt(q * (1 - q) + eps)))
        path.append(np.where((p == 0) | (p == 1), p, step))  # rates that no reward moves
    return np.stack(path)


def policy_gradient(probs: ArrayLike, verified: ArrayLike, eta: float, steps: int) -> Floats:
    """Exact softmax policy gradient on E[V], step size eta on the logits; (Z,) probabilities, normalised
    first.

    The gradient π_z (V_z - q) favours traces that are already likely, so it reweights within the verified set
    too.
    """
    pi = np.asarray(probs, dtype=np.float64)
    if np.any(pi < 0) or pi.sum() <= 0:
        raise ValueError("probabilities must be non-negative and not all zero")
    pi, reward = pi / pi.sum(), np.asarray(verified, dtype=np.float64)
    for _ in range(steps):
        push = eta * pi * (reward - pi @ reward)
        pi = pi * np.exp(push - push.max())
        pi = pi / pi.sum()
    return pi
