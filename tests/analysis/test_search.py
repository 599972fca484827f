"""k*, crossover, coverage: known answers, ties, censoring, and the bootstrap's interpolation against bisection."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlvr.analysis.bootstrap import ClusterBootstrap
from rlvr.analysis.passk import pass_at_k, pass_curve
from rlvr.analysis.search import (
    coverage,
    crossover,
    k_star,
    replicate_crossover,
    replicate_k_star,
    search_grid,
)

quick = settings(deadline=None, max_examples=60, derandomize=True)


@st.composite
def problems(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    size = draw(st.integers(1, 6))
    n0, n1 = draw(st.integers(2, 40)), draw(st.integers(2, 40))
    c0 = draw(st.lists(st.integers(0, n0), min_size=size, max_size=size))
    c1 = draw(st.lists(st.integers(0, n1), min_size=size, max_size=size))
    return np.full(size, n0), np.array(c0), np.full(size, n1), np.array(c1)


@quick
@given(problems())
def test_k_star_solves_its_equation(case: tuple[np.ndarray, ...]) -> None:
    n0, c0, n1, c1 = case
    root, goal, top = k_star(*case), np.mean(c1 / n1), int(n0.min())
    reached = pass_at_k(n0, c0, top).mean()
    if root.status == "ok":
        assert root.value is not None and 0 <= root.value <= top
        assert pass_at_k(n0, c0, root.value).mean() == pytest.approx(goal, abs=1e-9)
        if root.value > 1e-6:
            assert pass_at_k(n0, c0, root.value * (1 - 1e-6)).mean() <= goal + 1e-12
    elif root.status == "censored_right":
        assert goal > reached - 1e-12 and root.bound == top and root.value is None
    else:
        assert root.status == "base_all_zero" and not c0.any()


@quick
@given(problems())
def test_crossover_is_the_first_strict_lead(case: tuple[np.ndarray, ...]) -> None:
    n0, c0, n1, c1 = case
    top = int(min(n0.min(), n1.min()))
    ks = np.arange(1, top + 1)
    lead = pass_curve(n0, c0, ks).mean(axis=0) - pass_curve(n1, c1, ks).mean(axis=0)
    root = crossover(*case)
    clear = np.flatnonzero(lead > 1e-9)
    if root.whole is None:
        assert root.status == "censored_right" and not len(clear)
        return
    assert lead[root.whole - 1] > 0
    assert np.all(lead[: root.whole - 1] <= 1e-9)
    if root.status == "ok":
        assert root.value is not None and root.whole - 1 <= root.value <= root.whole
        gap = pass_at_k(n0, c0, root.value).mean() - pass_at_k(n1, c1, root.value).mean()
        assert gap == pytest.approx(0, abs=1e-6)


def test_one_problem_with_known_rates() -> None:
    # k* = ln(1-q)/ln(1-p) in the limit of many samples
    n = 10_000_000
    value = k_star([n], [n // 10], [100], [40]).value
    assert value == pytest.approx(np.log(0.6) / np.log(0.9), rel=1e-5)


def test_equality_is_not_overtaking_and_plateaus_give_the_smallest_k() -> None:
    assert crossover([9, 9], [3, 5], [9, 9], [3, 5]).status == "censored_right"
    assert (
        crossover([6], [2], [3], [1]).status == "censored_right"
    )  # 2/6 and 1/3 tie at k = 1 and base stays level
    assert (
        k_star([64, 64], [32, 0], [10, 10], [10, 0]).value == 33
    )  # all of base's hits are certain from k = 33 on


def test_replicates_by_interpolation_agree_with_bisection() -> None:
    rng = np.random.default_rng(0)
    size, n = 60, 96
    n0, c0 = np.full(size, n), rng.binomial(n, rng.beta(0.4, 1.2, size))
    n1, c1 = np.full(size, n), rng.binomial(n, rng.beta(0.8, 1.0, size))
    boot = ClusterBootstrap(size, 40, 1)
    grid, whole = search_grid(n)
    stars = replicate_k_star(boot.means(pass_curve(n0, c0, grid)), grid, boot.means(c1 / n1))
    change = boot.means(pass_curve(n1, c1, whole) - pass_curve(n0, c0, whole))
    crossings = replicate_crossover(change, whole)
    for r in range(40):
        drawn = np.repeat(np.arange(size), boot.counts[r])
        exact = k_star(n0[drawn], c0[drawn], n1[drawn], c1[drawn])
        assert stars[r] == pytest.approx(np.inf if exact.value is None else exact.value, rel=2e-3)
        first = crossover(n0[drawn], c0[drawn], n1[drawn], c1[drawn]).whole
        assert crossings[r] == (np.inf if first is None else first)


@quick
@given(problems(), st.integers(1, 40))
def test_coverage_is_symmetric(case: tuple[np.ndarray, ...], K: int) -> None:
    n0, c0, n1, c1 = case
    loss, gain = coverage(n0, c0, n1, c1, K)
    back_loss, back_gain = coverage(n1, c1, n0, c0, K)
    assert np.array_equal(loss, back_gain, equal_nan=True) and np.array_equal(gain, back_loss, equal_nan=True)
