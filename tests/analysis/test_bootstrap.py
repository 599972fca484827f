"""The bootstrap against its exact limits, and the intervals where few problems carry the mean."""

import numpy as np
import pytest

from rlvr.analysis.bootstrap import ClusterBootstrap, exact_bootstrap, mean_estimates
from rlvr.analysis.intervals import (
    at_quantiles,
    bca_interval,
    effective_contributors,
    gamma_interval,
    percentile_interval,
    rare_difference_interval,
    t_quantile,
)
from rlvr.analysis.paired import paired_difference, sign_flip_p
from rlvr.analysis.passk import pass_at_k


def test_cluster_bootstrap_reaches_its_exact_limit() -> None:
    n, c = np.full(8, 12), np.array([0, 1, 2, 5, 7, 12, 3, 0])
    limits = exact_bootstrap(n, c, 3)
    means = ClusterBootstrap(8, 20_000, 0).means(pass_at_k(n, c, 3))
    assert means.var() == pytest.approx(limits["var_cluster"], rel=0.05)
    assert means.mean() == pytest.approx(limits["estimate"], abs=0.005)


def test_exact_limits_equal_simulated_resampling_of_samples() -> None:
    rng = np.random.default_rng(0)
    n, c, k = np.full(4, 8), np.array([7, 4, 0, 5]), 2
    limits = exact_bootstrap(n, c, k)
    within = pass_at_k(n, rng.binomial(n, c / n, size=(40_000, 4)), k).mean(axis=1)
    rows = rng.integers(0, 4, size=(40_000, 4))
    both = pass_at_k(8, rng.binomial(8, (c / n)[rows]), k).mean(axis=1)
    assert within.var() == pytest.approx(limits["var_within"], rel=0.05)
    assert within.mean() == pytest.approx(limits["mean_within"], abs=0.003)
    assert both.var() == pytest.approx(limits["var_two_stage"], rel=0.05)


def test_replicates_are_seeded_and_resample_whole_problems() -> None:
    first, again = ClusterBootstrap(30, 50, 7), ClusterBootstrap(30, 50, 7)
    assert np.array_equal(first.counts, again.counts) and np.all(first.counts.sum(axis=1) == 30)
    assert not np.array_equal(first.counts, ClusterBootstrap(30, 50, 8).counts)
    column = np.arange(30.0)
    assert np.allclose(first.means(column), [np.repeat(column, row).mean() for row in first.counts])


def test_undefined_problems_are_left_out_and_infinite_ones_stay_infinite() -> None:
    boot = ClusterBootstrap(3, 200, 0)
    means = boot.means(np.array([[1.0, 0.0], [np.nan, np.inf], [3.0, 0.0]]))
    only_missing = boot.counts[:, 1] == 3
    assert np.array_equal(np.isnan(means[:, 0]), only_missing)
    assert np.array_equal(np.isposinf(means[:, 1]), boot.counts[:, 1] > 0)


def test_censored_replicates_are_ordered_not_interpolated() -> None:
    values = np.array([1.0, 2.0, np.inf, np.inf])
    lo, hi = at_quantiles(values, 0.0, 0.7)
    assert lo == 1.0 and hi == np.inf


@pytest.mark.parametrize("undefined", [1, 40, 300])
def test_an_undefined_replicate_is_none(undefined: int) -> None:
    """Every interval is that of the replicates that are defined, wherever the others stand among them."""
    rng = np.random.default_rng(undefined)
    values = rng.beta(0.5, 3.0, (30, 2))
    drawn = ClusterBootstrap(30, 400, 1).means(values)
    among = np.insert(drawn, rng.integers(0, len(drawn), undefined), np.nan, axis=0)
    apart = np.column_stack([among[:, 0], np.sort(among[:, 1])])  # of one column the undefined ones come last
    for replicates in (among, apart):
        for interval in (
            lambda r: at_quantiles(r, 0.025, 0.975),
            lambda r: percentile_interval(r, 30),
            lambda r: bca_interval(r, values.mean(axis=0), values - values.mean(axis=0), 30),
        ):
            assert np.array_equal(interval(replicates), interval(drawn))


def test_width_is_that_of_students_t() -> None:
    values = np.random.default_rng(0).normal(size=25)
    lo, hi = percentile_interval(ClusterBootstrap(25, 20_000, 0).means(values), 25)
    assert hi - lo == pytest.approx(2 * 2.064 * values.std(ddof=1) / 5, rel=0.03)
    assert t_quantile(10_000) == pytest.approx(1.96, abs=1e-3)


def test_nothing_seen_is_not_nothing_there() -> None:
    # Rule of three: 0 of 50 problems leaves 3.7/50 at 97.5 %
    estimate = mean_estimates(np.zeros((50, 1)), ClusterBootstrap(50, 100, 0))[0]
    assert estimate.lo == 0 and estimate.hi == pytest.approx(3.689 / 50, rel=1e-3)
    assert estimate.to_json().get("interval") == "gamma"
    full = mean_estimates(np.ones((50, 1)), ClusterBootstrap(50, 100, 0))[0]
    assert full.hi == 1 and full.lo == pytest.approx(1 - 3.689 / 50, rel=1e-3)


def test_gamma_interval_of_counts_is_the_exact_poisson_one() -> None:
    from scipy.stats import chi2

    hits = np.zeros(1000)
    hits[:4] = 1
    lo, hi = gamma_interval(hits, 1000)
    assert effective_contributors(hits) == pytest.approx(4)
    assert lo * 1000 == pytest.approx(chi2.ppf(0.025, 8) / 2) and hi * 1000 == pytest.approx(
        chi2.ppf(0.975, 10) / 2
    )


@pytest.mark.parametrize("sign", [1, -1])
def test_the_interval_of_a_rare_difference_is_that_of_gains_and_losses(sign: int) -> None:
    """MOVER (Zou & Donner 2008): how far the gains may be fewer, and the losses more, says how low it may lie."""
    values = np.zeros(200)
    values[:6], values[6:8] = sign, -sign
    (low_a, high_a), (low_b, high_b) = (
        (float(end) for end in gamma_interval(np.clip(s * values, 0, 1), 200)) for s in (1, -1)
    )
    a, b = np.mean(values > 0), np.mean(values < 0)
    lo, hi, rare = rare_difference_interval(values[:, None], 200, np.array([np.inf]), np.array([-np.inf]))
    assert rare.all()
    assert lo[0] == pytest.approx(a - b - np.sqrt((a - low_a) ** 2 + (high_b - b) ** 2))
    assert hi[0] == pytest.approx(a - b + np.sqrt((high_a - a) ** 2 + (b - low_b) ** 2))
    other = rare_difference_interval(-values[:, None], 200, np.array([np.inf]), np.array([-np.inf]))
    assert (other[0][0], other[1][0]) == pytest.approx((-hi[0], -lo[0]))  # of the difference turned round


def test_few_problems_are_named() -> None:
    columns = np.linspace(0, 1, 12)[:, None]
    assert mean_estimates(columns, ClusterBootstrap(12, 100, 0))[0].status == "few_problems"
    nothing = mean_estimates(np.full((3, 1), np.nan), ClusterBootstrap(3, 100, 0))[0].to_json()
    assert nothing["status"] == "no_data" and nothing["value"] is None and nothing["excluded"] == 3


def test_sign_flips_exact_and_random_agree() -> None:
    d = np.random.default_rng(1).normal(0.3, 1, 14)
    exact = float(sign_flip_p(d))
    padded = float(sign_flip_p(np.concatenate([d, [1e-9]])))  # fifteen: random flips
    assert padded == pytest.approx(exact, abs=0.01)
    patterns = 1 - 2 * (np.arange(2**14)[:, None] >> np.arange(14) & 1)
    assert exact == pytest.approx(np.mean(np.abs(patterns @ d) >= abs(d.sum()) - 1e-12))


def test_identical_runs_have_p_one_and_no_difference() -> None:
    same = np.array([0.2, 0.4, np.nan, 0.9])
    assert sign_flip_p(same - same) == 1.0
    result = paired_difference(same, same)
    assert result["difference"] == 0 and result["se"] == 0 and result["used"] == 3


def test_pairing_beats_overlapping_intervals() -> None:
    rng = np.random.default_rng(0)
    base = rng.uniform(size=200)
    result = paired_difference(base, np.clip(base + rng.normal(0.05, 0.02, 200), 0, 1))
    assert result["se"] < result["se_unpaired"] / 5
