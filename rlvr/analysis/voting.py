"""Choosing one of k samples: by majority vote (maj@k) or by a verifier (best-of-k). Exact expectations, no draws."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import gammaln, xlog1py, xlogy

from rlvr.analysis.passk import log_failure
from rlvr.analysis.samples import Floats


def maj_at_k(counts: ArrayLike, correct: int | None, invalid: int, k: int) -> float:
    """P(the majority of k draws is correct), one problem (Wang et al. 2022, arXiv 2203.11171); NaN if k > n.

    `counts` are the samples per canonical answer, `correct` the index of the right one (None: never seen),
    `invalid` samples without an answer use up draws but cannot win. Ties are broken uniformly among the tied.

    k draws without replacement are independent Binomial(count, r) draws conditioned on their sum being k, for any r.
    """
    counts = np.asarray(counts, dtype=np.int64)
    n = int(counts.sum()) + invalid
    if k > n or n == 0 or k < 0:
        return np.nan
    if correct is None or counts[correct] == 0 or k == 0:
        return 0.0
    rivals = np.delete(counts, correct)
    rivals = np.sort(rivals[rivals > 0])[::-1]
    rate = min(k / n, 0.5) if k == n else k / n
    return _plurality(
        _binomial(int(counts[correct]), rate, k),
        [_binomial(int(m), rate, k) for m in rivals],
        _binomial(invalid, rate, k),
        float(_binomial(n, rate, k)[k]),
        k,
    )


def maj_at_k_known(probs: ArrayLike, correct: int, k: int) -> float:
    """maj@k for a known answer distribution, one problem: k independent draws, conditioned Poisson counts."""
    probs = np.asarray(probs, dtype=np.float64)
    if k == 0:
        return 0.0
    draws = [_poisson(k * p, k) for p in probs]
    rivals = [draws[i] for i in np.argsort(-probs) if i != correct]
    rest = max(0.0, 1.0 - float(probs.sum()))
    return _plurality(draws[correct], rivals, _poisson(k * rest, k), float(_poisson(float(k), k)[k]), k)


def _plurality(right: Floats, rivals: Sequence[Floats], abstain: Floats, total: float, k: int) -> float:
    """Σ_m P(right = m, every rival <= m, all sum to k)/(1 + ties at m), divided by P(sum = k).

    1/(1 + ties) = ∫₀¹ u^ties du, so each rival contributes its mass below m plus u times its mass at m; the integral
    over the polynomial in u is exact with enough Gauss-Legendre nodes (at most k/m - 1 rivals can tie).
    """
    win = 0.0
    for m in range(1, min(k, len(right) - 1) + 1):
        if right[m] == 0.0:
            continue
        ties = min(len(rivals), k // m - 1)
        nodes, weights = np.polynomial.legendre.leggauss(ties // 2 + 1)
        u, weights = (nodes + 1) / 2, weights / 2
        size = k - m + 1
        mass = np.zeros((len(u), size))
        mass[:, : len(abstain)] = abstain[:size]
        for rival in rivals:
            capped = np.repeat(rival[None, : m + 1], len(u), axis=0)
            if len(rival) > m:
                capped[:, m] *= u
            mass = _convolve(mass, capped)
        win += right[m] * float(weights @ mass[:, size - 1])
    return min(win / total, 1.0)


def _convolve(mass: Floats, other: Floats) -> Floats:
    """Distribution of the sum, row by row, cut to the width of `mass`."""
    out = np.zeros_like(mass)
    width = mass.shape[1]
    for j in range(min(other.shape[1], width)):
        out[:, j:] += other[:, j : j + 1] * mass[:, : width - j]
    return out


def _binomial(size: int, rate: float, top: int) -> Floats:
    """P(0), …, P(min(size, top)) of Binomial(size, rate)."""
    x = np.arange(min(size, top) + 1)
    log_p = (
        gammaln(size + 1) - gammaln(x + 1) - gammaln(size - x + 1) + xlogy(x, rate) + xlog1py(size - x, -rate)
    )
    return np.exp(log_p)


def _poisson(mean: float, top: int) -> Floats:
    x = np.arange(top + 1)
    return np.exp(xlogy(x, mean) - mean - gammaln(x + 1))


def best_of_k(
    tp: ArrayLike, fp: ArrayLike, fn: ArrayLike, tn: ArrayLike, k: ArrayLike, fallback: str = "random"
) -> Floats:
    """P(the returned sample is correct) when an accept/reject verifier picks among k draws; broadcasts over problems.

    One accepted draw is returned at random; if none is accepted, one at random (`fallback` "random") or nothing
    ("abstain"). NaN where k > n.
    """
    if fallback not in ("random", "abstain"):
        raise ValueError(f"fallback must be 'random' or 'abstain', got {fallback!r}")
    tp, fp, fn, tn = (np.asarray(x, dtype=np.float64) for x in (tp, fp, fn, tn))
    accepted, rejected = tp + fp, fn + tn
    none = np.exp(log_failure(accepted + rejected, accepted, k))
    value = (1 - none) * np.divide(tp, accepted, out=np.zeros(np.shape(accepted)), where=accepted > 0)
    if fallback == "random":
        value = value + none * np.divide(fn, rejected, out=np.zeros(np.shape(rejected)), where=rejected > 0)
    return value


def best_of_k_scored(scores: ArrayLike, correct: ArrayLike, k: int) -> float:
    """P(the best-scored of k draws is correct), one problem; equal scores are broken at random. NaN if k > n."""
    scores, correct = np.asarray(scores, dtype=np.float64), np.asarray(correct, dtype=np.float64)
    n = len(scores)
    if not 0 < k <= n:
        return np.nan
    _, block, size = np.unique(scores, return_inverse=True, return_counts=True)
    mean = np.bincount(block, weights=correct) / size
    below = np.concatenate([[0], np.cumsum(size)])
    # P(all k draws lie among the lowest L) = C(L, k)/C(n, k)
    among = np.exp(log_failure(n, n - below, k))
    return float(np.diff(among) @ mean)
