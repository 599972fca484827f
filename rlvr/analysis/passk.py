"""pass@k and its relatives, from counts: n samples of a problem, c of them correct.

All functions broadcast over arrays, are vectorised over problems, and give NaN where the quantity is
undefined (n = 0, k < 0, k > n). F_k = C(n-c, k)/C(n, k) is the probability that k of the n samples, drawn
without replacement, are all wrong.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import gammaln, xlog1py, xlogy

from rlvr.analysis.samples import Floats, Ints

_BLOCK = 1 << 22  # numbers held at once while terms are summed
_MAX_TERMS = 1 << 22


def log_failure(n: ArrayLike, c: ArrayLike, k: ArrayLike) -> Floats:
    """ln F_k, exact to a few units in the last place; -inf where k draws cannot all be wrong (or F
    underflows).

    F_k = Π_{j<c} (1 - k/(n-j)), and for whole k also Π_{j<k} (1 - c/(n-j)); the shorter product is taken. The
    first is the Gamma continuation to real k. Neither forms large factorials, whose logarithms lose n·ln n
    digits.
    """
    n, c, k = np.broadcast_arrays(*(np.asarray(x, dtype=np.float64) for x in (n, c, k)))
    shape = n.shape
    keys = np.stack([n.ravel(), c.ravel(), k.ravel()], axis=1)
    unique, back = np.unique(keys, axis=0, return_inverse=True)
    out = _log_failure_of(unique[:, 0], unique[:, 1], unique[:, 2])
    return out[back.ravel()].reshape(shape)


def _log_failure_of(n: Floats, c: Floats, k: Floats) -> Floats:
    by_draws = (k < c) & (k == np.floor(k))
    terms = np.where(by_draws, k, c)
    take = np.where(by_draws, c, k)
    undefined = ~((n > 0) & (k >= 0) & (k <= n) & (c >= 0) & (c <= n))
    # F <= (1-k/n)^c <= e^{-ck/n}: below e^-800 it is 0 in double precision, however many terms are summed.
    certain = ((c > 0) & (k >= n - c + 1)) | (c * k > 800 * n)
    terms = np.where(undefined | certain, 0, terms)
    total = np.zeros(len(n))
    longest = int(terms.max(initial=0))
    if longest > _MAX_TERMS:
        raise ValueError(
            f"pass@k with min(c, k) = {longest} needs as many terms; at most {_MAX_TERMS} are summed"
        )
    start = 0
    while start < longest:
        rows = np.flatnonzero(terms > start)
        width = max(1, min(longest - start, _BLOCK // len(rows)))
        j = start + np.arange(width)
        inside = j < terms[rows, None]
        ratio = np.divide(take[rows, None], n[rows, None] - j, where=inside, out=np.zeros(inside.shape))
        total[rows] += np.log1p(-ratio).sum(axis=1)
        start += width
    total[certain] = -np.inf
    total[undefined] = np.nan
    return total


def pass_at_k(n: ArrayLike, c: ArrayLike, k: ArrayLike) -> Floats:
    """P(at least one of k draws is correct), unbiased: 1 - F_k (Chen et al. 2021, arXiv 2107.03374). k may be
    real.
    """
    n, c, k = np.broadcast_arrays(*(np.asarray(x, dtype=np.float64) for x in (n, c, k)))
    value = -np.expm1(log_failure(n, c, k))
    with np.errstate(invalid="ignore", divide="ignore"):
        value = np.where(
            (k == 1) & (n >= 1), c / n, value
        )  # exact, so that pass@1 is the mean and K = 1 has no headroom
    return value + 0.0  # no negative zero


def pass_curve(n: ArrayLike, c: ArrayLike, ks: ArrayLike) -> Floats:
    """pass@k of every problem at every k: shapes (M,), (M,), (Q,) -> (M, Q), NaN where k > n."""
    n, c, ks = np.asarray(n), np.asarray(c), np.asarray(ks)
    pairs, back = np.unique(np.stack([n, c], axis=1), axis=0, return_inverse=True)
    table = np.empty((len(pairs), len(ks)))
    rows = max(1, _BLOCK // max(len(ks), 1))
    for start in range(0, len(pairs), rows):
        part = pairs[start : start + rows]
        table[start : start + rows] = _curve_of(part[:, :1], part[:, 1:], ks)
    return table[back.ravel()]


def _curve_of(n: Ints, c: Ints, ks: Floats) -> Floats:
    """As pass_at_k on the grid n (T, 1), c (T, 1), ks (Q,), but whole k share one running sum over draws."""
    top = int(ks.max(initial=0))
    if not np.all(ks == np.floor(ks)) or len(n) * top > 8 * _BLOCK or top > 64 * len(ks):
        return pass_at_k(n, c, ks)
    j = np.arange(top)
    left = n - c - j  # wrong samples still in the urn before draw j
    with np.errstate(divide="ignore", invalid="ignore"):
        step = np.where(left > 0, np.log1p(-c / (n - j)), -np.inf)
    log_fail = np.concatenate([np.zeros((len(n), 1)), np.cumsum(step, axis=1)], axis=1)[:, ks.astype(int)]
    value = -np.expm1(np.where(c == 0, 0.0, log_fail))
    value = np.where(ks == 1, c / np.maximum(n, 1), value)
    return np.where((ks <= n) & (n > 0), value, np.nan) + 0.0


def pass_hat_k(n: ArrayLike, c: ArrayLike, k: ArrayLike) -> Floats:
    """pass^k, all k draws correct: C(c, k)/C(n, k) (Yao et al. 2024, τ-bench, arXiv 2406.12045)."""
    return np.exp(log_failure(n, np.asarray(n) - np.asarray(c), k))


def cot_pass_at_k(n: ArrayLike, c: ArrayLike, c_cot: ArrayLike, k: ArrayLike) -> Floats:
    """CoT-pass@k: pass@k counting only right answers with verified reasoning, c_cot <= c (Wen et al. 2025,
    arXiv 2506.14245).
    """
    if np.any(np.asarray(c_cot) > np.asarray(c)):
        raise ValueError("more sound right answers than right answers")
    return pass_at_k(n, c_cot, k)


def unsound_share(c: ArrayLike, c_cot: ArrayLike) -> Floats:
    """1 - c_cot/c, the share of right answers whose reasoning is not sound; NaN where nothing is right."""
    c, c_cot = np.broadcast_arrays(np.asarray(c, dtype=np.float64), np.asarray(c_cot, dtype=np.float64))
    return 1 - np.divide(c_cot, c, out=np.full(c.shape, np.nan), where=c > 0)


def g_pass_at_k(n: ArrayLike, c: ArrayLike, k: ArrayLike, tau: ArrayLike) -> Floats:
    """G-pass@k_τ: at least ⌈τk⌉ (and 1) of k draws correct (Liu et al. 2024, arXiv 2412.13147). k whole."""
    n, c, k, tau = np.broadcast_arrays(*(np.asarray(x, dtype=np.float64) for x in (n, c, k, tau)))
    need = np.maximum(
        np.ceil(tau * k - 1e-9), 1
    )  # 0.1·30 is 3, not the 4 that rounding up 3.0000000000000004 gives
    hits = np.arange(int(k.max(initial=0)) + 1).reshape((-1,) + (1,) * n.ndim)
    weight = np.where((hits >= need) & (hits <= k), hypergeometric_pmf(n, c, k, hits), 0.0)
    value = np.minimum(weight.sum(axis=0), 1.0)
    return np.where((n > 0) & (k >= 0) & (k <= n), value, np.nan)


def hypergeometric_pmf(n: ArrayLike, c: ArrayLike, k: ArrayLike, hits: ArrayLike) -> Floats:
    """P(exactly `hits` correct among k draws without replacement from n samples of which c are correct)."""
    n, c, k, hits = (np.asarray(x, dtype=np.float64) for x in (n, c, k, hits))

    def log_choose(a: Floats, b: Floats) -> Floats:
        return gammaln(a + 1) - gammaln(b + 1) - gammaln(a - b + 1)

    possible = (hits >= 0) & (hits <= c) & (k - hits >= 0) & (k - hits <= n - c) & (k <= n)
    with np.errstate(invalid="ignore"):
        log_p = log_choose(c, hits) + log_choose(n - c, k - hits) - log_choose(n, k)
        return np.where(possible, np.exp(np.where(possible, log_p, -np.inf)), 0.0)


def pass_variance(n: ArrayLike, c: ArrayLike, k: ArrayLike) -> Floats:
    """Unbiased estimate of the sampling variance of pass@k of one problem: F_k² - F_{2k}. NaN unless 2k <= n.

    E F_k² - E F_{2k} = E F_k² - (1-p)^{2k} = Var F_k, because F_{2k} is unbiased for (1-p)^{2k}. It is 0 at c
    = 0 and c = n, where the posterior must speak instead.
    """
    n, c, k = np.broadcast_arrays(*(np.asarray(x, dtype=np.float64) for x in (n, c, k)))
    log_k, log_2k = log_failure(n, c, k), log_failure(n, c, 2 * k)
    with np.errstate(invalid="ignore"):
        value = np.exp(2 * log_k) * -np.expm1(np.where(np.isneginf(log_k), 0.0, log_2k - 2 * log_k))
    return np.maximum(np.where(2 * k <= n, value, np.nan), 0.0)


def pass_moments_at_p(n: ArrayLike, p: ArrayLike, k: ArrayLike) -> tuple[Floats, Floats]:
    """Mean and variance of the estimator pass@k when c ~ Binomial(n, p). The mean is 1-(1-p)^k: it is
    unbiased.
    """
    n, p, k = np.broadcast_arrays(*(np.asarray(x, dtype=np.float64) for x in (n, p, k)))
    size = int(n.max(initial=0))
    c = np.arange(size + 1).reshape((-1,) + (1,) * n.ndim)
    inside = c <= n
    count = np.where(inside, c, 0)
    log_weight = (
        gammaln(n + 1)
        - gammaln(count + 1)
        - gammaln(n - count + 1)
        + xlogy(count, p)
        + xlog1py(n - count, -p)
    )
    weight = np.where(inside, np.exp(log_weight), 0.0)
    mean = -np.expm1(xlog1py(k, -p))
    fail = np.exp(log_failure(n, count, k))
    # The centre is the known mean, so nothing cancels.
    variance = (weight * (fail - (1 - mean)) ** 2).sum(axis=0)
    undefined = ~((n > 0) & (k >= 0) & (k <= n))
    return np.where(undefined, np.nan, mean), np.where(undefined, np.nan, variance)


def jensen_bound(p: ArrayLike, k: float) -> float:
    """Upper bound on mean pass@k from mean and variance of the success rates p (M,): 1 - ((1-E p)² + Var
    p)^{k/2}.

    Jensen's inequality on E (1-p)^k for k >= 2 (Dang et al. 2025, as quoted by ProRL, arXiv 2505.24864).
    NaN without a rate.
    """
    if k < 2:
        raise ValueError(f"the bound needs k >= 2, got {k}")
    p = np.asarray(p, dtype=np.float64)
    if not p.size:
        return np.nan
    return float(1 - ((1 - p.mean()) ** 2 + p.var()) ** (k / 2))
