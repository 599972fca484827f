"""Cluster bootstrap: problems are resampled whole, base and tuned counts of a problem stay together.

A replicate is a vector of M counts that sum to M (how often each problem was drawn); the mean of anything
over the drawn problems is then a matrix product, so that a whole curve costs as much as one number.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rlvr.analysis.estimate import FEW_PROBLEMS, NO_DATA, OK, Estimate
from rlvr.analysis.intervals import (
    bca_interval,
    percentile_interval,
    rare_difference_interval,
    rare_share_interval,
)
from rlvr.analysis.passk import pass_at_k, pass_moments_at_p
from rlvr.analysis.samples import Floats

MIN_PROBLEMS = 20
_CHUNK = 1 << 23  # numbers of the weight matrix held as floats at once


@dataclass(frozen=True, eq=False)
class ClusterBootstrap:
    """Seeded resampling of `problems` problems; the same object keeps every quantity on the same
    replicates.
    """

    problems: int
    replicates: int = 2000
    seed: int = 0

    @cached_property
    def counts(self) -> NDArray[np.uint8] | NDArray[np.uint16]:
        """How often each problem was drawn, (replicates, problems)."""
        rng = np.random.default_rng(self.seed)
        out = np.empty((self.replicates, self.problems), dtype=np.uint16)
        step = self._rows
        for start in range(0, self.replicates, step):
            rows = min(step, self.replicates - start)
            drawn = rng.integers(0, self.problems, size=(rows, self.problems))
            drawn += np.arange(rows)[:, None] * self.problems
            out[start : start + rows] = np.bincount(drawn.ravel(), minlength=rows * self.problems).reshape(
                rows, -1
            )
        return out

    @property
    def _rows(self) -> int:
        return max(1, min(self.replicates, _CHUNK // max(self.problems, 1)))

    def sums(self, columns: ArrayLike) -> Floats:
        """Σ over drawn problems: (M, Q) -> (replicates, Q); (M,) -> (replicates,). No NaN allowed."""
        columns = np.asarray(columns, dtype=np.float64)
        out = np.empty((self.replicates, *columns.shape[1:]))
        for start in range(0, self.replicates, self._rows):
            part = slice(start, start + self._rows)
            out[part] = self.counts[part].astype(np.float64) @ columns
        return out

    def means(self, columns: ArrayLike) -> Floats:
        """Mean over the drawn problems where the column is defined (not NaN); NaN where none of them is."""
        columns = np.asarray(columns, dtype=np.float64)
        if self.problems == 0:
            return np.full((self.replicates, *columns.shape[1:]), np.nan)
        missing, infinite = np.isnan(columns), np.isinf(columns)
        total = self.sums(np.where(missing | infinite, 0.0, columns))
        if infinite.any():  # 0 times inf is not 0 in a matrix product
            with np.errstate(divide="ignore", invalid="ignore"):
                for sign in (1.0, -1.0):
                    drawn = self.sums((columns == sign * np.inf).astype(np.float64)) > 0
                    total = np.where(drawn, total + sign * np.inf, total)
        if not missing.any():
            return total / self.problems
        used = self.sums((~missing).astype(np.float64))
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(used > 0, total / used, np.nan)


def trust(problems: int) -> str:
    """The status of an interval over so many problems."""
    if problems == 0:
        return NO_DATA
    return OK if problems >= MIN_PROBLEMS else FEW_PROBLEMS


def mean_estimates(
    columns: ArrayLike, boot: ClusterBootstrap, signed: ArrayLike = False, replicates: Floats | None = None
) -> list[Estimate]:
    """Mean over problems of each column of an (M, Q) array, NaN where a problem is excluded.

    The standard error is the population one, sd/√M (Miller 2024, arXiv 2411.00640): the problems are a sample
    of those that could have been asked. The interval comes from the cluster bootstrap: BCa for rates,
    percentile for columns that may have either sign (`signed`, one flag or one per column), gamma where few
    problems carry the mean; `interval` in the estimate says which.

    Args:
        replicates: (R, Q), of quantities that are no means themselves; `columns` are then their linearisations, which
            have their values as means.
    """
    columns = np.asarray(columns, dtype=np.float64)
    signed = np.broadcast_to(np.asarray(signed, dtype=bool), columns.shape[1:])
    used = np.sum(~np.isnan(columns), axis=0)
    mean, se = mean_and_se(columns)
    drawn = boot.means(columns) if replicates is None else replicates
    lo, hi, kind = _interval(columns, mean, used, signed, drawn)
    return [
        Estimate(
            value=mean[q],
            se=se[q],
            lo=lo[q] if used[q] > 1 else None,
            hi=hi[q] if used[q] > 1 else None,
            status=trust(int(used[q])),
            used=int(used[q]),
            excluded=int(len(columns) - used[q]),
            extra={"interval": str(kind[q])},
        )
        for q in range(columns.shape[1])
    ]


def _interval(
    columns: Floats, mean: Floats, used: Floats, signed: NDArray[np.bool_], replicates: Floats
) -> tuple[Floats, Floats, NDArray[np.str_]]:
    finite = np.isfinite(mean)
    safe = np.where(finite, columns, np.nan)
    problems = np.maximum(used, 1)
    lo, hi = percentile_interval(replicates, problems)
    low, high = bca_interval(replicates, mean, safe - np.where(finite, mean, 0.0), problems)
    lo, hi = np.where(signed | ~finite, lo, low), np.where(signed | ~finite, hi, high)
    low, high, rare = rare_difference_interval(safe, problems, lo, hi)
    lo, hi, gamma = np.where(signed, low, lo), np.where(signed, high, hi), signed & rare
    low, high, rare = rare_share_interval(safe, problems, lo, hi)
    lo, hi = np.where(signed, lo, low), np.where(signed, hi, high)
    gamma = gamma | (~signed & rare)
    return lo, hi, np.where(gamma, "gamma", np.where(signed, "percentile", "bca"))


def mean_and_se(columns: Floats) -> tuple[Floats, Floats]:
    """Mean and population standard error over the first axis, NaN entries left out; SE is NaN for one
    problem.
    """
    used = np.sum(~np.isnan(columns), axis=0)
    filled = np.where(np.isnan(columns), 0.0, columns)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(used > 0, filled.sum(axis=0) / used, np.nan)
        square = np.where(np.isnan(columns), 0.0, (columns - mean) ** 2).sum(axis=0)
        se = np.where(used > 1, np.sqrt(square / (used - 1) / used), np.nan)
    return mean, se


def exact_bootstrap(n: ArrayLike, c: ArrayLike, k: int) -> dict[str, float]:
    """The variances of mean pass@k that a bootstrap of infinitely many replicates reaches, without simulating
    it.

    `var_cluster` resamples problems, `var_within` the samples of each problem, `var_two_stage` both, which
    counts sampling noise twice. `mean_within` shows that resampling samples biases pass@k downwards:
    1-(1-c/n)^k.
    """
    n, c = np.asarray(n, dtype=np.float64), np.asarray(c, dtype=np.float64)
    f = pass_at_k(n, c, k)
    keep = ~np.isnan(f)
    f, n, c = f[keep], n[keep], c[keep]
    if not len(f):
        return dict.fromkeys(
            ("estimate", "var_cluster", "var_two_stage", "var_within", "mean_within"), np.nan
        )
    mean, variance = pass_moments_at_p(n, c / n, k)
    return {
        "estimate": float(f.mean()),
        "var_cluster": float(f.var() / len(f)),
        "var_two_stage": float((variance.mean() + mean.var()) / len(f)),
        "var_within": float(variance.sum() / len(f) ** 2),
        "mean_within": float(mean.mean()),
    }
