"""Where a rule begins: how many problems, samples, runs or hits it takes (docs/metrics.md), on both sides of it."""

import math

import numpy as np
import pytest
from scipy.stats import norm

from rlvr.analysis import alignment, curves, posterior
from rlvr.analysis.alignment import SampledAlignment
from rlvr.analysis.bootstrap import ClusterBootstrap, mean_estimates, trust
from rlvr.analysis.compression import decompose, unseen_bound
from rlvr.analysis.curves import vote_ks
from rlvr.analysis.estimate import Estimate, plain, real
from rlvr.analysis.evidence import log_odds_estimate
from rlvr.analysis.intervals import (
    at_quantiles,
    bca_interval,
    effective_contributors,
    gamma_interval,
    is_rare,
    rare_difference_interval,
    rare_ratio_interval,
    rare_share_interval,
    t_quantile,
)
from rlvr.analysis.noise import Audit, audited_rate, correct_for_verifier
from rlvr.analysis.pair import Pair, both_defined, changes, no_change, powers_of_two, ratio_estimate, usual_n
from rlvr.analysis.paired import sign_flip_p
from rlvr.analysis.runs import between_runs, contrast
from rlvr.analysis.samples import Answers, LogProbs, Samples
from rlvr.analysis.sections.compare import compare, default_budget
from rlvr.analysis.sections.decomposition import compression, decomposed
from rlvr.analysis.sections.strata import _natural
from rlvr.analysis.sections.training import training
from rlvr.analysis.sizing import half_width, sample_size
from tests.as_json import as_json


def test_an_interval_is_trusted_from_20_problems_on():
    assert [trust(n) for n in (0, 1, 19, 20)] == ["no_data", "few_problems", "few_problems", "ok"]
    one = mean_estimates(np.array([[0.5], [np.nan]]), ClusterBootstrap(2, 50, 0))[0]
    assert (one.value, one.lo, one.hi, one.used, one.excluded) == (0.5, None, None, 1, 1)
    two = mean_estimates(np.array([[0.5], [0.25]]), ClusterBootstrap(2, 50, 0))[0]
    assert two.lo is not None and two.hi is not None


def test_a_mean_has_the_interval_of_its_kind():
    """Rates BCa, differences percentile, what few problems carry gamma."""
    rng, boot = np.random.default_rng(0), ClusterBootstrap(60, 100, 0)
    rates = rng.uniform(0.2, 0.8, 60)
    rare = np.zeros(60)
    rare[:3] = 0.5
    columns = np.stack([rates, rates - 0.5, rare, -rare, 1 - rare], axis=1)
    found = mean_estimates(columns, boot, [False, True, False, True, False])
    assert [e.extra["interval"] for e in found] == ["bca", "percentile", "gamma", "gamma", "gamma"]


def test_what_few_problems_carry_is_fewer_than_ten_and_a_quarter_of_them():
    def ones(n, of):
        return np.array([1.0] * n + [0.0] * (of - n))[:, None]

    assert [bool(is_rare(ones(n, 100), 100)[0]) for n in (9, 10)] == [True, False]
    assert [bool(is_rare(ones(n, 20), 20)[0]) for n in (4, 5)] == [True, False]
    assert effective_contributors(np.array([3.0, 1.0, np.nan])) == pytest.approx(16 / 10)


def test_quantiles_are_of_the_defined_replicates_by_nearest_rank():
    replicates = np.array([5.0, np.nan, 1.0, 3.0, np.inf, 2.0, 4.0])[:, None]
    low, high = at_quantiles(replicates, 0.0, 1.0)
    assert (low[0], high[0]) == (1, np.inf)
    low, high = at_quantiles(replicates, 0.2, 0.8)
    assert (low[0], high[0]) == (2, 5)
    assert float(t_quantile(10)) == pytest.approx(
        2.262157 * math.sqrt(10 / 9), rel=1e-6
    )  # t of 9 degrees, a table's


def test_numbers_as_json_has_them():
    numbers = (None, math.nan, math.inf, -math.inf, np.float64(0.5))
    assert [plain(x) for x in numbers] == [None, None, "inf", "-inf", 0.5]
    assert math.isnan(real(None)) and [real("inf"), real("-inf"), real(0.5)] == [math.inf, -math.inf, 0.5]
    written = as_json(
        Estimate(0.5, 0.1, 0.3, 0.7, "ok", 4, 2, {"p": math.inf, "kind": "bca", "n": 3}).to_json()
    )
    assert written == {
        "value": 0.5, "status": "ok", "se": 0.1, "lo": 0.3, "hi": 0.7, "used": 4, "excluded": 2, "p": "inf",
        "kind": "bca", "n": 3,
    }  # fmt: skip


def test_weights_are_too_few_below_ten_or_a_twentieth():
    def low(ess, verified):
        held = dict.fromkeys(SampledAlignment.__dataclass_fields__, np.zeros(1))
        held |= {"ess_verified": np.array([ess]), "verified": np.array([verified])}
        return bool(SampledAlignment(**held).low_ess[0])

    assert [low(9.99, 20), low(10, 20), low(10, 200), low(10, 201)] == [True, False, False, True]
    assert (alignment.MIN_ESS, alignment.MIN_ESS_SHARE) == (10, 0.05)


def test_how_deep_the_curves_of_an_evaluation_go():
    """The smallest number of samples that is at least half the median; problems without any are no matter."""
    cases = {(16, 16, 8): 8, (16, 16, 7): 16, (0, 0, 4): 4, (0,): 0, (): 0, (3, 100, 100, 50): 50}
    assert {counts: usual_n(np.array(counts, int)) for counts in cases} == cases
    assert [powers_of_two(n) for n in (0, 1, 2, 6, 8)] == [[], [1], [1, 2], [1, 2, 4, 6], [1, 2, 4, 8]]
    assert [default_budget(np.array([n])) for n in (1, 3, 4, 79, 80, 160)] == [1, 3, 4, 4, 5, 10]
    assert vote_ks([1, 100, 1000], 1000) == [1, 100] and vote_ks([1000], 1) == [1000]
    assert curves.VOTE_WORK == 1_000_000_000


def test_a_population_is_fitted_by_likelihood_from_30_problems_of_two_samples_on():
    n, c = np.full(40, 8), np.arange(40) % 9
    assert [posterior.fit_population(n[:m], c[:m]).method for m in (29, 30)] == ["moments", "likelihood"]
    shallow = np.where(np.arange(40) < 11, 1, n)
    assert posterior.fit_population(shallow, np.minimum(c, shallow)).method == "moments"
    statuses = {
        "no_data": ([1, 1], [0, 1]), "all_zero": ([4, 4], [0, 0]), "all_one": ([4, 4], [4, 4]),
        "no_overdispersion": ([4, 4], [2, 2]), "saturated": ([4, 4], [0, 4]), "ok": ([8, 8, 8], [1, 4, 8]),
    }  # fmt: skip
    assert {name: posterior.fit_moments(*counts).status for name, counts in statuses.items()} == {
        name: name for name in statuses
    }


def test_signs_are_counted_out_up_to_14_problems():
    """All 2^14 patterns of equal differences: two are as far from 0. Of 15, random ones, never 0."""
    assert float(sign_flip_p(np.ones(14))) == 2 / 2**14
    assert float(sign_flip_p(np.ones(15), flips=1000)) >= 1 / 1001
    assert float(sign_flip_p(np.array([np.nan, np.nan]))) != float(sign_flip_p(np.array([1.0, -1.0]))) == 1.0


def estimates(*values, se=0.1):
    return [Estimate(value, se).to_json() for value in values]


def test_three_runs_make_a_statement():
    few, enough = between_runs(estimates(1.0, 2.0)), between_runs(estimates(1.0, 2.0, 6.0))
    assert (few.status, enough.status) == ("few_runs", "ok")
    assert (enough.extra["lowest"], enough.extra["highest"], enough.value) == (1, 6, 3)
    assert enough.extra["sd"] == pytest.approx(math.sqrt(7)) and enough.se == pytest.approx(math.sqrt(7 / 3))
    single = as_json(between_runs(estimates(2.0)).to_json())
    assert (single["value"], single["lo"], single["sd"], single["status"]) == (2, None, None, "few_runs")
    statuses = [
        contrast(estimates(*a), estimates(*b)) for a, b in (((1, 2, 4), (1, 2, 3)), ((1, 2, 4), (1, 2)))
    ]
    assert [e.status for e in statuses] == ["ok", "few_runs"]
    alone = contrast(estimates(1.0), estimates(2.0, 4.0))
    assert (alone.value, alone.se, alone.lo, alone.used, alone.status) == (2.0, None, None, 3, "few_runs")
    same = contrast(estimates(1, 1), estimates(3, 3))
    assert (same.value, same.se, same.lo, same.hi) == (2, 0, 2, 2)
    gone = contrast([None], estimates(1.0))
    assert (gone.value, gone.status, gone.excluded) == (None, "no_data", 1)


def test_an_audited_rate_has_a_normal_interval_and_says_where_it_is_none():
    n, c = np.full(25, 10), np.array([2, 4] * 12 + [3])
    found = audited_rate(n, c, Audit(100, 5, 100, 10))
    value, se = float(found.value or 0), float(found.se or 0)
    assert (found.lo, found.hi) == (
        pytest.approx(value - 1.959964 * se),
        pytest.approx(value + 1.959964 * se),
    )
    assert (found.status, found.used, found.excluded) == ("ok", 25, 0)
    assert found.extra == {"fpr": 0.05, "fnr": 0.1, "audited_wrong": 100, "audited_right": 100}
    assert audited_rate(n[:19], c[:19], Audit(100, 5, 100, 10)).status == "few_problems"
    below = audited_rate(n, np.zeros(25), Audit(100, 5, 100, 10))
    assert below.status == "outside_unit_interval" and float(below.value or 0) == pytest.approx(-0.05 / 0.85)
    nothing = audited_rate(np.zeros(3), np.zeros(3), Audit(10, 1, 10, 1))
    assert (nothing.status, nothing.excluded) == ("no_data", 3)
    rates = correct_for_verifier([4, 4, 0], [0, 4, 0], 0.25, 0.25)
    assert rates.status.tolist() == ["outside_unit_interval", "outside_unit_interval", "no_data"]
    assert rates.rate[:2].tolist() == [-0.5, 1.5] and rates.clipped[:2].tolist() == [0.0, 1.0]


def test_what_0_of_n_leaves_possible():
    assert unseen_bound([10, 20, 5], [0, 0, 1]) == pytest.approx(1 - 0.05 ** (1 / 10))
    assert unseen_bound([10, 0], [1, 0]) is None


def test_expansion_can_be_shown_from_16_samples_a_try():
    def shown(n, K):
        base = Samples.from_counts(["a", "b"], [n, n], [1, 2], "base")
        pair = Pair.of(base, base, 20, 0)
        return compression(pair, decomposed(pair, K, 0.05))["expansion_can_be_shown"]

    assert [shown(63, 4), shown(64, 4)] == [False, True]
    used = decompose([4, 3, 4], [0, 0, 1], [1, 1, 0], [0, 0, 0], 4).used
    assert used.tolist() == [True, False, False]


def test_a_pooled_log_odds_ratio_of_0_has_no_temperature():
    drawn = np.linspace(-1.0, 1.0, 401)
    zero = log_odds_estimate(0.0, drawn, 25, 3)
    assert (zero.extra["beta_eff"], zero.extra["beta_eff_lo"], zero.status) == (None, None, "ok")
    assert (zero.used, zero.excluded) == (25, 3)
    infinite = log_odds_estimate(math.inf, np.full(401, math.inf), 25, 0)
    assert (infinite.extra["beta_eff"], infinite.se) == (None, None)
    assert log_odds_estimate(math.nan, np.full(401, math.nan), 25, 0).status == "no_data"
    down = log_odds_estimate(-2.0, np.linspace(-4.0, -1.0, 401), 25, 0)
    lo, hi = float(down.lo or 0), float(down.hi or 0)
    assert lo < hi < 0
    assert (down.extra["beta_eff_lo"], down.extra["beta_eff_hi"]) == pytest.approx((1 / hi, 1 / lo))


def test_a_change_is_of_the_problems_that_both_have():
    base, tuned = (
        np.array([[0.5, 0.1], [np.nan, 0.2], [0.3, 0.3]]),
        np.array([[0.6, 0.2], [0.9, np.nan], [0.1, 0.5]]),
    )
    found = as_json(changes(["a", "b"], base, tuned, ClusterBootstrap(3, 50, 0)))
    assert [
        found[k][key] for k in "ab" for key in ("base", "tuned", "value", "used", "excluded")
    ] == pytest.approx([0.4, 0.35, -0.05, 2, 1, 0.2, 0.35, 0.15, 2, 1])
    assert no_change(4)["excluded"] == 4 and no_change()["base"] is None
    left, right = both_defined(np.array([1.0, np.nan, 3.0]), np.array([np.nan, 2.0, 4.0]))
    assert np.isnan(left).tolist() == np.isnan(right).tolist() == [True, True, False]


def test_a_ratio_without_a_bottom_says_why():
    boot = ClusterBootstrap(3, 50, 0)
    none = ratio_estimate(np.array([0.0, 1.0, np.nan]), np.zeros(3), boot, empty="no_kl")
    assert (none["value"], none["status"], none["used"], none["excluded"]) == (None, "no_kl", 2, 1)


def test_sizes_by_hand():
    """1.96² · 0.25/0.1² = 96.04; for a population as many problems as 1.96² · (0.04 + 0.25/5)/0.1²."""
    assert sample_size(0.1, 0.04, 0.25, 5) == (97, 35)
    fixed, population = half_width(0.04, 0.25, 100, 5)
    assert (fixed, population) == (pytest.approx(1.959964 * 0.05 / 5**0.5), pytest.approx(1.959964 * 0.03))
    for bad in ((0.0, 0.1, 0.1, 4), (0.1, 0.1, 0.1, 0)):
        with pytest.raises(ValueError, match="half width must be positive and n at least 1"):
            sample_size(*bad)
    with pytest.raises(ValueError, match="at least 1"):
        half_width(0.1, 0.1, 4, 0)


def test_levels_stand_in_their_natural_order():
    values = ["level 10", "level 2", "10", "9", "", "Algebra", "level 2b"]
    assert sorted(values, key=_natural) == ["", "9", "10", "Algebra", "level 2", "level 2b", "level 10"]


def test_what_the_steps_say():
    rows = [
        {"samples": 8},
        {
            "step": 1,
            "correct_share": 0.25,
            "samples": 8,
            "groups/drawn": 2,
            "alarms": {"a": "first", "b": "second"},
        },
        {"step": 2, "correct_share": 0.5, "samples": 8, "groups/drawn": 0, "alarms": "words"},
        {"step": 3, "stopped": "why"},
        {"step": 4.0, "correct_share": 0.0, "samples": 8, "groups/drawn": 2, "stopped": ""},
    ]
    found = training(rows)
    assert found["step"] == [1, 2, 3, 4]
    assert found["expected_mixed_share"] == [pytest.approx(1 - 0.25**4 - 0.75**4), None, None, 0.0]
    assert found["said"] == ["Alarm at step 1: first", "Alarm at step 1: second"]
    assert training(rows[:4])["said"][-1] == "Training stopped early, after step 3: why"
    assert training([]) == {"step": [], "expected_mixed_share": [], "said": []}


def test_problems_that_are_chosen_keep_all_that_is_theirs():
    answers = Answers.from_dicts([{"x": 1}, {"y": 2, "z": 1}, {"w": 3}], [None, "z", "w"])
    logs = LogProbs(np.array([0, 1, 1, 2]), np.array([False, True, False, True]), {"base": -np.arange(4.0)})
    ids, three = ["a", "b", "c"], np.array([1, 2, 3])
    whole = Samples(
        "base", ids, np.array([4, 5, 6]), three, score=three + 0.5, c_answer=three + 1.0, c_sound=three * 1.0,
        excluded=three * 10, truncated=three * 20, no_answer=three * 30, tokens=three * 1.5,
        status_counts={"ok": three * 2}, sources=["s", "t", "s"], answers=answers, traces=answers, logprobs=logs,
    )  # fmt: skip
    part = whole.select([2, 1])
    assert (list(part.problem_ids), list(part.sources or ())) == (["c", "b"], ["s", "t"])
    assert (part.n.tolist(), part.c.tolist()) == ([6, 5], [3, 2])
    columns = ("score", "c_answer", "c_sound", "excluded", "truncated", "no_answer", "tokens")
    assert {name: getattr(part, name).tolist() for name in columns} == {
        "score": [3.5, 2.5], "c_answer": [4, 3], "c_sound": [3, 2], "excluded": [30, 20], "truncated": [60, 40],
        "no_answer": [90, 60], "tokens": [4.5, 3.0],
    }  # fmt: skip
    assert part.status_counts["ok"].tolist() == [6, 4] and part.statuses == {"ok": 10}
    for table in (part.answers, part.traces):
        assert table is not None
        held = sorted(zip(table.problem.tolist(), table.count.tolist(), table.correct.tolist(), strict=True))
        assert held == [(0, 3, True), (1, 1, True), (1, 2, False)]
    assert part.logprobs is not None
    nats = part.logprobs.logp["base"].tolist()
    assert sorted(zip(part.logprobs.problem.tolist(), nats, strict=True)) == [(0, -3.0), (1, -2.0), (1, -1.0)]
    assert part.mean_score is not None and part.mean_score.tolist() == [3.5 / 6, 2.5 / 5]
    assert {name: list(s.problem_ids) for name, s in whole.by_source().items()} == {
        "s": ["a", "c"],
        "t": ["b"],
    }
    assert (whole.n_problems, whole.n_samples) == (3, 15)


def test_audits_correct_the_policy_that_they_are_of():
    base = Samples.from_counts([f"p{i}" for i in range(25)], [10] * 25, [2] * 25, "base")
    tuned = Samples.from_counts([f"p{i}" for i in range(25)], [10] * 25, [5] * 25, "tuned")
    one, other = Audit(100, 5, 100, 10), Audit(100, 20, 100, 0)
    noise = compare(base, tuned, replicates=20, audits={"base": one, "tuned": other})["noise"]
    assert noise["fpr_assumed"] is False and list(noise["fpr_floor"]) == ["0.05", "0.2"]
    assert noise["fpr_floor"]["0.2"]["8"] == pytest.approx(1 - 0.8**8)
    rates = {name: e["value"] for name, e in as_json(noise["corrected_pass_1"]).items()}
    assert rates == {"base": pytest.approx((0.2 - 0.05) / 0.85), "tuned": pytest.approx((0.5 - 0.2) / 0.8)}
    half = compare(base, tuned, replicates=20, audits={"tuned": other})["noise"]
    assert list(half["corrected_pass_1"]) == ["tuned"] and list(half["fpr_floor"]) == ["0.2"]
    assumed = compare(base, tuned, replicates=20)["noise"]
    assert assumed["fpr_assumed"] is True and list(assumed["fpr_floor"]) == ["0.001", "0.01"]


def at_one(function, *columns, lo, hi):
    """Both ends of one column."""
    found = function(*columns, np.array([lo]), np.array([hi]))
    return float(found[0][0]), float(found[1][0])


def test_where_few_problems_carry_a_share_the_gamma_interval_takes_over_and_never_narrows():
    """Its far end replaces the bootstrap's; the near end lies where the lower of both does. Near 1 it is the mirror."""
    values = np.zeros((200, 1))
    values[:5] = 1.0
    low, high = (float(end[0]) for end in gamma_interval(values, 200))
    assert 0 < low < 5 / 200 < high
    for lo, hi, expected in (
        (0.02, 0.03, (low, high)),
        (0.0, 0.5, (0.0, high)),
        (low / 2, 0.03, (low / 2, high)),
    ):
        assert at_one(rare_share_interval, values, 200, lo=lo, hi=hi) == pytest.approx(expected)
        mirrored = at_one(rare_share_interval, 1 - values, 200, lo=1 - hi, hi=1 - lo)
        assert mirrored == pytest.approx((1 - expected[1], 1 - expected[0]))
    frequent = np.tile([0.0, 1.0], 100)[:, None]
    assert at_one(rare_share_interval, frequent, 200, lo=0.4, hi=0.6) == (0.4, 0.6)
    beyond = 2 * values
    assert at_one(rare_share_interval, beyond, 200, lo=0.02, hi=0.03) == (0.02, 0.03), "no share"


def test_where_few_problems_carry_a_difference_its_interval_is_only_widened():
    values = np.zeros((200, 1))
    values[:4], values[4:6] = 1.0, -1.0
    lo, hi = at_one(rare_difference_interval, values, 200, lo=np.inf, hi=-np.inf)
    assert lo < 0 < 0.01 < hi
    assert at_one(rare_difference_interval, values, 200, lo=lo - 0.1, hi=hi + 0.1) == (lo - 0.1, hi + 0.1)
    assert at_one(rare_difference_interval, values, 200, lo=lo + 0.1, hi=hi - 0.1) == (lo, hi)
    assert at_one(rare_difference_interval, 2 * values, 200, lo=0.0, hi=0.1) == (0.0, 0.1)


def test_where_few_problems_carry_a_ratio_its_interval_is_only_widened():
    """Half of each problem may be had; five of 200 have it, or all but five."""
    half = np.full(200, 0.5)
    few = np.where(np.arange(200) < 5, 0.5, 0.0)
    low, high = (float(end) / 0.5 for end in gamma_interval(few, 200))
    cases = {
        (0.02, 0.03): (low, high),
        (0.0, 0.9): (0.0, 0.9),
        (0.0, 0.03): (0.0, high),
        (0.02, 0.9): (low, 0.9),
    }
    for (lo, hi), expected in cases.items():
        found = rare_ratio_interval(few, half, np.array(lo), np.array(hi))
        assert tuple(map(float, found)) == pytest.approx(expected)
        mirrored = rare_ratio_interval(half - few, half, np.array(1 - hi), np.array(1 - lo))
        assert tuple(map(float, mirrored)) == pytest.approx((1 - expected[1], 1 - expected[0]))
    assert tuple(map(float, rare_ratio_interval(-few, half, np.array(0.1), np.array(0.2)))) == (0.1, 0.2)
    assert tuple(map(float, rare_ratio_interval(2 * half, half, np.array(0.1), np.array(0.2)))) == (
        0.1,
        0.2,
    )


def test_what_is_skewed_has_a_skewed_interval():
    """BCa by its formula (Efron 1987): bias correction from the share of replicates below the value, acceleration from
    the influences' third moment."""
    rng = np.random.default_rng(3)
    column, boot = rng.exponential(1.0, 40) ** 2, ClusterBootstrap(40, 2000, 0)
    drawn, value = boot.means(column), column.mean()
    lo, hi = bca_interval(drawn, value, column - value, 40)
    z0 = norm.ppf(np.mean(drawn < value))
    u = column - value
    a = np.sum(u**3) / (6 * np.sum(u**2) ** 1.5)
    z = float(t_quantile(40))
    ends = [norm.cdf(z0 + (z0 + end) / (1 - a * (z0 + end))) for end in (-z, z)]
    ordered = np.sort(drawn)
    assert [float(lo), float(hi)] == [ordered[round(float(end) * 1999)] for end in ends]
    assert float(hi) - value > value - float(lo), "to the side of the long tail"
