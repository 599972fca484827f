"""How many different answers a policy gives: entropies, distinct answers, unseen mass, from counts per
answer.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import xlogy

from rlvr.analysis.passk import pass_at_k
from rlvr.analysis.samples import Answers, Floats


@dataclass(frozen=True, eq=False)
class Diversity:
    """Per problem (M,), NaN where there is no sample (or, for `rarefied`, where k > n; `collision`, where n <
    2).
    """

    entropy: Floats  # plug-in, nats; biased down
    entropy_mm: Floats  # with the Miller-Madow correction (A-1)/(2n)
    distinct: Floats  # grows with n: not comparable between different n
    rarefied: Floats  # distinct answers expected among k samples (Hurlbert 1971): comparable across n
    unseen_mass: Floats  # Good-Turing: share of answers seen once
    collision: Floats  # P(two samples agree), unbiased
    hill1: Floats  # e^entropy, an effective number of answers


def diversity(counts: ArrayLike, k: int, problem: ArrayLike | None = None, problems: int = 1) -> Diversity:
    """From counts per answer (A,). `problem` (A,) says to which of `problems` problems each belongs; default
    one.
    """
    m = np.asarray(counts, dtype=np.float64)
    row = np.zeros(len(m), dtype=np.int64) if problem is None else np.asarray(problem, dtype=np.int64)
    m, row = m[m > 0], row[m > 0]

    def total(values: Floats) -> Floats:
        return np.bincount(row, weights=values, minlength=problems).astype(np.float64)

    n, distinct = total(m), total(np.ones(len(m)))
    share = m / n[row] if len(m) else m
    seen = np.where(n > 0, n, np.nan)
    entropy = np.where(n > 0, total(-xlogy(share, share)), np.nan) + 0.0
    with np.errstate(invalid="ignore", divide="ignore"):
        return Diversity(
            entropy=entropy,
            entropy_mm=entropy + (distinct - 1) / (2 * seen),
            distinct=distinct,
            rarefied=np.where(n >= k, total(np.nan_to_num(pass_at_k(n[row], m, k))), np.nan) + 0.0 * seen,
            unseen_mass=total((m == 1).astype(float)) / seen,
            collision=np.where(n > 1, total(m * (m - 1)) / (seen * (seen - 1)), np.nan),
            hill1=np.exp(entropy),
        )


def answer_diversity(answers: Answers, k: int, problems: int) -> Diversity:
    """Over all answers of each problem; samples without an answer are left out."""
    return diversity(answers.count, k, answers.problem, problems)
