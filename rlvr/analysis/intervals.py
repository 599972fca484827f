"""95 % intervals from bootstrap replicates, chosen so that they cover (scripts/study/coverage_study.py,
docs/metrics.md).

Plain percentile intervals are too short for few problems, sit wrongly for skewed quantities, and collapse to
a point where no problem, or one, contributes. Three standard remedies: quantiles of Student's t in place of
the normal's (Hesterberg 2015, arXiv 1411.5279), bias correction and acceleration (BCa, Efron 1987), and for
what few problems carry, the gamma interval of Fay & Feuer (1997), which is never of zero width.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import chdtri, ndtr, ndtri, stdtrit

from rlvr.analysis.samples import Bools, Floats

RARE = 10.0
"""Below so many effective contributors (and a quarter of the problems) the gamma interval takes over."""
RARE_IN_RATIO = 12.5
"""The same for a ratio, whose denominator varies too: with 10, 95 % intervals of a ρ near 1 covered 90 % at M = 50."""


def t_quantile(problems: ArrayLike, level: float = 0.95) -> Floats:
    """The normal-scale quantile that gives a bootstrap of M problems the width of Student's t: t
    √(M/(M-1)).
    """
    m = np.maximum(np.asarray(problems, dtype=np.float64), 2.0)
    return stdtrit(m - 1, (1 + level) / 2) * np.sqrt(m / (m - 1))


def at_quantiles(replicates: Floats, lower: ArrayLike, upper: ArrayLike) -> tuple[Floats, Floats]:
    """The replicates (R, …) at two quantiles, along the first axis.

    Nearest rank: between two censored replicates (inf) nothing could be interpolated. NaN replicates are left
    out.
    """
    ordered = np.sort(replicates, axis=0)  # NaN sorts last
    number = np.sum(~np.isnan(replicates), axis=0)
    ends = []
    for quantile in (lower, upper):
        rank = np.clip(np.rint(np.asarray(quantile) * (number - 1)), 0, None).astype(np.int64)
        ends.append(np.take_along_axis(ordered, np.expand_dims(rank, 0), axis=0)[0])
    return ends[0], ends[1]


def percentile_interval(
    replicates: Floats, problems: ArrayLike, level: float = 0.95
) -> tuple[Floats, Floats]:
    """Percentile interval along the first axis, expanded to Student's t for so many problems."""
    tail = ndtr(-t_quantile(problems, level))
    return at_quantiles(replicates, tail, 1 - tail)


def bca_interval(
    replicates: Floats, value: ArrayLike, influence: Floats, problems: ArrayLike, level: float = 0.95
) -> tuple[Floats, Floats]:
    """Bias-corrected and accelerated interval, expanded to Student's t.

    replicates (R, Q) or (R,), value (Q,) the estimates, influence (M, Q) each problem's first-order effect on
    them, up to a positive factor; NaN where a problem is left out. NaN replicates are left out.
    """
    value, influence = np.asarray(value, dtype=np.float64), np.nan_to_num(influence)
    z = t_quantile(problems, level)
    value = np.where(np.isfinite(value), value, 0.0)
    slack = 1e-12 * np.maximum(np.abs(value), 1e-3)
    lower, equal = replicates < value - slack, np.abs(replicates - value) <= slack
    defined = np.maximum(np.sum(~np.isnan(replicates), axis=0), 1)
    below = (np.sum(lower, axis=0) + 0.5 * np.sum(equal, axis=0)) / defined
    shift = np.clip(ndtri(np.clip(below, 1e-6, 1 - 1e-6)), -1, 1)
    square = np.sum(influence**2, axis=0)
    acceleration = np.divide(
        np.sum(influence**3, axis=0), 6 * square**1.5, out=np.zeros_like(square), where=square > 1e-200
    )

    def tail(end: Floats) -> Floats:
        return ndtr(shift + (shift + end) / (1 - acceleration * (shift + end)))

    return at_quantiles(replicates, tail(-z), tail(z))


def effective_contributors(values: Floats) -> Floats:
    """(Σx)²/Σx² along the first axis, NaN left out: how many problems carry the sum (Kish); 0 for
    a sum of 0.
    """
    x = np.nan_to_num(values)
    square = np.sum(x**2, axis=0)
    return np.divide(np.sum(np.abs(x), axis=0) ** 2, square, out=np.zeros_like(square), where=square > 0)


def is_rare(values: Floats, problems: ArrayLike, few: float = RARE) -> Bools:
    """Whether so few problems carry the mean that the bootstrap cannot know its spread."""
    return effective_contributors(values) < np.minimum(few, np.asarray(problems) / 4)


def gamma_interval(values: Floats, problems: ArrayLike, level: float = 0.95) -> tuple[Floats, Floats]:
    """Interval for the mean of values in [0, 1] (M, Q), NaN left out, that few problems carry (Fay & Feuer
    1997).

    Problems are events with weights x/M, of which none can exceed 1/M. At Σx = 0 the upper end is 3.7/M.
    """
    x, m = np.nan_to_num(values), np.asarray(problems, dtype=np.float64)
    tail = (1 - level) / 2
    mean, variance, weight = x.sum(axis=0) / m, np.sum(x**2, axis=0) / m**2, 1 / m
    some = mean > 0
    y, v = np.where(some, mean, 1.0), np.where(some, variance, 1.0)
    lo = np.where(some, v / (2 * y) * chdtri(2 * y**2 / v, 1 - tail), 0.0)
    y, v = mean + weight, variance + weight**2
    return lo, np.minimum(v / (2 * y) * chdtri(2 * y**2 / v, tail), 1.0)


def rare_share_interval(
    values: Floats, problems: ArrayLike, lo: Floats, hi: Floats
) -> tuple[Floats, Floats, Bools]:
    """(lo, hi, replaced): gamma intervals for columns of values in [0, 1] where few problems
    differ from 0, or from 1.
    """
    inside = (np.nanmin(values, axis=0, initial=0) >= 0) & (np.nanmax(values, axis=0, initial=0) <= 1)
    near_0, near_1 = inside & is_rare(values, problems), inside & is_rare(1 - values, problems)
    low, high = gamma_interval(np.clip(values, 0, 1), problems)
    lo, hi = np.where(near_0, np.minimum(low, lo), lo), np.where(near_0, high, hi)
    low, high = gamma_interval(np.clip(1 - values, 0, 1), problems)
    return (
        np.where(near_1, 1 - high, lo),
        np.where(near_1, np.maximum(1 - low, hi), hi),
        near_0 | near_1,
    )


def rare_difference_interval(
    values: Floats, problems: ArrayLike, lo: Floats, hi: Floats
) -> tuple[Floats, Floats, Bools]:
    """As rare_share_interval for values in [-1, 1]: gains and losses each get a gamma interval,
    and the two are combined as those of a difference (MOVER, Zou & Donner 2008).
    """
    inside = np.nanmax(np.abs(values), axis=0, initial=0) <= 1
    rare = inside & is_rare(values, problems)
    up, down = np.clip(values, 0, 1), np.clip(-values, 0, 1)
    m = np.asarray(problems, dtype=np.float64)
    a, b = np.nansum(up, axis=0) / m, np.nansum(down, axis=0) / m
    (low_a, high_a), (low_b, high_b) = gamma_interval(up, m), gamma_interval(down, m)
    low = a - b - np.hypot(a - low_a, high_b - b)
    high = a - b + np.hypot(high_a - a, b - low_b)
    return np.where(rare, np.minimum(low, lo), lo), np.where(rare, np.maximum(high, hi), hi), rare


def rare_ratio_interval(top: Floats, bottom: Floats, lo: Floats, hi: Floats) -> tuple[Floats, Floats]:
    """Widen lo..hi of Σ top/Σ bottom (M,), parts 0 <= top <= bottom <= 1, where few problems
    carry Σ top, or the rest.
    """
    if np.any(top < 0) or np.any(top > bottom + 1e-12) or np.any(bottom > 1):
        return lo, hi
    scale = bottom.mean()
    if is_rare(top, len(top), RARE_IN_RATIO):
        low, high = gamma_interval(top, len(top))
        lo, hi = np.minimum(lo, low / scale), np.minimum(np.maximum(hi, high / scale), 1)
    rest = np.maximum(bottom - top, 0)
    if is_rare(rest, len(top), RARE_IN_RATIO):
        low, high = gamma_interval(rest, len(top))
        lo, hi = np.maximum(np.minimum(lo, 1 - high / scale), 0), np.maximum(hi, 1 - low / scale)
    return lo, hi
