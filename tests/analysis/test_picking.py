"""Answers picked from k samples, beside a single one: against every choice of samples, one by one."""

from itertools import combinations

import numpy as np
import pytest

from rlvr.analysis.picking import picked, picked_beside_one
from rlvr.analysis.samples import Answers

# of each problem, every sample: its answer (None: none), whether that is right, whether the sample is solved
PROBLEMS = [
    [("4", True, True), ("4", True, False), ("5", False, False), ("5", False, False), (None, False, False)],
    [("4", True, True), ("5", False, False), ("6", False, False), ("6", False, False), ("7", False, False)],
    [("5", False, False)] * 3 + [(None, False, False)] * 2,
    [("4", True, True)] * 4 + [("5", False, False)],
]


def counted():
    tables = [{}, {}, {}, {}]
    for table, samples in zip(tables, PROBLEMS, strict=True):
        for answer, _, _ in samples:
            if answer is not None:
                table[answer] = table.get(answer, 0) + 1
    answers = Answers.from_dicts(tables, ["4" if "4" in table else None for table in tables])
    n = np.array([len(samples) for samples in PROBLEMS], dtype=float)
    c = np.array([sum(solved for _, _, solved in samples) for samples in PROBLEMS], dtype=float)
    return answers, n, c


def chance(drawn, how):
    """That the picked one of these samples is solved, from the words of the rule."""
    if how == "best":
        return float(any(solved for _, _, solved in drawn))
    votes = {answer: [s for a, _, s in drawn if a == answer] for answer, _, _ in drawn if answer is not None}
    if not votes:
        return 0.0
    most = max(map(len, votes.values()))
    winners = [solved for solved in votes.values() if len(solved) == most]
    return float(np.mean([np.mean(solved) for solved in winners]))


@pytest.mark.parametrize("how", ["majority", "best"])
@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_both_sides_are_means_over_every_choice_of_one_sample_and_k_others(how, k):
    answers, n, c = counted()
    up, down = picked_beside_one(answers, n, c, k, how)
    rate = picked(answers, n, c, k, how)
    for i, samples in enumerate(PROBLEMS):
        beside = [
            (samples[one][2], chance([samples[j] for j in others], how))
            for one in range(len(samples))
            for others in combinations([j for j in range(len(samples)) if j != one], k)
        ]
        assert up[i] == pytest.approx(np.mean([(not one) * pick for one, pick in beside]))
        assert down[i] == pytest.approx(np.mean([one * (1 - pick) for one, pick in beside]))
        every = [chance([samples[j] for j in some], how) for some in combinations(range(len(samples)), k)]
        assert rate[i] == pytest.approx(np.mean(every))


def test_nothing_is_left_to_pick_from_where_all_samples_are_needed():
    answers, n, c = counted()
    up, down = picked_beside_one(answers, n, c, 5, "best")
    assert np.isnan(up).all() and np.isnan(down).all()
    assert not np.isnan(picked(answers, n, c, 5, "best")).any()
