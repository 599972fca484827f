"""One answer picked from k samples, by majority or by the verifier, held against the single samples it is picked from.

`voting` has the rules of picking. Here the picked answer is a whole sample, which is solved or not, as a policy's
single samples are: of those that gave the majority's answer, one at random is returned.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from rlvr.analysis.passk import pass_at_k
from rlvr.analysis.samples import Answers, Floats
from rlvr.analysis.voting import maj_at_k

How = Literal["majority", "best"]


def picked(answers: Answers, n: Floats, c: Floats, k: int, how: How) -> Floats:
    """P(the picked one of k samples is solved) per problem, (M,); NaN where k > n.

    Args:
        answers: of the samples; a majority votes on them.
        n, c: (M,) samples, and how many of them are solved.
        how: "best" picks a solved one where there is one, so it is pass@k.
    """
    if how == "best":
        return pass_at_k(n, c, k)
    return maj_at_k(answers, n, k) * _share(c, _right(answers, len(n)))


def picked_beside_one(answers: Answers, n: Floats, c: Floats, k: int, how: How) -> tuple[Floats, Floats]:
    """One sample beside the picked one of k others, (M,) each: P(it is not solved, the picked one is) and P(it is
    solved, the picked one is not); NaN where n <= k. Exact means over all choices of one and k others (U-statistics,
    Hoeffding 1948): no sample stands on both sides.
    """
    if how == "best":
        beside_wrong, beside_right = pass_at_k(n - 1, c, k), pass_at_k(n - 1, np.maximum(c - 1, 0), k)
        up = np.where(c < n, (n - c) * beside_wrong, 0.0)
        down = np.where(c > 0, c * (1 - beside_right), 0.0)
    else:
        up, down = _majority_beside_one(answers, n, c, k)
    enough = n > k
    size = np.maximum(n, 1)
    return np.where(enough, up / size, np.nan), np.where(enough, down / size, np.nan)


def _majority_beside_one(answers: Answers, n: Floats, c: Floats, k: int) -> tuple[Floats, Floats]:
    """n times both probabilities. Samples with one answer are alike, so one of each class stands aside, as a problem
    of its own, and counts as often as the class is large; those without an answer are one class."""
    right = _right(answers, len(n))
    silent = n - np.bincount(answers.problem, answers.count, minlength=len(n))
    problem = np.concatenate([answers.problem, np.arange(len(n))])
    size = np.concatenate([answers.count, silent]).astype(np.float64)
    is_right = np.concatenate([answers.correct, np.zeros(len(n), bool)])
    won = _won_without(answers, n, problem, size, k)
    aside = {
        "wrong": (size * ~is_right, c, right),
        "unsound": ((right - c)[problem] * is_right, c, right - 1),
        "solved": (c[problem] * is_right, c - 1, right - 1),
    }
    rate = {
        name: won * _share(solved, among)[problem] for name, (_, solved, among) in aside.items()
    }  # of the picked one
    up = sum(aside[name][0] * rate[name] for name in ("wrong", "unsound"))
    down = aside["solved"][0] * (1 - rate["solved"])
    sums = (np.bincount(problem, side, minlength=len(n)).astype(np.float64) for side in (up, down))
    return next(sums), next(sums)


def _won_without(answers: Answers, n: Floats, problem: np.ndarray, size: Floats, k: int) -> Floats:
    """maj@k for each class of `problem` and `size`, in the order of `answers` and then those without an answer: of the
    problem without one of the class's samples; 0 for an empty class."""
    at = [np.flatnonzero(problem[: len(answers.problem)] == p) for p in range(len(n))]
    rows = [at[p] for p in problem]
    virtual = np.repeat(np.arange(len(problem)), [len(r) for r in rows])
    source = np.concatenate(rows) if len(virtual) else np.zeros(0, np.int64)
    count = answers.count[source] - ((source == virtual) & (size[virtual] > 0))
    table = Answers(virtual, count, answers.correct[source])
    return np.where(size > 0, np.nan_to_num(maj_at_k(table, n[problem] - (size > 0), k)), 0.0)


def _right(answers: Answers, problems: int) -> Floats:
    """(M,) samples whose answer is right, whatever their reasoning."""
    own = answers.correct
    return np.bincount(answers.problem[own], answers.count[own], minlength=problems).astype(np.float64)


def _share(solved: Floats, among: Floats) -> Floats:
    return np.divide(solved, among, out=np.zeros(len(solved)), where=among > 0)
