"""Two policies on the same problems: the difference, and whether it is more than luck."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from rlvr.analysis.bootstrap import mean_and_se
from rlvr.analysis.samples import Floats

EXACT_UP_TO = 14
_CHUNK = 1 << 23


def sign_flip_p(differences: ArrayLike, flips: int = 100_000, seed: int = 0) -> Floats:
    """Two-sided sign-flip p-value of mean difference 0: (M, Q) -> (Q,), rows with NaN left out of that
    column.

    If tuning did nothing, each problem's difference is as likely to have the other sign. All 2^M sign
    patterns are counted up to 14 problems, else `flips` random ones with (hits+1)/(flips+1). Patterns that
    tie count as hits.
    """
    columns = np.asarray(differences, dtype=np.float64)
    if columns.ndim == 1:
        return sign_flip_p(columns[:, None], flips, seed)[0]
    used = ~np.isnan(columns)
    columns = np.where(used, columns, 0.0)
    columns = columns[np.any(columns != 0, axis=1)]  # a zero has no sign to flip
    size = np.abs(columns).sum(axis=0)
    goal = np.abs(columns.sum(axis=0)) - 1e-12 * size
    if len(columns) <= EXACT_UP_TO:
        patterns = np.arange(2 ** len(columns))[:, None] >> np.arange(len(columns)) & 1
        p = np.mean(np.abs((1.0 - 2.0 * patterns) @ columns) >= goal, axis=0)
    else:
        p = (_random_hits(columns, goal, flips, seed) + 1) / (flips + 1)
    return np.where(used.any(axis=0), p, np.nan)


def _random_hits(columns: Floats, goal: Floats, flips: int, seed: int) -> Floats:
    rng = np.random.default_rng(seed)
    hits = np.zeros(columns.shape[1])
    width = (len(columns) + 7) // 8
    step = max(1, _CHUNK // len(columns))
    total = columns.sum(axis=0)
    for start in range(0, flips, step):
        rows = min(step, flips - start)
        bits = np.unpackbits(rng.integers(0, 256, (rows, width), dtype=np.uint8), axis=1, count=len(columns))
        hits += np.sum(np.abs(total - 2 * (bits.astype(np.float64) @ columns)) >= goal, axis=0)
    return hits


def paired_difference(base: ArrayLike, tuned: ArrayLike) -> dict[str, Floats]:
    """Mean of tuned - base over problems where both are defined, (M, Q) or (M,) -> one number per column.

    `se` is that of the paired difference, sd(D)/√M; `se_unpaired` what separate intervals would suggest.
    """
    base, tuned = np.asarray(base, dtype=np.float64), np.asarray(tuned, dtype=np.float64)
    both = ~(np.isnan(base) | np.isnan(tuned))
    base, tuned = np.where(both, base, np.nan), np.where(both, tuned, np.nan)
    mean, se = mean_and_se(tuned - base)
    return {
        "difference": mean,
        "se": se,
        "se_unpaired": np.hypot(mean_and_se(base)[1], mean_and_se(tuned)[1]),
        "used": both.sum(axis=0),
    }
