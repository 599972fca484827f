"""Tables (problem, k) of everything that has a k, from one policy's samples."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from rlvr.analysis.passk import g_pass_at_k, pass_curve, pass_hat_k, pass_variance
from rlvr.analysis.samples import Bools, Floats, Ints, Samples
from rlvr.analysis.voting import maj_at_k

VOTE_WORK = 1_000_000_000
"""maj@k is exact and costs about k³ per problem: k ends where k³ times the problems exceeds this
(some seconds).
"""

_votes: WeakKeyDictionary[Samples, dict[int, Floats]] = WeakKeyDictionary()


def by_counts(function: Callable[..., Any], n: Ints, c: Ints, ks: Sequence[int]) -> Floats:
    """function(n, c, k) for every problem and k, (M, Q), computed once per distinct (n, c)."""
    pairs, back = np.unique(np.stack([n, c], axis=1), axis=0, return_inverse=True)
    table = np.asarray(function(pairs[:, :1], pairs[:, 1:], np.asarray(ks)[None, :]))
    return table.reshape(len(pairs), len(ks))[back.ravel()]


def pass_hat_curve(n: Ints, c: Ints, ks: Sequence[int]) -> Floats:
    return by_counts(pass_hat_k, n, c, ks)


def g_pass_curve(n: Ints, c: Ints, ks: Sequence[int], tau: float) -> Floats:
    return by_counts(lambda n, c, k: g_pass_at_k(n, c, k, tau), n, c, ks)


def vote_ks(ks: Sequence[int], problems: int) -> list[int]:
    """The k for which maj@k is computed."""
    return [k for k in ks if k**3 * problems <= VOTE_WORK]


def vote_curve(samples: Samples, ks: Sequence[int]) -> Floats | None:
    """maj@k (M, Q) for k in vote_ks; None where the answers are not known. Computed once per
    evaluation and k.
    """
    ks = vote_ks(ks, samples.n_problems)
    if samples.answers is None or not ks:
        return None
    known = _votes.setdefault(samples, {})
    for k in ks:
        if k not in known:
            known[k] = maj_at_k(samples.answers, samples.n, k)
    return np.stack([known[k] for k in ks], axis=1)


def answer_curve(samples: Samples, ks: Sequence[int]) -> Floats | None:
    """pass@k (M, Q) of right answers, whatever else the verifier asks for; None where the rows do not say."""
    if samples.c_answer is None:
        return None
    return pass_curve(samples.n, samples.c_answer.astype(np.int64), np.asarray(ks))


def cot_curve(samples: Samples, ks: Sequence[int]) -> Floats | None:
    """CoT-pass@k (M, Q): right answers with sound reasoning; NaN for problems whose reasoning nobody looked
    at.
    """
    if samples.c_sound is None:
        return None
    looked = ~np.isnan(samples.c_sound)
    table = np.full((samples.n_problems, len(ks)), np.nan)
    table[looked] = pass_curve(samples.n[looked], samples.c_sound[looked].astype(np.int64), np.asarray(ks))
    return table


def fixed_se(n: Ints, c: Ints, ks: Sequence[int], among: Bools | None = None) -> Floats:
    """√(Σ v̂)/M over problems with n >= k, (Q,): the error for these problems only. `among` (M, Q) leaves out more of
    them.

    NaN unless every one of these problems has n >= 2k, which the unbiased variance needs.
    """
    variance = by_counts(pass_variance, n, c, ks)
    used = (n[:, None] >= np.asarray(ks)[None, :]) & (n[:, None] > 0)
    used = used if among is None else used & among
    total = np.where(used, variance, 0.0).sum(axis=0)  # NaN stays where a used problem is too shallow
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(used.any(axis=0), np.sqrt(total) / used.sum(axis=0), np.nan)
