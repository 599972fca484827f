"""Evidence in nats: what a hint, or a training run, did to the log-odds of success."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from rlvr.analysis.bootstrap import trust
from rlvr.analysis.estimate import NO_DATA, Estimate, EstimateJson, Number
from rlvr.analysis.intervals import percentile_interval
from rlvr.analysis.samples import Bools, Floats


@dataclass(frozen=True, eq=False)
class Evidence:
    """Per problem (M,), NaN where one side has no samples. `corrected` marks tables with an empty cell."""

    nats: Floats
    se: Floats
    corrected: Bools

    @property
    def bits(self) -> Floats:
        return self.nats / np.log(2)

    @property
    def beta_eff(self) -> Floats:
        """1/nats, NaN at 0: the temperature at which a tilt would move the rate as far."""
        return np.divide(1.0, self.nats, out=np.full(self.nats.shape, np.nan), where=self.nats != 0)


def evidence(n0: ArrayLike, c0: ArrayLike, n1: ArrayLike, c1: ArrayLike) -> Evidence:
    """logit p(V|x, h) - logit p(V|x) with ½ added to every cell; SE² = Σ 1/(cell + ½).

    It is the log Bayes factor p0(h|V=1)/p0(h|V=0) when the hint comes from the same joint distribution.
    """
    n0, c0, n1, c1 = np.broadcast_arrays(*(np.asarray(x, dtype=np.float64) for x in (n0, c0, n1, c1)))
    cells = np.stack([c1, n1 - c1, c0, n0 - c0])
    seen = (n0 > 0) & (n1 > 0)
    logs = np.log(cells + 0.5)
    nats = np.where(seen, (logs[0] - logs[1]) - (logs[2] - logs[3]), np.nan)
    return Evidence(
        nats, np.where(seen, np.sqrt(np.sum(1 / (cells + 0.5), axis=0)), np.nan), (cells == 0).any(axis=0)
    )


def mantel_haenszel(n0: ArrayLike, c0: ArrayLike, n1: ArrayLike, c1: ArrayLike) -> float:
    """Pooled log odds ratio over problems (Mantel & Haenszel 1959); ±inf if one side never occurs, NaN for
    0/0.
    """
    n0, c0, n1, c1 = (np.asarray(x, dtype=np.float64) for x in (n0, c0, n1, c1))
    up, down = mantel_haenszel_terms(n0, c0, n1, c1)
    with np.errstate(divide="ignore"):
        return float(log_odds_of(up.sum(), down.sum()))


def mantel_haenszel_terms(n0: Floats, c0: Floats, n1: Floats, c1: Floats) -> tuple[Floats, Floats]:
    """Per problem, the numerator and denominator whose sums' ratio is the pooled odds ratio."""
    total = np.maximum(n0 + n1, 1)
    return c1 * (n0 - c0) / total, c0 * (n1 - c1) / total


def log_odds_of(up: ArrayLike, down: ArrayLike) -> Floats:
    """ln(up/down) with ±inf for an empty side and NaN for two."""
    up, down = np.asarray(up, dtype=np.float64), np.asarray(down, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where((up == 0) & (down == 0), np.nan, np.log(up) - np.log(down))


def log_odds_estimate(value: float, replicates: Floats, used: int, excluded: int) -> Estimate:
    """A pooled log odds ratio in nats with its bootstrap `replicates` (R,); `used` problems carry it."""
    lo, hi = percentile_interval(replicates, used)
    finite = np.isfinite(replicates).all()
    bounded = lo > 0 or hi < 0
    return Estimate(
        value=value,
        se=float(replicates.std(ddof=1)) if finite else None,
        lo=float(lo),
        hi=float(hi),
        status=trust(used) if not np.isnan(value) else NO_DATA,
        used=used,
        excluded=excluded,
        extra={
            "beta_eff": 1 / value if value and np.isfinite(value) else None,
            "beta_eff_lo": float(1 / hi) if bounded else None,
            "beta_eff_hi": float(1 / lo) if bounded else None,
        },
    )


class LogOdds(EstimateJson):
    """`log_odds_estimate` in report.json."""

    beta_eff: Number
    """1/nats; null where the log-odds are 0 or not finite."""
    beta_eff_lo: Number
    """Its interval is that of the log-odds, inverted; null where that holds 0, as β_eff is unbounded then."""
    beta_eff_hi: Number


def evidence_equivalent(shots: ArrayLike, log_odds: ArrayLike, target: float) -> tuple[float | None, str]:
    """The smallest number of shots at which the piecewise-linear curve reaches `target`, and a status.

    "at_or_below_first": already there without more shots; "censored_right": not within the shots tried.
    """
    shots, log_odds = np.asarray(shots, dtype=np.float64), np.asarray(log_odds, dtype=np.float64)
    if not len(shots) or np.isnan(target) or np.isnan(log_odds).any():
        return None, "no_data"
    if np.any(np.diff(shots) <= 0):
        raise ValueError("numbers of shots must increase")
    if target <= log_odds[0]:
        return float(shots[0]), "at_or_below_first"
    reached = np.flatnonzero(log_odds >= target)
    if not len(reached):
        return None, "censored_right"
    i = int(reached[0])
    # From log-odds of -inf (no success at all) a line stays below any target until its very end.
    rises = np.isfinite(log_odds[i - 1])
    share = (target - log_odds[i - 1]) / (log_odds[i] - log_odds[i - 1]) if rises else 1.0
    return float(shots[i - 1] + share * (shots[i] - shots[i - 1])), "ok"
