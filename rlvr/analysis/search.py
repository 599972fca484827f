"""How much search one tuned sample replaces (k*), and where the base overtakes (the crossover).

Both are roots of mean pass@k curves. The curves are compared through their failures F = 1 - pass@k, which
keep their digits where pass@k rounds to 1, and the Gamma continuation makes k real.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike

from rlvr.analysis.passk import log_failure, pass_at_k
from rlvr.analysis.samples import Floats, Ints

_BLOCK = 1 << 21


@dataclass(frozen=True, slots=True)
class Root:
    """A real k where a curve reaches its goal, the first whole k beyond it, or why there is none.

    `status` is "ok", "censored_right" (not up to `bound`), "base_all_zero", "base_ahead_at_1" or "no_data".
    """

    value: float | None
    status: str
    bound: int | None = None
    whole: int | None = None


def shared(n0: ArrayLike, c0: ArrayLike, n1: ArrayLike, c1: ArrayLike) -> tuple[Ints, Ints, Ints, Ints]:
    """The counts of the problems that both policies were sampled on."""
    columns = [np.asarray(x, dtype=np.int64) for x in (n0, c0, n1, c1)]
    keep = (columns[0] > 0) & (columns[2] > 0)
    return tuple(x[keep] for x in columns)  # type: ignore[return-value]


def k_star(n0: ArrayLike, c0: ArrayLike, n1: ArrayLike, c1: ArrayLike) -> Root:
    """Effective search budget: the smallest real k at which mean base pass@k reaches tuned pass@1.

    Arguments are counts per problem, shape (M,). k is searched up to the smallest n0.
    """
    n0, c0, n1, c1 = shared(n0, c0, n1, c1)
    if not len(n0):
        return Root(None, "no_data")
    top = int(n0.min())
    if not c0.any():
        return Root(None, "base_all_zero", top)
    if not c1.any():
        return Root(0.0, "ok")
    # Problems that the base never solved fail at every k; what the others may fail is known exactly.
    allowed = _exact_failures(n1, c1) - int(np.sum(c0 == 0))
    n, c, weight = _types(n0[c0 > 0], c0[c0 > 0])

    def excess(k: float) -> float:
        return float(weight @ np.exp(log_failure(n, c, k))) - float(allowed)

    slack = 1e-13 * float(max(allowed, 0))
    if allowed < 0 or excess(top) > slack:
        return Root(None, "censored_right", top)
    if allowed == 0:  # only reached where no choice of k samples can miss
        return Root(float((n - c + 1).max()), "ok")
    lo, hi = _whole_bracket(excess, top, slack)
    return Root(_bisect(lambda k: excess(k) > slack, lo, hi), "ok")


def crossover(n0: ArrayLike, c0: ArrayLike, n1: ArrayLike, c1: ArrayLike) -> Root:
    """The first whole k with base pass@k above tuned pass@k, strictly; `value` is the real root in (k-1, k].

    Equality is not overtaking. Searched up to the smallest n of either policy.
    """
    n0, c0, n1, c1 = shared(n0, c0, n1, c1)
    if not len(n0):
        return Root(None, "no_data")
    top = int(min(n0.min(), n1.min()))
    types, weight = np.unique(np.stack([n0, c0, n1, c1], axis=1), axis=0, return_counts=True)
    m0, d0, m1, d1 = types.T.astype(np.float64)
    weight = weight.astype(np.float64)
    first = _first_whole(m0, d0, m1, d1, weight, top)
    if first is None:
        return Root(None, "censored_right", top)
    if first == 1:
        return Root(None, "base_ahead_at_1", whole=1)

    def lead(k: float) -> int:
        return int(_lead(np.exp(log_failure(m0, d0, k)), np.exp(log_failure(m1, d1, k)), weight, k))

    if lead(first - 1) == 0:
        return Root(float(first - 1), "ok", whole=first)
    return Root(_bisect(lambda k: lead(k) <= 0, first - 1.0, float(first)), "ok", whole=first)


def _types(n: Ints, c: Ints) -> tuple[Floats, Floats, Floats]:
    """Distinct (n, c) and how many problems have them."""
    pairs, weight = np.unique(np.stack([n, c], axis=1), axis=0, return_counts=True)
    return pairs[:, 0].astype(float), pairs[:, 1].astype(float), weight.astype(float)


def _exact_failures(n: Ints, c: Ints) -> Fraction:
    """Σ (n-c)/n as a rational, so that a tie with a plateau is seen as one."""
    return sum((Fraction(int((m - c[n == m]).sum()), int(m)) for m in np.unique(n)), Fraction(0))


def _whole_bracket(excess, top: int, slack: float) -> tuple[float, float]:
    lo, hi = 0, top
    while hi - lo > 1:
        middle = (lo + hi) // 2
        lo, hi = (middle, hi) if excess(middle) > slack else (lo, middle)
    return float(lo), float(hi)


def _bisect(too_small, lo: float, hi: float) -> float:
    for _ in range(200):
        middle = (lo + hi) / 2
        if middle in (lo, hi):
            break
        lo, hi = (middle, hi) if too_small(middle) else (lo, middle)
    return hi


def _lead(fail0: Floats, fail1: Floats, weight: Floats, k: ArrayLike) -> Floats:
    """Sign of base minus tuned pass@k, summed over problems (first axis); 0 where they differ by rounding
    only.
    """
    weight = weight.reshape((-1,) + (1,) * (fail0.ndim - 1))
    difference = np.sum(weight * (fail1 - fail0), axis=0)
    size = np.sum(weight * np.where(fail0 != fail1, fail0 + fail1, 0.0), axis=0)
    tolerance = np.maximum(1e-13, 1e-15 * np.asarray(k)) * size
    return np.where(np.abs(difference) <= tolerance, 0.0, np.sign(difference))


def _first_whole(n0: Floats, c0: Floats, n1: Floats, c1: Floats, weight: Floats, top: int) -> int | None:
    """Scans k = 1..top in blocks, carrying the running products of both policies."""
    running0, running1 = np.zeros(len(n0)), np.zeros(len(n1))
    width = max(1, _BLOCK // len(n0))
    for start in range(0, top, width):
        draws = np.arange(start, min(start + width, top))
        log0 = running0[:, None] + np.cumsum(_log_step(n0, c0, draws), axis=1)
        log1 = running1[:, None] + np.cumsum(_log_step(n1, c1, draws), axis=1)
        ahead = _lead(np.exp(log0), np.exp(log1), weight, draws + 1) > 0
        if ahead.any():
            return int(draws[np.argmax(ahead)]) + 1
        running0, running1 = log0[:, -1], log1[:, -1]
    return None


def _log_step(n: Floats, c: Floats, draws: Ints) -> Floats:
    """ln P(the next draw is wrong too | all before were wrong), (T, draws)."""
    wrong = n[:, None] - c[:, None] - draws
    ratio = np.where(wrong > 0, c[:, None] / np.maximum(n[:, None] - draws, 1), 1.0)
    with np.errstate(divide="ignore"):
        return np.log1p(-ratio)


def search_grid(top: int) -> tuple[Floats, Ints]:
    """Values of k on which bootstrap replicates of the two roots are found by interpolation, and its whole
    ones.

    Steps of 3.5 % up to 32, all whole numbers to 256, then steps of 2 %: linear interpolation between them
    errs by less than one part in a thousand, far below the width of any interval.
    """
    fine = np.concatenate([[0.0], np.geomspace(1 / 16, 32, 180)])
    coarse = np.geomspace(256, max(top, 257), 1 + int(np.ceil(np.log(max(top, 257) / 256) / np.log(1.02))))
    whole = np.unique(np.concatenate([np.arange(1, min(top, 256) + 1), np.rint(coarse).astype(int), [top]]))
    whole = whole[whole <= top]
    return np.unique(np.concatenate([fine[fine <= top], whole])), whole


def replicate_k_star(curves: Floats, grid: Floats, target: Floats) -> Floats:
    """k* of each replicate: curves (R, Q) of mean base pass@k on grid (Q,), target (R,). +inf where never
    reached.
    """
    reached = curves >= target[:, None] - 1e-12
    first = np.argmax(reached, axis=1)
    none = ~reached.any(axis=1) | (curves[:, -1] <= 0)
    value = _interpolate(curves - target[:, None], grid, first)
    return np.where(none, np.inf, value)


def replicate_crossover(difference: Floats, whole: Ints) -> Floats:
    """Whole-k crossover of each replicate: tuned minus base (R, Q) on whole k (Q,). +inf where base never
    leads.
    """
    ahead = difference < -1e-12
    first = np.argmax(ahead, axis=1)
    value = np.floor(_interpolate(-difference, whole.astype(float), first) + 1e-9) + 1
    value = np.where(first == 0, whole[0], np.minimum(value, whole[first]))
    return np.where(ahead.any(axis=1), value, np.inf)


def _interpolate(values: Floats, grid: Floats, first: Ints) -> Floats:
    """Where the line between the grid points before and at `first` crosses zero, per row."""
    row, before = np.arange(len(values)), np.maximum(first - 1, 0)
    low, high = values[row, before], values[row, first]
    share = np.divide(-low, high - low, out=np.ones_like(low), where=high > low)
    return grid[before] + np.clip(share, 0, 1) * (grid[first] - grid[before])


def coverage(n0: ArrayLike, c0: ArrayLike, n1: ArrayLike, c1: ArrayLike, K: int) -> tuple[Floats, Floats]:
    """Per problem (M,): pass@K lost by tuning and pass@K gained, (base-tuned)⁺ and (tuned-base)⁺; NaN where n
    < K.
    """
    change = pass_at_k(n1, c1, K) - pass_at_k(n0, c0, K)
    return np.maximum(-change, 0.0), np.maximum(change, 0.0)
