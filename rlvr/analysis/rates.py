"""Success rates p of the base and q of the tuned policy on a problem, for the distances between them.

Counted from n samples each, ln p and ln q are off by 1/√(np) and 1/√(nq), which would be most of the error of every
distance. Where both policies' samples have log-probabilities under both, all of them tell of both rates: a trace z was
to be drawn n0 p0(z) + n1 π(z) times, so

    p = Σ V(z) p0(z)/(n0 p0(z) + n1 π(z)),   q = Σ V(z) π(z)/(n0 p0(z) + n1 π(z))   over all that was drawn

(the balance heuristic: Veach & Guibas 1995, "Optimally combining sampling techniques for Monte Carlo rendering"; Owen &
Zhou 2000). Both are unbiased, no term is above 1/n0 or 1/n1, traces that one policy no longer visits are seen in the
samples of the other, and for equal policies p = q whatever was drawn.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from rlvr.analysis.alignment import SampledAlignment, segment_logsumexp
from rlvr.analysis.compression import safe_ratio
from rlvr.analysis.pair import Pair
from rlvr.analysis.samples import Bools, Floats, Ints, LogProbs

Source = Literal["both", "counts", "importance", "few_counts", "none"]

MIN_BASE_HITS = 10
"""Without log-probabilities of the base's samples: from so many expected base successes on, p is counted."""


@dataclass(frozen=True, eq=False)
class Drawn:
    """One policy's samples with log-probabilities under both, (N,): rows whose log-probabilities are missing are
    dropped.
    """

    row: Ints
    verified: Bools
    log_p0: Floats
    log_pi: Floats
    dropped: int

    @classmethod
    def of(cls, logprobs: LogProbs | None, base: str, tuned: str) -> Drawn | None:
        if logprobs is None or base not in logprobs.logp or tuned not in logprobs.logp:
            return None
        log_p0, log_pi = logprobs.logp[base], logprobs.logp[tuned]
        known = ~np.isnan(log_p0) & ~np.isnan(log_pi)
        return cls(
            logprobs.problem[known], logprobs.score[known], log_p0[known], log_pi[known], int((~known).sum())
        )


@dataclass(frozen=True, eq=False)
class Rates:
    """Of M problems and N tuned samples; NaN where nothing says it."""

    p: Floats  # (M,)
    q: Floats  # (M,)
    source: np.ndarray  # (M,) of `Source`
    influence: Floats  # (N,) of one tuned sample on ln(p/q), times the samples of its problem
    variance: Floats  # (M,) of ln(p/q), as far as it comes from the base's samples
    noise: Floats  # (M,) variance of ln(p/q), where both policies' samples give it, else 0
    bias: Floats  # (M,) of ln(p/q), to second order

    @property
    def trusted(self) -> Bools:
        return np.isin(self.source, ("both", "counts", "importance"))

    def problems_by(self, source: Source) -> int:
        return int(np.sum(self.source == source))


def rates(pair: Pair, base: Drawn | None, tuned: Drawn, seen: SampledAlignment) -> Rates:
    """From both policies' samples where the base's have log-probabilities as well and one of them is right, or the
    weights of the tuned ones are enough (`low_ess`); else q is counted, and p is as `_of_tuned` has it.
    """
    alone = _of_tuned(pair, tuned, seen)
    if base is None or not len(base.row):
        return alone
    both, use = _of_both(pair, base, tuned, seen)
    return Rates(
        np.where(use, both.p, alone.p),
        np.where(use, both.q, alone.q),
        np.where(use, "both", alone.source),
        np.where(use[tuned.row], both.influence, alone.influence),
        np.where(use, both.variance, alone.variance),
        np.where(use, both.noise, alone.noise),
        np.where(use, both.bias, alone.bias),
    )


def _of_both(pair: Pair, base: Drawn, tuned: Drawn, seen: SampledAlignment) -> tuple[Rates, Bools]:
    """The balance heuristic, and where it can be used. A base that was never wrong is not one that cannot be."""
    size = pair.base.n_problems
    row = np.concatenate([base.row, tuned.row])
    of_tuned = np.arange(len(row)) >= len(base.row)
    n0, n1 = (np.bincount(each.row, minlength=size) for each in (base, tuned))
    hits = np.bincount(base.row[base.verified], minlength=size)
    verified = np.concatenate([base.verified, tuned.verified])
    log_ratio = np.concatenate([at.log_pi - at.log_p0 for at in (base, tuned)])
    with np.errstate(divide="ignore", invalid="ignore"):
        expected = np.logaddexp(np.log(n0)[row], np.log(n1)[row] + log_ratio)
        for_p = np.where(verified, -expected, -np.inf)
        for_q = np.where(verified & (n1[row] > 0), log_ratio - expected, -np.inf)
    group = row + size * of_tuned  # a problem's samples of one policy
    log_p, by_p = _influences(for_p, row, group, size)
    log_q, by_q = _influences(for_q, row, group, size)
    by_ratio = by_p - by_q
    of_p, of_q, noise, of_base = (
        np.bincount(row, each**2, minlength=size).astype(np.float64)
        for each in (by_p, by_q, by_ratio, by_ratio * ~of_tuned)
    )
    with np.errstate(over="ignore"):
        p = np.minimum(np.exp(log_p), (n0 + 0.5) / (n0 + 1))
        q = np.where(n1 > 0, np.minimum(np.exp(log_q), 1.0), np.nan)
    influence = (by_ratio * n1[row])[of_tuned]
    found = Rates(p, q, np.full(size, "both"), influence, of_base, noise, (of_q - of_p) / 2)
    return found, (n0 > 0) & ((hits > 0) | ~seen.low_ess) & (p > 0)


def _influences(logs: Floats, row: Ints, group: Ints, size: int) -> tuple[Floats, Floats]:
    """ln Σ e^logs by problem, and what each sample does to it: its share, less the mean share in its group."""
    total = segment_logsumexp(logs, row, size)
    with np.errstate(invalid="ignore"):
        share = np.where(np.isneginf(total[row]), 0.0, np.exp(logs - total[row]))
    mean = safe_ratio(np.bincount(group, share, 2 * size), np.bincount(group, minlength=2 * size))
    return total, share - mean[group]


def _of_tuned(pair: Pair, tuned: Drawn, seen: SampledAlignment) -> Rates:
    """p by counts, importance weights, few counts, or nowhere (NaN); q by counts.

    Which of the first two is decided by the successes that the tuned samples let expect, not by those counted:
    to take the counts where they came out high would bias ln p upward. Counts all the same where they are far
    above that expectation, for then the tuned policy has stopped to visit part of what is verified.

    Counts get ½ added, which removes the first-order bias -(1-p)/(2np) of ln(c/n); and a base that was never
    wrong in n samples is not one that cannot be.
    """
    hits, n = pair.base.c, pair.base.n
    q = safe_ratio(seen.verified, seen.samples)
    counted = (hits + 0.5) / (n + 1)
    with np.errstate(over="ignore"):
        weighted = np.minimum(np.exp(seen.log_p_is), (n + 0.5) / (n + 1))
    usable = ~seen.low_ess & ~np.isnan(weighted)
    expected = np.where(usable, n * weighted, 0.0)
    many = hits >= MIN_BASE_HITS
    tests = [
        usable & (expected >= MIN_BASE_HITS) & (hits > 0) | many & (hits > 3 * expected),
        usable,
        hits > 0,
    ]
    source = np.select(tests, ["counts", "importance", "few_counts"], "none")
    row, right = tuned.row, tuned.verified
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        weight = np.where(right, np.exp(tuned.log_p0 - tuned.log_pi - seen.log_p_is[row]), 0.0)
        by_p = np.where(source[row] == "importance", weight - 1, 0.0)
        by_q = np.where(right, 1 / q[row], 0.0) - 1
    return Rates(
        np.select(tests, [counted, weighted, counted], np.nan),
        q,
        source,
        by_p - by_q,
        np.where(source == "counts", (1 - counted) / (counted * np.maximum(n, 1)), 0.0),
        np.zeros(len(q)),
        np.zeros(len(q)),
    )
