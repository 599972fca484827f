"""Posteriors, population fits, diversity, evidence, noise, sizing: small cases by hand, and simulation."""

import numpy as np
import pytest
from scipy.stats import betabinom

from rlvr.analysis.diversity import diversity
from rlvr.analysis.evidence import evidence, evidence_equivalent, mantel_haenszel
from rlvr.analysis.noise import Audit, audited_rate, correct_for_verifier, fpr_floor
from rlvr.analysis.passk import pass_at_k
from rlvr.analysis.posterior import (
    beta_pass_at_k,
    beta_posterior,
    extrapolate,
    fit_likelihood,
    fit_moments,
    fit_population,
)
from rlvr.analysis.sizing import half_width, planning_inputs, sample_size


def test_posterior_ends_are_closed_where_nothing_or_all_was_solved() -> None:
    post = beta_posterior([16, 16, 0], [0, 16, 0])
    assert post.lo[0] == 0 and post.hi[1] == 1 and 0 < post.lo[2] < post.hi[2] < 1
    assert post.mean[0] == pytest.approx(0.5 / 17)


def test_beta_pass_at_k_is_a_product_for_whole_k() -> None:
    a, b = 0.7, 2.3
    product = np.prod([(b + j) / (a + b + j) for j in range(6)])
    assert beta_pass_at_k(a, b, 6) == pytest.approx(1 - product, rel=1e-12)
    assert np.isnan(beta_pass_at_k(a, b, -1))


def test_both_fits_find_the_population() -> None:
    rng = np.random.default_rng(0)
    n = np.full(4000, 64)
    c = rng.binomial(n, rng.beta(0.4, 1.5, 4000))
    for fit in (fit_moments(n, c), fit_likelihood(n, c)):
        assert (
            fit.status == "ok"
            and fit.a == pytest.approx(0.4, rel=0.1)
            and fit.b == pytest.approx(1.5, rel=0.1)
        )
    best = fit_likelihood(n, c)
    assert best.a is not None and best.b is not None
    assert best.loglik == pytest.approx(betabinom.logpmf(c, n, best.a, best.b).sum())
    for da, db in ((1.01, 1), (1, 1.01), (0.99, 1), (1, 0.99)):
        assert betabinom.logpmf(c, n, best.a * da, best.b * db).sum() < best.loglik
    assert fit_population(n[:20], c[:20]).method == "moments"


def test_extrapolation_is_bracketed_and_refuses_to_go_far() -> None:
    n, c = np.full(40, 16), np.arange(40) % 17
    fit = fit_population(n, c)
    value, lower, upper = extrapolate(n, c, 64, fit)
    assert lower == pytest.approx(pass_at_k(n, c, 16).mean()) and lower < value < upper <= 1
    with pytest.raises(ValueError, match="beyond 10 n"):
        extrapolate(n, c, 161, fit)
    with pytest.raises(ValueError, match="all_zero"):
        extrapolate([4, 4], [0, 0], 8, fit_moments([4, 4], [0, 0]))


def test_diversity_of_several_problems_at_once() -> None:
    d = diversity([5, 2, 1, 4, 4], 3, [0, 0, 0, 2, 2], 3)
    assert np.allclose(d.entropy, [0.9002560512685369, np.nan, np.log(2)], equal_nan=True)
    assert d.distinct.tolist() == [3, 0, 2] and np.isnan(d.rarefied[1])
    # P(an answer is among 3 of 8) summed over answers
    assert d.rarefied[0] == pytest.approx((1 - 1 / 56) + (1 - 20 / 56) + (1 - 35 / 56))
    assert d.collision[0] == pytest.approx((20 + 2) / 56) and np.isnan(d.collision[1])


def test_evidence_and_its_pooled_form() -> None:
    found = evidence([64, 0], [4, 0], [64, 4], [20, 1])
    assert found.nats[0] == pytest.approx(np.log(20.5 / 44.5) - np.log(4.5 / 60.5)) and np.isnan(
        found.nats[1]
    )
    assert mantel_haenszel([10], [2], [10], [5]) == pytest.approx(np.log(4))
    assert mantel_haenszel([8], [0], [8], [4]) == np.inf and np.isnan(mantel_haenszel([8], [0], [8], [0]))
    assert evidence_equivalent([0, 2, 4], [-3.0, -3.5, -1.0], -2.0) == (pytest.approx(3.2), "ok")
    assert evidence_equivalent([], [], 0.0) == (None, "no_data")
    with pytest.raises(ValueError, match="increase"):
        evidence_equivalent([0, 0], [1.0, 2.0], 1.5)


def test_verifier_correction_is_unbiased() -> None:
    p, fpr, fnr, n, k = 0.3, 0.05, 0.1, 10, 3
    observed = p * (1 - fnr) + (1 - p) * fpr
    c = np.arange(n + 1)
    from scipy.stats import binom

    weight = binom.pmf(c, n, observed)
    corrected = correct_for_verifier(np.full(n + 1, n), c, fpr, fnr, k)
    assert weight @ corrected.rate == pytest.approx(p)
    assert weight @ corrected.pass_at_k == pytest.approx(1 - (1 - p) ** k)
    assert fpr_floor(0.01, 256) == pytest.approx(0.924, abs=1e-3)
    with pytest.raises(ValueError, match="fpr"):
        correct_for_verifier(4, 1, 1.5, 0.0)


def test_an_audit_widens_the_interval() -> None:
    n, c = np.full(100, 20), np.full(100, 8)
    small, large = Audit(20, 1, 20, 1), Audit(2000, 100, 2000, 100)
    assert (audited_rate(n, c, small).se or 0) > 2 * (audited_rate(n, c, large).se or np.inf)
    assert audited_rate(n, c, large).value == pytest.approx((0.4 - 0.05) / 0.9)
    assert audited_rate(n, c, Audit(10, 9, 10, 9)).status == "not_identified"
    with pytest.raises(ValueError, match="audited"):
        Audit(0, 0, 10, 1)


def test_sizes_and_planning_inputs() -> None:
    assert sample_size(0.01, 1 / 12, 1 / 6, 64) == (6403, 3302)
    fixed, population = half_width(1 / 12, 1 / 6, 500, 64)
    assert population == pytest.approx(0.026, abs=5e-4) and fixed < population
    between, pq = planning_inputs(0.613921875, 0.7340831692913385)
    assert pq == pytest.approx(0.120, abs=1e-3) and between == pytest.approx(0.117, abs=1e-3)
