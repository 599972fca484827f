"""Beta posteriors of success rates, the population they come from, and careful extrapolation beyond n
samples.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import betaincinv, betaln, digamma, gammaln

from rlvr.analysis.compression import clopper_pearson
from rlvr.analysis.passk import pass_at_k
from rlvr.analysis.samples import Floats

JEFFREYS = (0.5, 0.5)


@dataclass(frozen=True, eq=False)
class BetaPosterior:
    """Beta(alpha, beta) per problem, with mean, variance and equal-tailed interval; arrays of one shape."""

    alpha: Floats
    beta: Floats
    mean: Floats
    variance: Floats
    lo: Floats
    hi: Floats


def beta_posterior(
    n: ArrayLike, c: ArrayLike, prior: tuple[float, float] = JEFFREYS, level: float = 0.95
) -> BetaPosterior:
    """Posterior of the success rate. The lower end is 0 where nothing was solved, the upper 1 where
    everything was.
    """
    n, c = np.broadcast_arrays(np.asarray(n, dtype=np.float64), np.asarray(c, dtype=np.float64))
    alpha, beta = prior[0] + c, prior[1] + n - c
    total, tail = alpha + beta, (1 - level) / 2
    lo = np.where((c == 0) & (n > 0), 0.0, betaincinv(alpha, beta, tail))
    hi = np.where((c == n) & (n > 0), 1.0, betaincinv(alpha, beta, 1 - tail))
    return BetaPosterior(alpha, beta, alpha / total, alpha * beta / (total**2 * (total + 1)), lo, hi)


def beta_pass_at_k(alpha: ArrayLike, beta: ArrayLike, k: ArrayLike) -> Floats:
    """E[1-(1-p)^k] under Beta(alpha, beta): 1 - B(alpha, beta+k)/B(alpha, beta). k may be real; NaN for k <
    0.
    """
    alpha, beta, k = np.broadcast_arrays(*(np.asarray(x, dtype=np.float64) for x in (alpha, beta, k)))
    if np.any((alpha <= 0) | (beta <= 0)):
        raise ValueError("both parameters of a Beta distribution must be positive")
    value = -np.expm1(betaln(alpha, beta + np.maximum(k, 0)) - betaln(alpha, beta))
    return np.where(k >= 0, np.where(k == 1, alpha / (alpha + beta), value), np.nan) + 0.0


@dataclass(frozen=True, slots=True)
class BetaFit:
    """A fitted population Beta(a, b) of success rates, or the reason (`status`) why there is none."""

    a: float | None
    b: float | None
    status: str
    method: str
    loglik: float | None = None


def fit_moments(n: ArrayLike, c: ArrayLike) -> BetaFit:
    """Method of moments over problems with n >= 2, from unbiased first and second moments of the rates.

    status: "ok", "no_data", "all_zero", "all_one", "no_overdispersion" (one shared rate explains the counts)
    or "saturated" (every problem is always or never solved).
    """
    n, c = np.asarray(n, dtype=np.float64), np.asarray(c, dtype=np.float64)
    n, c = n[n >= 2], c[n >= 2]
    if not len(n):
        return BetaFit(None, None, "no_data", "moments")
    if not c.any():
        return BetaFit(None, None, "all_zero", "moments")
    if np.all(c == n):
        return BetaFit(None, None, "all_one", "moments")
    m, m2 = float(np.mean(c / n)), float(np.mean(c * (c - 1) / (n * (n - 1))))
    if m2 - m * m <= 1e-13 * m * m:
        return BetaFit(None, None, "no_overdispersion", "moments")
    if m - m2 <= 1e-13 * m:
        return BetaFit(None, None, "saturated", "moments")
    s = (m - m2) / (m2 - m * m)
    return BetaFit(m * s, (1 - m) * s, "ok", "moments")


def fit_likelihood(n: ArrayLike, c: ArrayLike) -> BetaFit:
    """Maximum likelihood of the beta-binomial, started at the moments; `loglik` includes binomial
    coefficients.

    Where the moments have no answer, their status is returned; "no_overdispersion" also where the likelihood
    has its maximum at infinity.
    """
    from scipy.optimize import minimize  # heavy, and needed here only

    start = fit_moments(n, c)
    if start.a is None or start.b is None:
        return BetaFit(None, None, start.status, "likelihood")
    n, c = np.asarray(n, dtype=np.float64), np.asarray(c, dtype=np.float64)
    pairs, weight = np.unique(np.stack([n[n > 0], c[n > 0]], axis=1), axis=0, return_counts=True)
    size, hits = pairs[:, 0], pairs[:, 1]
    choose = gammaln(size + 1) - gammaln(hits + 1) - gammaln(size - hits + 1)

    def loss(logs: Floats) -> tuple[float, Floats]:
        a, b = np.exp(logs)
        value = weight @ (betaln(a + hits, b + size - hits) - betaln(a, b) + choose)
        both = digamma(a + b) - digamma(a + b + size)
        slope_a = weight @ (digamma(a + hits) - digamma(a) + both)
        slope_b = weight @ (digamma(b + size - hits) - digamma(b) + both)
        return -float(value), -np.array([a * slope_a, b * slope_b])

    limits = [(-14.0, 14.0), (-14.0, 14.0)]
    inside = np.clip(np.log([start.a, start.b]), -13.0, 13.0)
    options = {"ftol": 1e-15, "gtol": 1e-10, "maxiter": 1000}
    found = minimize(loss, inside, jac=True, method="L-BFGS-B", bounds=limits, options=options)
    if np.any(np.abs(found.x) > 13.9):
        return BetaFit(None, None, "no_overdispersion" if found.x[0] > 0 else "saturated", "likelihood")
    a, b = np.exp(found.x)
    return BetaFit(float(a), float(b), "ok", "likelihood", -float(found.fun))


def fit_population(n: ArrayLike, c: ArrayLike) -> BetaFit:
    """Likelihood where there are at least 30 problems, else moments."""
    return fit_likelihood(n, c) if np.sum(np.asarray(n) >= 2) >= 30 else fit_moments(n, c)


def extrapolate(n: ArrayLike, c: ArrayLike, k: float, fit: BetaFit) -> tuple[float, float, float]:
    """Mean posterior pass@k beyond n, and its sensitivity bracket (lower, upper).

    The tail of pass@k is set by mass near p = 0 that n samples cannot see (Brown et al. 2024, arXiv
    2407.21787; Schaeffer et al. 2025, arXiv 2502.17578). So: lower is the observed pass@n, or the value where
    that is less (a success seen once counts in full there, and for less under the population), upper what the 95
    % Clopper-Pearson upper bounds allow. Raises ValueError beyond 10 n, or where there is no fitted
    population.
    """
    n, c = np.asarray(n, dtype=np.float64), np.asarray(c, dtype=np.float64)
    n, c = n[n > 0], c[n > 0]
    if fit.a is None or fit.b is None:
        raise ValueError(f"no population to extrapolate from: {fit.status}")
    if k > 10 * n.min():
        raise ValueError(f"pass@{k:g} from {n.min():g} samples: never extrapolated beyond 10 n")
    upper_rate = clopper_pearson(n, c, 0.05, sided=1)[1]
    with np.errstate(divide="ignore"):
        upper = -np.expm1(k * np.log1p(-upper_rate))
    value = float(beta_pass_at_k(fit.a + c, fit.b + n - c, k).mean())
    return value, min(float(pass_at_k(n, c, n).mean()), value), float(upper.mean())
