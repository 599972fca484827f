"""Pooled log-odds of several evaluations on shared problems, all from the same bootstrap replicates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

from rlvr.analysis.bootstrap import ClusterBootstrap, trust
from rlvr.analysis.estimate import NO_DATA, Estimate
from rlvr.analysis.evidence import (
    LogOdds,
    evidence_equivalent,
    log_odds_estimate,
    log_odds_of,
    mantel_haenszel_terms,
)
from rlvr.analysis.intervals import percentile_interval
from rlvr.analysis.samples import Bools, Floats, Ints, Samples, align


def shared(samples: Sequence[Samples]) -> list[Samples]:
    """All of them on the problems that every one of them has, in the first one's order.

    Raises ValueError: they share none.
    """
    first = samples[0]
    for other in samples[1:]:
        first = align(first, other)[0]
    if not first.n_problems:
        raise ValueError("the rungs share no problem")
    return [align(first, other)[1] for other in samples]


@dataclass(frozen=True, eq=False)
class PooledOdds:
    """Mantel-Haenszel of R evaluations, each against one of them."""

    value: Floats
    """(R,)"""
    replicates: Floats
    """(replicates, R)"""
    used: Ints
    """(R,) problems that both sides were sampled on"""
    problems: int

    @classmethod
    def of(cls, n: Floats, c: Floats, against: Sequence[int], boot: ClusterBootstrap) -> PooledOdds:
        """`n` and `c` are (R, M)."""
        terms = mantel_haenszel_terms(n[against], c[against], n, c)
        return cls.of_terms(*terms, (n > 0) & (n[against] > 0), boot)

    @classmethod
    def of_terms(cls, up: Floats, down: Floats, seen: Bools, boot: ClusterBootstrap) -> PooledOdds:
        """Each problem's part of numerator and denominator, and whether both sides have samples; all (R, M)."""
        drawn = [boot.sums(side.T) for side in (up, down)]
        value = log_odds_of(up.sum(axis=1), down.sum(axis=1))
        return cls(value, log_odds_of(*drawn), seen.sum(axis=1), up.shape[1])

    def estimate(self, row: int) -> LogOdds:
        used = int(self.used[row])
        found = log_odds_estimate(float(self.value[row]), self.replicates[:, row], used, self.problems - used)
        return cast("LogOdds", found.to_json())

    def equivalent(self, amounts: Sequence[float], line: Sequence[int], target: int) -> Estimate:
        """The amount of evidence at which the line through the rows `line` reaches the row `target`. Replicates in
        which it never does count as infinite, so that `hi` may be.

        Args:
            amounts: of each row of the line, increasing.
        """
        used = int(self.used[[*line, target]].min())
        if len(line) < 2 or not np.isfinite(self.value[[*line, target]]).all():
            return Estimate(None, status=NO_DATA, used=used, excluded=self.problems - used)
        at = np.array(amounts, dtype=np.float64)
        value, status = evidence_equivalent(at, self.value[line], float(self.value[target]))
        drawn = np.array([_amount_at(at, row[line], row[target]) for row in self.replicates])
        lo, hi = percentile_interval(drawn, used)
        return Estimate(
            value,
            float(drawn.std(ddof=1)) if np.isfinite(drawn).all() else None,
            float(lo),
            float(hi),
            trust(used) if status == "ok" else status,
            used,
            self.problems - used,
            extra={"bound": amounts[-1], "share_censored": float(np.mean(np.isinf(drawn)))},
        )


def _amount_at(amounts: Floats, line: Floats, target: float) -> float:
    """One replicate's amount: infinite where it is censored, NaN where its line is not defined."""
    if np.isnan(target) or not np.isfinite(line).all():
        return np.nan
    value, _ = evidence_equivalent(amounts, line, target)
    return np.inf if value is None else value
