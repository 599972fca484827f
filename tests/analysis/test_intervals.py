"""Every interval lies around its own quantity, is as wide as its own standard error says, and is the one that
docs/metrics.md names, computed a second time from the same bootstrap replicates."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from scipy.stats import norm, t

from rlvr.analysis.bootstrap import ClusterBootstrap, mean_estimates
from rlvr.analysis.compression import clopper_pearson, decompose
from rlvr.analysis.noise import Audit, audited_rate
from rlvr.analysis.pair import Pair, ratio_estimate
from rlvr.analysis.paired import sign_flip_p
from rlvr.analysis.posterior import extrapolate, fit_moments
from rlvr.analysis.samples import LogProbs, Samples
from rlvr.analysis.sections.compare import compare
from rlvr.analysis.sections.strata import limits
from rlvr.analysis.sections.summary import summarise
from tests import by_definition as defined
from tests.as_json import as_json


def sampled(problems: int, n: int, seed: int = 0, power: float = 3.0) -> tuple[Samples, Samples]:
    """Base and tuned policy, one sample of which is worth `power` of the base's; with log-probabilities."""
    rng = np.random.default_rng(seed)
    p = rng.beta(1.0, 1.5, problems)
    q = 1 - (1 - p) ** power
    made = []
    for name, rate, sign in (("base", p, -1), ("tuned", q, 1)):
        row = np.repeat(np.arange(problems), n)
        right = rng.random(problems * n) < rate[row]
        own = -5 - rng.exponential(1.0, len(row))
        moved = np.where(right, np.log(q / p)[row], np.log((1 - q) / (1 - p))[row]) + rng.normal(
            0, 0.3, len(row)
        )
        other = {"base": own - sign * moved, "tuned": own + sign * moved} | {name: own}
        c = np.bincount(row[right], minlength=problems)
        nats = LogProbs(row, right, {key: np.minimum(values, 0.0) for key, values in other.items()})
        ids = [f"p{i}" for i in range(problems)]
        half = (right + rng.random(len(row)) * 0.5).clip(0, 1)
        score = np.bincount(row, half, minlength=problems).astype(np.float64)
        excluded = rng.binomial(4, 0.2, problems)
        made.append(
            Samples(name, ids, np.full(problems, n), c, score=score, excluded=excluded, logprobs=nats)
        )
    return made[0], made[1]


def estimates(node: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every measured quantity below a section, with its place."""
    if isinstance(node, list):
        node = dict(enumerate(node))
    if not isinstance(node, dict):
        return
    if {"value", "lo", "hi", "se"} <= node.keys():
        yield path[1:], node
    for name, inner in node.items():
        yield from estimates(inner, f"{path}.{name}")


@pytest.fixture(scope="module")
def sections():
    base, tuned = sampled(240, 32)
    audit = Audit(wrong=200, false_positives=8, right=200, false_negatives=4)
    comparison = compare(base, tuned, 2, replicates=1000, audits={"base": audit, "tuned": audit})
    return as_json(
        {
            "base": summarise(base, replicates=1000),
            "tuned": summarise(tuned, replicates=1000),
            "c": comparison,
        }
    )


def test_every_interval_holds_its_own_value(sections):
    found = dict(estimates(sections))
    assert len(found) > 150
    known = {k: e for k, e in found.items() if None not in (e["value"], e["lo"], e["hi"])}
    outside = {k: e for k, e in known.items() if not float(e["lo"]) <= float(e["value"]) <= float(e["hi"])}
    assert not outside


def test_every_interval_is_as_wide_as_its_standard_error_says(sections):
    """So it belongs to no other quantity; where few problems carry a mean it may be wider (`gamma`)."""
    width = 2 * t.ppf(0.975, 239)
    checked = 0
    for place, e in estimates(sections):
        if (
            not e["se"]
            or "inf" in (e["lo"], e["hi"])
            or e["lo"] is None
            or e.get("interval") == "gamma"
            or e["used"] < 100
        ):
            continue
        if place.endswith(("k_star", "crossover")):  # whole numbers, and roots of curves that flatten
            continue
        checked += 1
        ratio, shift = (
            (e["hi"] - e["lo"]) / (width * e["se"]),
            ((e["hi"] + e["lo"]) / 2 - e["value"]) / e["se"],
        )
        assert 0.8 < ratio < 1.25 and abs(shift) < 0.65, (place, ratio, shift)
    assert checked > 100


def replicates(values: np.ndarray, boot: ClusterBootstrap) -> np.ndarray:
    """The mean over the drawn problems, each drawn one by one."""
    return np.array([np.repeat(values, drawn, axis=0).mean(axis=0) for drawn in boot.counts])


def tails(problems: int) -> float:
    """Of the bootstrap, at Student's t for so many problems."""
    return float(norm.cdf(-t.ppf(0.975, problems - 1) * math.sqrt(problems / (problems - 1))))


def at(drawn: np.ndarray, share: float) -> float:
    return float(np.sort(drawn)[round(share * (len(drawn) - 1))])


@pytest.mark.parametrize("mirrored", [False, True])
def test_the_interval_of_a_skewed_rate_is_efrons(mirrored):
    """BCa (Efron 1987): bias correction from the replicates, acceleration from the jackknife."""
    problems, boot = 60, ClusterBootstrap(60, 2000, 3)
    rates = np.random.default_rng(2).beta(0.4, 3.0, problems)
    rates = 1 - rates if mirrored else rates
    drawn, value, tail = replicates(rates, boot), rates.mean(), tails(problems)
    without = np.array([np.delete(rates, i).mean() for i in range(problems)])
    apart = without.mean() - without
    speed = np.sum(apart**3) / (6 * np.sum(apart**2) ** 1.5)
    shift = norm.ppf(np.mean(drawn < value))
    ends = [
        float(norm.cdf(shift + (shift + z) / (1 - speed * (shift + z))))
        for z in (norm.ppf(tail), -norm.ppf(tail))
    ]
    found = mean_estimates(rates[:, None], boot)[0]
    assert found.extra["interval"] == "bca"
    assert (found.lo, found.hi) == pytest.approx([at(drawn, end) for end in ends], rel=2e-3)
    assert bool(found.hi - value > value - found.lo) is not mirrored


def test_a_problem_without_a_value_is_no_zero():
    rates = np.random.default_rng(0).uniform(0.4, 0.6, 40)
    rates[::2] = np.nan
    found = as_json(mean_estimates(rates[:, None], ClusterBootstrap(40, 500, 0))[0].to_json())
    assert 0.4 < found["lo"] < found["value"] < found["hi"] < 0.6
    assert (found["used"], found["excluded"]) == (20, 20)


def test_the_intervals_of_k_star_and_the_crossover_are_those_of_their_replicates():
    problems, n, drawn = 24, 16, 120
    rng = np.random.default_rng(1)
    p = rng.beta(1.5, 1.5, problems)
    base = [(n, int(c)) for c in rng.binomial(n, p)]
    tuned = [(n, int(c)) for c in rng.binomial(n, np.where(p < 0.35, 0.3 * p, 1 - (1 - p) ** 3))]
    ids = [str(i) for i in range(problems)]
    one, two = (
        Samples.from_counts(ids, [n for n, _ in cells], [c for _, c in cells], name)
        for name, cells in (("base", base), ("tuned", tuned))
    )
    comparison = as_json(compare(one, two, 2, replicates=drawn, seed=5))
    boot, tail = ClusterBootstrap(problems, drawn, 5), tails(problems)
    stars, crosses = [], []
    for row in boot.counts:
        rows = np.repeat(np.arange(problems), row)
        again = [base[i] for i in rows], [tuned[i] for i in rows]
        star, cross = defined.k_star(*again, n), defined.crossover(*again, n)
        stars.append(math.inf if star is None else star)
        crosses.append(math.inf if cross is None else cross)
    for name, values in (("k_star", stars), ("crossover", crosses)):
        found = comparison[name]
        assert [float(found[end]) for end in ("lo", "hi")] == pytest.approx(
            [at(np.array(values), tail), at(np.array(values), 1 - tail)], rel=0.01
        )
        assert found["share_censored"] == pytest.approx(np.mean(np.isinf(values)))
    curves = [
        [[float(defined.pass_at_k(*cell, k)) for k in range(1, n + 1)] for cell in cells]
        for cells in (base, tuned)
    ]
    change = replicates(np.array(curves[1]) - np.array(curves[0]), boot)
    upper = [at(change[:, k], 1 - tail) for k in range(n)]
    first = next((k + 1 for k, end in enumerate(upper) if end < 0), None)
    assert comparison["crossover"]["first_significant"] == first
    ahead = [k + 1 for k in range(n) if at(change[:, k], tail) < 0]
    assert first is None or first > ahead[0], "that the interval reaches below 0 is not enough"


def test_the_interval_of_a_ratio_is_that_of_its_replicates():
    boot, rng = ClusterBootstrap(80, 1000, 0), np.random.default_rng(4)
    bottom = rng.uniform(0.1, 0.9, 80)
    top = bottom * rng.uniform(-0.5, 1.0, 80)
    drawn = np.array([np.repeat(top, row).sum() / np.repeat(bottom, row).sum() for row in boot.counts])
    found = ratio_estimate(top, bottom, boot, signed=True)
    assert found["value"] == pytest.approx(top.sum() / bottom.sum())
    assert (found["lo"], found["hi"]) == pytest.approx((at(drawn, tails(80)), at(drawn, 1 - tails(80))))
    assert found["se"] == pytest.approx(drawn.std(ddof=1))


def test_a_share_of_all_or_of_nothing_is_not_certain():
    """Of 50 problems with a headroom of ½ each none falls short: up to 3.69 of 50 may (Poisson, 97.5 %)."""
    half, boot = np.full(50, 0.5), ClusterBootstrap(50, 200, 0)
    every, none = ratio_estimate(half, half, boot), ratio_estimate(0 * half, half, boot)
    assert (every["value"], every["hi"]) == (1, 1) and every["lo"] == pytest.approx(
        1 - 3.6889 / 50 / 0.5, rel=1e-3
    )
    assert (none["value"], none["lo"]) == (0, 0) and none["hi"] == pytest.approx(3.6889 / 50 / 0.5, rel=1e-3)


def test_p_values_by_hand_and_never_zero():
    differences = np.array([0.5, 0.25, -0.125, 0.75, 0.0, np.nan])
    assert float(sign_flip_p(differences)) == pytest.approx(defined.sign_flip_p([0.5, 0.25, -0.125, 0.75]))
    sure = np.random.default_rng(0).uniform(0.5, 1.0, 60)  # of 2^60 patterns two are as far from 0
    assert float(sign_flip_p(sure, flips=2000)) == 1 / 2001


def test_the_error_for_these_problems_is_that_of_both_policies():
    base = Samples.from_counts(["a", "b"], [8, 8], [2, 5], "base")
    tuned = Samples.from_counts(["a", "b"], [16, 16], [12, 9], "tuned")
    variances = [p * (1 - p) / (n - 1) for n, p in ((8, 2 / 8), (8, 5 / 8), (16, 12 / 16), (16, 9 / 16))]
    gain = as_json(compare(base, tuned, 2, replicates=100))["gain"]
    assert gain["se_fixed"] == pytest.approx(math.sqrt(sum(variances)) / 2)


def test_an_audits_errors_are_weighted_by_where_they_strike():
    """False positives on the wrong samples, 1 - p, false negatives on the right ones, p (Rogan & Gladen 1978)."""
    audit = Audit(wrong=50, false_positives=5, right=400, false_negatives=4)
    n, c = np.full(30, 100), np.full(30, 20)
    found, youden = audited_rate(n, c, audit), 1 - 0.1 - 0.01
    rate = (0.2 - 0.1) / youden
    variance = ((1 - rate) ** 2 * 0.1 * 0.9 / 50 + rate**2 * 0.01 * 0.99 / 400) / youden**2
    assert found.value == pytest.approx(rate) and found.se == pytest.approx(math.sqrt(variance))


def test_the_shallowest_problem_says_how_far_to_extrapolate():
    n, c = np.array([100, 100, 4]), np.array([50, 10, 1])
    fit = fit_moments(n, c)
    assert extrapolate(n, c, 40, fit)[0] > 0
    with pytest.raises(ValueError, match=r"pass@41 from 4 samples"):
        extrapolate(n, c, 41, fit)


def test_without_any_change_no_stratum_gains_or_forgets():
    """Scored on the samples that defined them, strata fall back to the mean: easy problems would seem forgotten."""
    rng = np.random.default_rng(0)
    p = rng.beta(0.6, 0.6, 3000)
    ids = [str(i) for i in range(3000)]
    base, tuned = (
        Samples.from_counts(ids, np.full(3000, 8), rng.binomial(8, p), name) for name in ("base", "tuned")
    )
    for row in as_json(limits(Pair.of(base, tuned, 100, 0), 4, 0.05)):
        assert row["problems"] > 300
        assert abs(row["gain"]["value"]) < 4 * row["gain"]["se"], row["stratum"]


def test_certificates_err_as_rarely_as_they_say():
    """Tuned rates that K samples of a barely solvable problem explain: at most 2α of such problems are certified, and,
    with α shared, one in at most 2α of the comparisons."""
    rng, problems, K, n0, n1, alpha = np.random.default_rng(0), 40, 16, 64, 64, 0.05
    p_unseen = 1 - alpha ** (1 / n0)  # the base rate that 0 of n0 still leaves possible
    reach, single, shared = 1 - (1 - p_unseen) ** K, 0, 0
    n, zero, deep = np.full(problems, n0), np.zeros(problems), np.full(problems, n1)
    for _ in range(400):
        right = rng.binomial(n1, reach, problems)
        single += decompose(n, zero, deep, right, K, alpha).certified.sum()
        shared += decompose(n, zero, deep, right, K, alpha, simultaneous=True).certified.any()
    assert 0 < single / (400 * problems) < 2 * alpha
    assert shared / 400 < 2 * alpha
    lower = clopper_pearson(n1, 56, alpha, sided=1)[0]
    assert float(lower) == pytest.approx(1 - _upper_of_failures(n1, 8, alpha), abs=1e-9)


def _upper_of_failures(n: int, failures: int, alpha: float) -> float:
    """The rate of failure at which so few failures or fewer have probability α."""
    return defined.root(
        lambda x: sum(math.comb(n, i) * x**i * (1 - x) ** (n - i) for i in range(failures + 1)) <= alpha,
        0.0,
        1.0,
    )
