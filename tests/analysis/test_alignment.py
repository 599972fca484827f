"""Distances: the chain rule on random tables, sampled estimates against exact ones, the frontier."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlvr.analysis.alignment import _not_negative, exact_alignment, sampled_alignment
from rlvr.analysis.estimate import real
from rlvr.analysis.frontier import (
    bernoulli_kl,
    effective_temperature,
    group_signal,
    grpo_iterates,
    kl_efficiency,
    kl_inverse,
    policy_gradient,
    tilt,
)
from rlvr.analysis.pair import Pair
from rlvr.analysis.samples import LogProbs, Samples
from rlvr.analysis.sections.compare import compare
from rlvr.analysis.sections.distance import distance
from tests.as_json import as_json

quick = settings(deadline=None, max_examples=60, derandomize=True)
rates = st.floats(1e-6, 1 - 1e-6)


def tables(seed: int, problems: int, atoms: int, spread: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Normalised log tables of base and tuned, and which atoms are verified (the first third)."""
    rng = np.random.default_rng(seed)
    base = np.log(rng.dirichlet(np.full(atoms, 0.5), problems) + 1e-4)
    base -= np.log(np.exp(base).sum(axis=1, keepdims=True))
    verified = np.arange(atoms) < atoms // 3
    tuned = base + spread * rng.normal(size=base.shape) + np.where(verified, 1.5, 0.0)
    return base, tuned - np.log(np.exp(tuned).sum(axis=1, keepdims=True)), verified


@pytest.mark.parametrize("seed", range(5))
def test_chain_rule_and_identities(seed: int) -> None:
    base, tuned, verified = tables(seed, 8, 12, 0.7)
    a = exact_alignment(base, tuned, verified)
    q = np.exp(a.log_q)
    assert np.allclose(a.kl_pi_p0, a.kl_bernoulli + q * a.kl_verified + (1 - q) * a.kl_unverified)
    assert np.allclose(a.kl_target_pi, a.kl_target_pi_verified - a.log_q)
    assert np.all(a.efficiency <= 1 + 1e-12) and np.all(np.isposinf(a.kl_pi_target))
    forward = np.sum(np.exp(tuned - a.log_q[:, None]) * (tuned - base) * verified, axis=1)
    assert np.allclose(a.kl_verified, forward - (a.log_q - a.log_p))


def test_the_verified_posterior_itself_has_distance_zero() -> None:
    base, _, verified = tables(0, 3, 9, 0.0)
    a = exact_alignment(base, np.where(verified, base, -np.inf), verified)
    assert np.allclose(a.kl_pi_target, 0, atol=1e-12) and np.allclose(a.kl_pi_p0, -a.log_p)
    assert np.all(np.isnan(a.kl_unverified))


def test_estimates_from_samples_agree_with_the_exact_values() -> None:
    problems, atoms, n = 60, 12, 256
    base, tuned, verified = tables(3, problems, atoms, 0.5)
    exact = exact_alignment(base, tuned, verified)
    rng = np.random.default_rng(1)

    def evaluation(name: str, table: np.ndarray) -> Samples:
        drawn = np.stack([rng.choice(atoms, n, p=np.exp(row)) for row in table])
        row = np.repeat(np.arange(problems), n)
        score = verified[drawn].ravel()
        logp = {"base": base[row, drawn.ravel()], "tuned": tuned[row, drawn.ravel()]}
        c = score.reshape(problems, n).sum(axis=1)
        ids = [str(i) for i in range(problems)]
        return Samples(name, ids, np.full(problems, n), c, logprobs=LogProbs(row, score, logp))

    found = as_json(compare(evaluation("base", base), evaluation("tuned", tuned), replicates=500))[
        "alignment"
    ]
    assert found["status"] == "ok" and found["base_rate_from"]["none"] == 0
    for name in ("kl_pi_p0", "kl_verified"):
        truth = float(getattr(exact, name).mean())
        assert found[name]["value"] == pytest.approx(truth, abs=3 * found[name]["se_fixed"])
        assert found[name]["lo"] < truth < found[name]["hi"]
    assert found["kl_target_pi"]["lo"] < exact.kl_target_pi.mean() < found["kl_target_pi"]["hi"]
    eta = float(exact.kl_bernoulli.sum() / exact.kl_pi_p0.sum())
    assert found["efficiency"]["lo"] < eta < found["efficiency"]["hi"]
    parts = sum(
        found[name]["value"] for name in ("kl_bernoulli", "kl_within_verified", "kl_within_unverified")
    )
    assert parts == pytest.approx(found["kl_pi_p0"]["value"], rel=1e-6)


@pytest.mark.parametrize("scored", [True, False], ids=["base scored too", "tuned alone"])
def test_the_stated_sampling_error_of_the_forward_kl_is_right(scored: bool) -> None:
    base, tuned, verified = tables(5, 1, 9, 0.6)
    exact = exact_alignment(base, tuned, verified)
    rng = np.random.default_rng(0)
    z_scores = []
    for _ in range(300):
        both: dict[str, Samples] = {}
        for name, table in (("base", base), ("tuned", tuned)):
            atoms = rng.choice(9, 400, p=np.exp(table[0]))
            nats = {"base": base[0, atoms], "tuned": tuned[0, atoms]}
            held = nats if scored or name == "tuned" else {name: nats[name]}
            lp = LogProbs(np.zeros(400, int), verified[atoms], held)
            c = np.array([verified[atoms].sum()])
            both[name] = Samples(name, ["x"], np.array([400]), c, logprobs=lp)
        found = distance(Pair.of(both["base"], both["tuned"], 1, 0))
        assert found["status"] == "ok" and found["base_rate_from"]["both" if scored else "counts"] == 1
        forward = found["kl_verified"]
        z_scores.append(
            (real(forward["value"]) - float(exact.kl_verified[0])) / real(forward.get("se_fixed"))
        )
    assert np.std(z_scores) == pytest.approx(1, abs=0.15) and abs(np.mean(z_scores)) < 0.3


def test_samples_that_their_own_policy_cannot_draw_are_refused() -> None:
    with pytest.raises(ValueError, match="sample 1"):
        sampled_alignment([-1.0, -1.0], [-1.0, -np.inf], [True, True])


def test_extreme_logs_do_not_underflow_into_answers() -> None:
    s = sampled_alignment([-10_050.0, -10_060.0], [-50.0, -52.0], [True, True])
    assert s.log_p_is[0] == pytest.approx(-10_000 - np.log(2) + np.log1p(np.exp(-8.0)))
    assert not s.low_ess[0] or s.ess_verified[0] < 10


def test_without_log_probabilities_the_section_says_so() -> None:
    one = Samples.from_counts(["a"], [4], [1], "base")
    assert compare(one, Samples.from_counts(["a"], [4], [2], "tuned"), replicates=20)["alignment"] == {
        "status": "no_logprobs"
    }


@quick
@given(rates, st.floats(0.05, 20))
def test_tilt_moves_the_log_odds_and_pays_the_bernoulli_kl(p: float, beta: float) -> None:
    q, kl = (float(x) for x in tilt(p, beta))
    if q < 1 - 1e-9:
        assert np.log(q / (1 - q)) - np.log(p / (1 - p)) == pytest.approx(1 / beta, rel=1e-6)
        assert effective_temperature(p, q) == pytest.approx(beta, rel=1e-5)
    assert kl == pytest.approx(float(bernoulli_kl(q, p)), rel=1e-6, abs=1e-12)
    assert kl_inverse(p, kl) == pytest.approx(q, abs=1e-6)


@quick
@given(rates, rates)
def test_no_policy_beats_the_frontier(p: float, q: float) -> None:
    kl = float(bernoulli_kl(q, p))
    assert kl_inverse(p, kl) >= q - 1e-9
    assert kl_efficiency(p, q, kl * 2) == pytest.approx(0.5) if kl > 1e-12 else True


def test_support_that_is_gone_stays_gone() -> None:
    assert policy_gradient([0.0, 0.4, 0.6], [1, 0, 0], 3.0, 50)[0] == 0
    assert np.array_equal(grpo_iterates([0.0, 1.0], 0.5, 0.0, 3), np.tile([0.0, 1.0], (4, 1)))
    assert tilt(0.0, 0.01)[0] == 0 and kl_inverse(0.0, 100.0) == 0


def test_group_signal_by_enumeration() -> None:
    assert group_signal(0.3, 3) == pytest.approx(1 - 0.027 - 0.343)
    assert group_signal([0.0, 1.0], 8).tolist() == [0, 0]


def of_tables(base: np.ndarray, tuned: np.ndarray, n: int, scored: bool = True) -> Any:
    """The alignment of n samples a problem from log tables (M, T) whose last trace is wrong; `scored`: the base's
    samples have log-probabilities under both."""
    rng, samples = np.random.default_rng(0), []
    row, tables = np.repeat(np.arange(len(base)), n), {"base": base, "tuned": tuned}
    for name, table in tables.items():
        trace = np.concatenate([rng.choice(table.shape[1], n, p=np.exp(law)) for law in table])
        right = trace < table.shape[1] - 1
        nats = {policy: other[row, trace] for policy, other in tables.items()}
        held = LogProbs(row, right, nats if scored or name == "tuned" else {name: nats[name]})
        counts = right.reshape(-1, n).sum(axis=1)
        ids = [str(i) for i in range(len(base))]
        samples.append(Samples(name, ids, np.full(len(base), n), counts, logprobs=held))
    return as_json(compare(*samples, replicates=200))["alignment"]


def of_right_traces(p: np.ndarray, of_tuned: list[float], n: int, scored: bool) -> Any:
    """Where each of the right traces is equally likely under the base (p in all, (M,)), as likely as said under the
    tuned policy."""
    rights = len(of_tuned)
    base = np.column_stack([np.tile(p[:, None] / rights, rights), 1 - p])
    tuned = np.tile([*of_tuned, 1 - sum(of_tuned)], (len(p), 1))
    return of_tables(np.log(base), np.log(tuned), n, scored)


def test_the_base_rate_is_not_chosen_by_its_own_noise() -> None:
    """11 base successes expected in 256: problems on both sides of the threshold, and no bias from choosing."""
    found = of_right_traces(np.random.default_rng(0).uniform(0.03, 0.06, 2000), [0.9], 256, scored=False)
    assert min(found["base_rate_from"]["counts"], found["base_rate_from"]["importance"]) > 200
    assert abs(found["kl_verified"]["value"]) < 4 * found["kl_verified"]["se_fixed"]


def test_the_samples_of_both_policies_give_the_base_rate() -> None:
    """The tuned policy prefers one of two right traces: KL(π_V‖π*) = ln 2 less the entropy of 0.75."""
    truth = np.log(2) + 0.75 * np.log(0.75) + 0.25 * np.log(0.25)
    p = np.random.default_rng(0).uniform(0.03, 0.06, 500)
    both, one = (of_right_traces(p, [0.6, 0.2], 256, scored) for scored in (True, False))
    assert both["base_rate_from"]["both"] == 500 and one["base_rate_from"]["both"] == 0
    assert abs(both["kl_verified"]["value"] - truth) < 4 * both["kl_verified"]["se_fixed"]
    needed = float(bernoulli_kl(np.full(500, 0.8), p).mean())
    assert both["kl_bernoulli"]["value"] == pytest.approx(needed, abs=0.01)
    assert 5 * both["kl_verified"]["se_fixed"] < one["kl_verified"]["se_fixed"]


@pytest.mark.parametrize("n", [64, 256])
def test_right_traces_that_the_tuned_policy_no_longer_visits_are_seen_in_the_bases_samples(n) -> None:
    """Nine of ten right traces are gone: KL(π_V‖π*) = ln 10, where weights of the tuned samples would say 0."""
    lost = [0.99 - 9e-12, *[1e-12] * 9]
    found = of_right_traces(np.random.default_rng(1).uniform(0.1, 0.2, 500), lost, n, scored=True)
    assert abs(found["kl_verified"]["value"] - np.log(10)) < 4 * found["kl_verified"]["se_fixed"]


def test_one_right_trace_leaves_room_for_others_that_were_not_drawn() -> None:
    """Each of 100 problems has 20 right samples of one trace: a share of 1/22 may be another, a nat away."""
    found = of_tables(np.log(np.tile([0.5, 0.5], (100, 1))), np.log(np.tile([1 - 1e-9, 1e-9], (100, 1))), 20)
    assert found["kl_verified"]["se_fixed"] == pytest.approx(1 / 22 / np.sqrt(100), rel=1e-6)


def test_policies_that_are_nearly_the_same_have_nearly_no_distance_whatever_was_drawn() -> None:
    """By counts of 16 samples each, q and p would differ by 0.1, and kl(q‖p) be 0.03 on average."""
    p = np.random.default_rng(2).uniform(0.1, 0.9, 200)
    base = [np.log(p / 2), np.log(p / 2), np.log1p(-p)]
    for lift in (0.0, 0.02):
        rates = (1 + lift) * p
        found = of_tables(np.stack(base, 1), np.log(np.stack([0.55 * rates, 0.45 * rates, 1 - rates], 1)), 16)
        truth = 0.55 * np.log(1.1) + 0.45 * np.log(0.9)
        needed = float(bernoulli_kl(rates, p).mean())
        assert found["kl_verified"]["value"] == pytest.approx(truth, abs=0.002)
        assert found["kl_bernoulli"]["value"] == pytest.approx(needed, abs=0.002)


def test_where_the_base_was_never_right_weights_need_enough_samples() -> None:
    """One right trace that the base has 1e-6 of: with 64 tuned samples of it p is known, with 8 it is not."""
    for n, source in ((64, "both"), (8, "none")):
        found = of_right_traces(np.full(20, 1e-6), [0.999], n, scored=True)
        assert found["base_rate_from"][source] == 20
        value = found["kl_bernoulli"]["value"]
        assert value == pytest.approx(np.log(1e6), rel=0.02) if source == "both" else value is None


def test_certain_success_costs_ln_1_over_p_and_says_whose_price_is_unknown() -> None:
    n, c = np.array([8, 8, 8, 4, 0]), np.array([0, 2, 8, 1, 0])
    row, ids = np.repeat(np.arange(5), n), [str(i) for i in range(5)]
    score = np.arange(len(row)) - (np.cumsum(n) - n)[row] < c[row]
    nats = LogProbs(row, score, {name: np.full(len(row), -3.0) for name in ("base", "tuned")})
    base, tuned = (Samples(name, ids, n, c, logprobs=nats) for name in ("base", "tuned"))
    price = as_json(compare(base, tuned, search_budget=1, replicates=20))["alignment"]["certain_success"]
    assert price["value"] == pytest.approx((np.log(4) + 0 + np.log(4)) / 3)
    assert (price["used"], price["excluded"], price["share_base_zero"]) == (3, 2, 0.25)


def test_a_distance_of_nothing_is_nothing():
    """Where every verified trace is as much likelier, what is left over is the last digit of the logarithms."""
    assert _not_negative(np.array([3.5e-16, -3.5e-16, 1e-3])).tolist() == [0.0, 0.0, 1e-3]
