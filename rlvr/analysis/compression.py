"""Of which kind a gain in pass@1 is: search compression, beyond the budget, unresolved, expansion; and
forgetting.

Definitions and the reasons for them: docs/metrics.md, "Of which kind is the gain". With b, t the base and tuned
success rates of a problem, g = (t-b)⁺ and K the search budget, the identity Δpass@1 = C + X + U + E - F holds per problem and on
average.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import betaincinv

from rlvr.analysis.passk import hypergeometric_pmf, pass_at_k
from rlvr.analysis.samples import Bools, Floats

COMPONENTS = ("within", "beyond", "unresolved", "expansion", "forgetting", "headroom")


def clopper_pearson(
    n: ArrayLike, c: ArrayLike, alpha: ArrayLike = 0.05, sided: int = 2
) -> tuple[Floats, Floats]:
    """Exact binomial bounds (Clopper & Pearson 1934). `sided` 2: each end at α/2; 1: each end at α on its
    own.
    """
    if sided not in (1, 2):
        raise ValueError(f"sided must be 1 or 2, got {sided}")
    n, c = np.broadcast_arrays(np.asarray(n, dtype=np.float64), np.asarray(c, dtype=np.float64))
    tail = np.asarray(alpha, dtype=np.float64) / sided
    none, every = c <= 0, c >= n
    lo = betaincinv(np.where(none, 1.0, c), np.where(none, 1.0, n - c + 1), tail)
    hi = betaincinv(np.where(every, 1.0, c + 1), np.where(every, 1.0, n - c), 1 - tail)
    with np.errstate(divide="ignore"):
        # Both ends of the range in closed form: 1 - α^{1/n} at c = 0, α^{1/n} at c = n.
        edge = np.log(tail) / n
    hi = np.where(none, -np.expm1(edge), hi)
    lo = np.where(every, np.exp(edge), lo)
    return np.where(none, 0.0, lo), np.where(every, 1.0, hi)


def unseen_bound(n: ArrayLike, c: ArrayLike, alpha: float = 0.05) -> float | None:
    """The largest success rate that 0 right of n samples leaves possible, 1 - α^{1/n}, over the problems where that
    is what was seen; None without such a problem.
    """
    n, c = np.asarray(n), np.asarray(c)
    zero = (c == 0) & (n > 0)
    return float(clopper_pearson(n[zero], c[zero], alpha, sided=1)[1].max()) if zero.any() else None


@dataclass(frozen=True, eq=False)
class Decomposition:
    """The parts per problem, arrays (M,) in units of success rate; NaN for problems that are not `used`.

    A problem is used if it has n0 >= K base samples and at least one tuned sample. `certified` marks problems
    without any base success whose tuned rate is shown to lie above what K base samples could reach, `reach`
    (B_U).
    """

    search_budget: int
    alpha: float
    alpha_used: float  # divided by the number of base-zero problems if simultaneous
    used: Bools
    base: Floats
    tuned: Floats
    within: Floats
    beyond: Floats
    unresolved: Floats
    expansion: Floats
    forgetting: Floats
    headroom: Floats
    reach: Floats
    certified: Bools
    base_zero: Bools

    @property
    def ratio_gross(self) -> float:
        """ρ_K = ΣC/ΣH in [0, 1]; NaN without headroom."""
        return gross_ratio(np.nansum(self.within), np.nansum(self.headroom))

    @property
    def ratio_net(self) -> float:
        """R_K = (tuned - base pass@1)/(base pass@K - base pass@1), any real; NaN without headroom."""
        change = np.nansum(self.tuned - self.base)
        return float(safe_ratio(change, np.nansum(self.base_at_k - self.base)))

    @property
    def base_at_k(self) -> Floats:
        """Base pass@K per problem. Headroom is pass@K - b, also where the base solved nothing (both 0)."""
        return self.base + self.headroom


def gross_ratio(within: float, headroom: float) -> float:
    return float(safe_ratio(within, headroom))


def safe_ratio(top: ArrayLike, bottom: ArrayLike) -> Floats:
    """top/bottom, NaN where the bottom is 0 up to rounding."""
    top, bottom = np.asarray(top, dtype=np.float64), np.asarray(bottom, dtype=np.float64)
    return np.divide(
        top, bottom, out=np.full(np.broadcast(top, bottom).shape, np.nan), where=np.abs(bottom) > 1e-14
    )


def decompose(
    n0: ArrayLike,
    c0: ArrayLike,
    n1: ArrayLike,
    c1: ArrayLike,
    search_budget: int,
    alpha: float = 0.05,
    simultaneous: bool = False,
) -> Decomposition:
    """Split the gain per problem. Counts have shape (M,); choose `search_budget` and `alpha` before looking.

    `simultaneous` divides α by the number of base-zero problems, so that one statement covers them all.
    """
    if search_budget < 1:
        raise ValueError(f"the search budget K must be at least 1, got {search_budget}")
    if not 0 < alpha < 1:
        raise ValueError(f"alpha must lie strictly between 0 and 1, got {alpha}")
    n0, c0, n1, c1 = (np.asarray(x, dtype=np.float64) for x in (n0, c0, n1, c1))
    K = search_budget
    used = (n0 >= K) & (n1 > 0)
    n0, c0, n1, c1 = (np.where(used, x, np.nan) for x in (n0, c0, n1, c1))
    b, t = c0 / n0, c1 / n1
    gain, forgetting = np.maximum(t - b, 0.0), np.maximum(b - t, 0.0)
    zero = c0 == 0

    headroom = np.maximum(pass_at_k(n0, c0, K) - b, 0.0)
    within = np.where(zero, 0.0, np.minimum(gain, headroom))
    beyond = np.where(zero, 0.0, gain - within)

    level = alpha / max(int(zero.sum()), 1) if simultaneous else alpha
    reach = -np.expm1(K / n0 * np.log(level))  # pass@K of the largest base rate that 0 of n0 leaves possible
    unresolved = np.where(zero, np.minimum(gain, reach), 0.0)
    expansion = np.where(zero, gain - unresolved, 0.0)
    lower, _ = clopper_pearson(np.where(used, n1, 1.0), np.where(used, c1, 0.0), level, sided=1)
    parts = (within, beyond, unresolved, expansion)
    within, beyond, unresolved, expansion = (np.where(used, part, np.nan) for part in parts)
    return Decomposition(
        K, alpha, level, used, b, t, within, beyond, unresolved, expansion, forgetting, headroom,
        reach, certified=zero & (lower > reach), base_zero=zero,
    )  # fmt: skip


def churn(n: ArrayLike, c: ArrayLike, n_other: ArrayLike | None = None) -> Floats:
    """The gain, and forgetting, that noise alone would show: E (x_A - x_B)⁺ per problem (M,), NaN where n <
    2.

    A and B are random halves of the samples, h = ⌊n/2⌋ each (exact expectation, no halves are drawn). With
    `n_other`, scaled by √((1/n + 1/n_other)/(2/h)) to a comparison of n samples with n_other.
    """
    n, c = (np.asarray(x, dtype=np.float64) for x in (n, c))
    half = np.floor(n / 2)
    odd = n - 2 * half
    with np.errstate(invalid="ignore", divide="ignore"):
        # An odd sample is left out at random: it is correct with probability c/n.
        value = (1 - odd * c / n) * _split_gain(half, c) + odd * c / n * _split_gain(
            half, np.maximum(c - 1, 0)
        )
        if n_other is not None:
            value = value * np.sqrt((1 / n + 1 / np.asarray(n_other, dtype=np.float64)) * half / 2)
    return np.where(n >= 2, value, np.nan)


def _split_gain(half: Floats, c: Floats) -> Floats:
    """E (2X - c)⁺/h for X correct among h drawn from 2h with c correct.

    Closed form of the hypergeometric mean deviation: Σ_{x>=m} (x-μ) p(x) = m (h-c+m)/(2h) p(m), m = ⌊μ⌋ + 1.
    """
    m = np.floor(c / 2) + 1
    return 2 / half * m * (half - c + m) / (2 * half) * hypergeometric_pmf(2 * half, c, half, m)
