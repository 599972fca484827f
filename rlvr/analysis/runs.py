"""Several training runs of one method: how much they differ among themselves, beside what each run knows.

The interval within a run is about problems (another set of them) and samples; the interval between runs is
about the seed of training on these same problems. The two are different levels of variance and are never
mixed (docs/metrics.md, "How sure are we"); statements about a method need at least three runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NotRequired

import numpy as np
from scipy.stats import t as student

from rlvr.analysis.estimate import NO_DATA, OK, Estimate, EstimateJson, Number, real

MIN_RUNS = 3
FEW_RUNS = "few_runs"
"""Defined, but it rests on fewer than three training runs: a statement about these runs only."""


class BetweenRuns(EstimateJson):
    """`between_runs` in report.json; what is not required is absent where no run has a value."""

    sd: NotRequired[Number]
    lowest: NotRequired[Number]
    highest: NotRequired[Number]
    se_within: NotRequired[Number]


def between_runs(estimates: Sequence[EstimateJson | None]) -> Estimate:
    """Mean over runs of one quantity, each run's estimate as report.json has it.

    The interval is Student's t over runs (none for a single run). `extra`: `sd` between runs, `lowest` and
    `highest` run, and `se_within`, the root mean square of the runs' own standard errors. Runs where the
    quantity is missing (None), not defined or infinite are excluded.
    """
    values, within = _finite(estimates)
    excluded = len(estimates) - len(values)
    if not len(values):
        return Estimate(None, status=NO_DATA, excluded=excluded)
    mean, size = float(values.mean()), len(values)
    sd = float(values.std(ddof=1)) if size > 1 else np.nan
    se = sd / np.sqrt(size)
    half = float(student.ppf(0.975, size - 1)) * se if size > 1 else np.nan
    known = within[~np.isnan(within)]
    return Estimate(
        mean,
        float(se),
        mean - half,
        mean + half,
        OK if size >= MIN_RUNS else FEW_RUNS,
        size,
        excluded,
        {
            "sd": sd,
            "lowest": float(values.min()),
            "highest": float(values.max()),
            "se_within": float(np.sqrt(np.mean(known**2))) if len(known) else None,
        },
    )


def contrast(before: Sequence[EstimateJson | None], after: Sequence[EstimateJson | None]) -> Estimate:
    """Mean over the runs `after` minus mean over the runs `before`, with Welch's interval over runs.

    `used` counts runs. Without two runs on either side there is no interval.
    """
    (a, _), (b, _) = _finite(before), _finite(after)
    excluded = len(before) + len(after) - len(a) - len(b)
    if not len(a) or not len(b):
        return Estimate(None, status=NO_DATA, excluded=excluded)
    value, size = float(b.mean() - a.mean()), len(a) + len(b)
    status = OK if min(len(a), len(b)) >= MIN_RUNS else FEW_RUNS
    if min(len(a), len(b)) < 2:
        return Estimate(value, None, None, None, status, size, excluded)
    parts = np.array([a.var(ddof=1) / len(a), b.var(ddof=1) / len(b)])
    se = float(np.sqrt(parts.sum()))
    if se == 0:
        return Estimate(value, 0.0, value, value, status, size, excluded)
    freedom = parts.sum() ** 2 / np.sum(parts**2 / (np.array([len(a), len(b)]) - 1))
    half = float(student.ppf(0.975, freedom)) * se
    return Estimate(value, se, value - half, value + half, status, size, excluded)


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Holm's step-down adjustment: with these, claiming every one below 0.05 errs anywhere in 5 % (Holm 1979).

    None (not tested) stays None and does not count.
    """
    tested = sorted((p, i) for i, p in enumerate(p_values) if p is not None)
    adjusted: list[float | None] = [None] * len(p_values)
    highest = 0.0
    for rank, (p, i) in enumerate(tested):
        highest = max(highest, min(1.0, (len(tested) - rank) * p))
        adjusted[i] = highest
    return adjusted


def _finite(estimates: Sequence[EstimateJson | None]) -> tuple[np.ndarray, np.ndarray]:
    held = [(real(e["value"]), real(e["se"])) for e in estimates if e is not None]
    kept = [(value, se) for value, se in held if np.isfinite(value)]
    values, within = zip(*kept, strict=True) if kept else ((), ())
    return np.array(values, float), np.array(within, float)
