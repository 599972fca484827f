"""A policy whose failures have no verdict does not look better without a word."""

from __future__ import annotations

import numpy as np
import pytest

from rlvr.analysis import Samples, compare, summarise
from rlvr.analysis.bootstrap import ClusterBootstrap
from rlvr.analysis.estimate import real
from rlvr.analysis.sections.unjudged import bounds
from rlvr.report.prose import unjudged_lines

PROBLEMS, DRAWN, RATE = 60, 32, 0.1


def evaluation(policy: str, hidden: float, seed: int = 0) -> Samples:
    """Right with probability 0.1; of the failures, a share `hidden` has no verdict."""
    rng = np.random.default_rng(seed)
    c = rng.binomial(DRAWN, RATE, PROBLEMS)
    excluded = rng.binomial(DRAWN - c, hidden)
    return Samples(policy, [f"p{i}" for i in range(PROBLEMS)], DRAWN - excluded, c, excluded=excluded)


def test_a_policy_that_hides_its_failures_gains_nothing_where_they_count_as_wrong():
    base, tuned = evaluation("base", 0.0), evaluation("tuned", 0.5, seed=1)
    comparison = compare(base, tuned, replicates=500)
    assert real(comparison["gain"]["lo"]) > 0.02  # what it looks like without a word
    change = comparison["unjudged"]
    assert change is not None
    assert change["differs"]
    assert real(change["gain_wrong"]["lo"]) < 0 < real(change["gain_wrong"]["hi"])
    assert real(change["gain_lower"]["value"]) == pytest.approx(real(change["gain_wrong"]["value"]))
    assert real(change["gain_upper"]["value"]) > 0.4
    (said,) = unjudged_lines(comparison)
    assert said.split("%")[1].split()[-1] == "44.1"
    assert "0.0 % of the base samples" in said


@pytest.mark.parametrize("hidden", [0.0, 0.3])
def test_where_they_fall_on_both_alike_nothing_is_said(hidden: float):
    comparison = compare(evaluation("base", hidden), evaluation("tuned", hidden, seed=1), replicates=500)
    assert list(unjudged_lines(comparison)) == []
    assert (comparison["unjudged"] is None) is (hidden == 0.0)


def test_the_bounds_hold_whatever_the_verdicts_would_have_been():
    samples = evaluation("tuned", 0.4)
    boot, ks = ClusterBootstrap(PROBLEMS, 200), [1, 4, 16]
    found = bounds(samples, ks, boot)
    rng, excluded = np.random.default_rng(7), samples.excluded
    assert excluded is not None
    for right in (0.0, 0.3, 1.0):
        c = samples.c + rng.binomial(excluded, right)
        whole = Samples("whole", samples.problem_ids, np.full(PROBLEMS, DRAWN), c)
        curve = summarise(whole, ks, replicates=200)["pass_at_k"]
        for k in map(str, ks):
            lower, value, upper = (real(x["value"]) for x in (found["lower"][k], curve[k], found["upper"][k]))
            assert lower - 1e-12 <= value <= upper + 1e-12
    judged = evaluation("base", 0.0)
    assert bounds(judged, ks, boot) == {"lower": {}, "upper": {}}


def test_a_problem_with_no_verdict_at_all_is_in_the_bounds():
    samples = Samples("p", ["a", "b"], np.array([4, 0]), np.array([2, 0]), excluded=np.array([0, 4]))
    summary = summarise(samples, [1], replicates=50)
    assert summary["pass_at_k"]["1"]["value"] == 0.5
    found = summary["pass_at_k_bounds"]
    assert (found["lower"]["1"]["value"], found["upper"]["1"]["value"]) == (0.25, 0.75)
