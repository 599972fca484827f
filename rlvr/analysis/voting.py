"""Choosing one of k samples: by majority vote (maj@k) or by a verifier (best-of-k).

Exact expectations over subsets of k samples; nothing is drawn.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import gammaln, xlogy

from rlvr.analysis.passk import log_failure
from rlvr.analysis.samples import Answers, Bools, Floats, Ints

Mass = Callable[[Floats, Floats, Ints | slice], Floats]
_CHUNK = 256  # problems convolved at once
NEGLIGIBLE = (
    1e-18  # ways of winning less likely than this are left out: k of them do not reach rounding error
)


def maj_at_k(answers: Answers, n: ArrayLike, k: int) -> Floats:
    """P(the majority of k draws is correct) per problem, shape (M,) like n; NaN where k > n or n = 0.

    Wang et al. 2022, arXiv 2203.11171. Samples in no row of `answers` abstain: they use up draws but cannot
    win. Ties are broken uniformly among the tied; a problem whose right answer was never seen has 0.

    Draws without replacement are independent Binomial(count, r) draws per answer, conditioned on summing to
    k.
    """
    n = np.asarray(n, dtype=np.float64)
    right, rivals = _vote_table(answers, len(n))
    abstain = n - right - rivals.sum(axis=1)
    if np.any(abstain < 0):
        i = int(np.flatnonzero(abstain < 0)[0])
        raise ValueError(f"problem row {i}: {int(n[i] - abstain[i])} answers among {int(n[i])} samples")
    win = np.where((n >= k) & (n > 0) & (k >= 0), 0.0, np.nan)
    table = gammaln(np.arange(int(n.max(initial=0)) + 1) + 1.0)
    rows = np.flatnonzero((win == 0) & (right > 0)) if k > 0 else np.zeros(0, dtype=int)
    for start in range(0, len(rows), _CHUNK):
        part = rows[start : start + _CHUNK]
        rate = k / (n[part] + 1)  # any r in (0, 1) gives the same; this one keeps the masses large

        def mass(size: Floats, x: Floats, rows: Ints | slice, rate: Floats = rate) -> Floats:
            return _binomial(size, x, rate[rows, None], table)

        win[part] = _plurality(right[part], rivals[part], abstain[part], mass, rivals[part], k)
    return win


def maj_at_k_known(probs: ArrayLike, correct: int | None, k: int) -> float:
    """maj@k of one problem with a known answer distribution: k independent draws. `correct` None: no answer is.

    Multinomial counts are Poisson(k p) counts conditioned on summing to k.
    """
    probs = np.asarray(probs, dtype=np.float64)
    if correct is None or k == 0:
        return 0.0
    if k < 0 or not 0 <= correct < len(probs):
        raise ValueError(
            f"maj@{k} with correct answer {correct} of {len(probs)}: expected k >= 0 and an index"
        )
    rivals = np.sort(np.delete(probs, correct))[::-1][None, :]
    rest = np.array([max(0.0, 1.0 - float(probs.sum()))])
    if probs[correct] == 0:
        return 0.0
    every = np.where(rivals > 0, k, 0)
    win = _plurality(probs[[correct]], rivals, rest, lambda p, x, _: _poisson(k * p, x), every, k)
    return float(win[0])


def _vote_table(answers: Answers, problems: int) -> tuple[Floats, Floats]:
    """Counts of the right answer (M,) and of its rivals (M, A), largest first, padded with 0."""
    right = np.bincount(answers.problem[answers.correct], answers.count[answers.correct], minlength=problems)
    wrong = ~answers.correct & (answers.count > 0)
    problem, count = answers.problem[wrong], answers.count[wrong]
    order = np.lexsort((-count, problem))
    problem, count = problem[order], count[order]
    number = np.bincount(problem, minlength=problems)
    rank = np.arange(len(problem)) - np.repeat(np.cumsum(number) - number, number)
    rivals = np.zeros((problems, int(number.max(initial=0))))
    rivals[problem, rank] = count
    return right.astype(np.float64), rivals


def _plurality(right: Floats, rivals: Floats, abstain: Floats, mass: Mass, most: Floats, k: int) -> Floats:
    """P(right answer wins) for P problems: Σ_m P(right = m, all rivals <= m, sum = k)/(1 + ties), over P(sum
    = k).

    right (P,), rivals (P, A) largest first and abstain (P,) are sizes, most (P, A) the draws a rival can get
    at all; mass(size (Q, 1), x (X,), problems) is the probability (Q, X) of x draws from a class of that
    size.
    """
    every, others = slice(None), rivals.sum(axis=1) + abstain
    norm = mass((right + others)[:, None], np.array([float(k)]), every)[:, 0]
    votes = np.arange(k + 1.0)
    first = mass(right[:, None], votes, every)
    rest = mass(others[:, None], k - votes, every)
    win = np.sum(
        (first * rest)[:, k // 2 + 1 :], axis=1
    )  # more than half of the votes: no rival can reach it
    for m in range(1, k // 2 + 1):
        rows = np.flatnonzero(first[:, m] > NEGLIGIBLE * norm)
        if len(rows):
            beaten = _rivals_at_most(rows, m, most[rows] >= m, rivals[rows], abstain[rows], mass, k)
            win[rows] += first[rows, m] * beaten
    return np.minimum(win / norm, 1.0)


def _rivals_at_most(
    rows: Ints, m: int, capped: Bools, rivals: Floats, abstain: Floats, mass: Mass, k: int
) -> Floats:
    """P(all others draw k - m in sum, no rival above m), each tie at m counted 1/(1 + ties); for problems
    `rows`.

    Rivals that cannot exceed m need no cap: together with the abstaining they are one class. 1/(1 + ties) is
    ∫₀¹ u^ties du: a rival contributes its mass below m plus u times its mass at m, and Gauss-Legendre nodes
    integrate the polynomial in u exactly (at most k/m - 1 rivals tie).
    """
    depth = capped.sum(axis=1)
    deepest = int(depth.max(initial=0))
    free = abstain + np.where(capped, 0.0, rivals).sum(axis=1)
    nodes, weights = np.polynomial.legendre.leggauss(min(deepest, k // m - 1) // 2 + 1)
    u = (nodes + 1) / 2
    start = mass(free[:, None], np.arange(k - m + 1.0), rows)
    total = np.repeat(start[:, None, :], len(u), axis=1)
    for a in range(deepest):
        deep = depth > a
        votes = mass(rivals[deep, a, None], np.arange(m + 1.0), rows[deep])
        total[deep] = _convolve(total[deep], votes, u)
    return total[:, :, -1] @ (weights / 2)


def _convolve(total: Floats, votes: Floats, u: Floats) -> Floats:
    """Distribution of the sum of total (P, U, W) and a rival's votes (P, m+1), those at m weighted by u; cut
    to W.
    """
    out = np.zeros_like(total)
    width = total.shape[2]
    for j in range(min(votes.shape[1], width)):
        factor = votes[:, j, None, None]
        if j == votes.shape[1] - 1:
            factor = factor * u[None, :, None]
        out[:, :, j:] += factor * total[:, :, : width - j]
    return out


def _binomial(size: Floats, x: Floats, rate: Floats, log_factorial: Floats) -> Floats:
    """P(x) of Binomial(size, rate), 0 for x > size; sizes and x are whole numbers up to the
    table's length.
    """
    inside = x <= size
    n, y = size.astype(np.intp), np.where(inside, x, 0.0).astype(np.intp)
    log_p = (
        log_factorial[n]
        - log_factorial[y]
        - log_factorial[n - y]
        + y * np.log(rate)
        + (n - y) * np.log1p(-rate)
    )
    return np.where(inside, np.exp(log_p), 0.0)


def _poisson(mean: Floats, x: Floats) -> Floats:
    return np.exp(xlogy(x, mean) - mean - gammaln(x + 1))


def best_of_k(
    tp: ArrayLike, fp: ArrayLike, fn: ArrayLike, tn: ArrayLike, k: ArrayLike, fallback: str = "random"
) -> Floats:
    """P(the returned sample is correct) when an accept/reject verifier picks among k draws; broadcasts over
    problems.

    One accepted draw is returned at random; if none is accepted, one at random (`fallback` "random") or
    nothing ("abstain"). NaN where k > n.
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
    """P(the best-scored of k draws is correct), one problem; equal scores are broken at random.
    NaN if k > n.
    """
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
