"""The two entry points: structure of report.json, undefined quantities, exclusions, the real pair."""

import json
from typing import Any

import numpy as np
import pytest

from rlvr.analysis.estimate import Estimate
from rlvr.analysis.noise import Audit
from rlvr.analysis.samples import Answers, Samples, align
from rlvr.analysis.sections.compare import compare, default_budget, summarise
from tests.as_json import as_json


def numbers(node: Any) -> list[float]:
    if isinstance(node, dict):
        return [x for item in node.values() for x in numbers(item)]
    if isinstance(node, list):
        return [x for item in node for x in numbers(item)]
    return [node] if isinstance(node, float) else []


def pair(size: int = 40, n: int = 64, seed: int = 0) -> tuple[Samples, Samples]:
    rng = np.random.default_rng(seed)
    p = rng.beta(0.5, 1.0, size)
    q = p * 6 / (1 - p + 6 * p)
    ids = [f"p{i}" for i in range(size)]
    counts = [rng.binomial(n, rate) for rate in (p, q)]
    return (
        Samples.from_counts(ids, np.full(size, n), counts[0], "base"),
        Samples.from_counts(ids, np.full(size, n), counts[1], "tuned"),
    )


def test_result_is_plain_json_without_nan_and_adds_up() -> None:
    base, tuned = pair()
    result = {"base": summarise(base, replicates=200), "comparison": compare(base, tuned, replicates=200)}
    text = json.dumps(result, allow_nan=False)
    assert json.loads(text) == result and all(np.isfinite(x) for x in numbers(result))
    c = result["comparison"]
    assert set(c["compression"]) >= {
        "within", "beyond", "unresolved", "expansion", "forgetting", "churn_floor", "search_budget", "headroom",
    }  # fmt: skip
    assert set(c) >= {"gain", "k_star", "crossover", "compression", "ratio_gross", "ratio_net", "coverage"}
    parts = c["compression"]
    total = sum(parts[name]["value"] for name in ("within", "beyond", "unresolved", "expansion"))
    assert total - parts["forgetting"]["value"] == pytest.approx(c["gain"]["value"], abs=1e-12)
    assert abs(parts["residual"]) < 1e-12
    assert c["gain"]["lo"] < c["gain"]["value"] < c["gain"]["hi"]


def test_same_seed_same_result() -> None:
    base, tuned = pair()
    assert compare(base, tuned, replicates=50, seed=3) == compare(base, tuned, replicates=50, seed=3)
    other = compare(base, tuned, replicates=50, seed=4)
    assert other["gain"]["lo"] != compare(base, tuned, replicates=50, seed=3)["gain"]["lo"]


def test_order_of_problems_does_not_matter_and_strangers_are_counted() -> None:
    base, tuned = pair()
    shuffled = tuned.select(np.random.default_rng(0).permutation(40))
    assert compare(base, shuffled, replicates=20) == compare(base, tuned, replicates=20)
    fewer = compare(base.select(range(30)), tuned.select(range(10, 40)), replicates=20)
    assert (fewer["n_problems"], fewer["only_base"], fewer["only_tuned"]) == (20, 10, 10)
    with pytest.raises(ValueError, match="share no problem"):
        compare(base.select(range(5)), tuned.select(range(5, 10)))
    assert align(base, tuned)[0] is base


def test_undefined_is_null_with_a_reason() -> None:
    ids = [str(i) for i in range(25)]
    zero = Samples.from_counts(ids, np.full(25, 8), np.zeros(25), "base")
    some = Samples.from_counts(ids, np.full(25, 8), np.full(25, 2), "tuned")
    c = as_json(compare(zero, some, replicates=50))
    assert (
        c["k_star"]["value"] is None
        and c["k_star"]["status"] == "base_all_zero"
        and c["k_star"]["lo"] == "inf"
    )
    assert c["ratio_net"]["value"] is None and c["ratio_net"]["status"] == "no_headroom"
    assert c["crossover"]["status"] == "censored_right" and c["crossover"]["bound"] == 8
    assert summarise(zero, replicates=50)["population"]["status"] == "all_zero"
    few = compare(zero.select(range(3)), some.select(range(3)), replicates=50)
    assert few["gain"]["status"] == "few_problems"


def test_problems_without_samples_are_excluded_and_counted() -> None:
    n0, n1 = np.array([8, 0, 8, 8]), np.array([8, 8, 0, 8])
    ids = ["a", "b", "c", "d"]
    base = Samples.from_counts(ids, n0, np.array([1, 0, 2, 4]), "base")
    tuned = Samples.from_counts(ids, n1, np.array([2, 3, 0, 8]), "tuned")
    gain = compare(base, tuned, replicates=20)["gain"]
    assert (gain["used"], gain["excluded"]) == (2, 2)
    assert gain["value"] == pytest.approx(((2 - 1) / 8 + (8 - 4) / 8) / 2)


def test_one_shallow_problem_does_not_shorten_the_curves() -> None:
    base, tuned = pair()
    n, c = base.n.copy(), base.c.copy()
    n[0], c[0] = 1, 0
    result = compare(Samples.from_counts(base.problem_ids, n, c, "base"), tuned, replicates=20)
    assert result["k_star"]["excluded"] == 1 and "64" in result["difference"]


def test_reasoning_answers_and_audits_are_used_where_they_are() -> None:
    size, n = 30, 8
    ids = [str(i) for i in range(size)]
    answers = Answers.from_dicts([{"1": 5, "2": 3}] * size, ["1"] * size)
    sound = np.full(size, 2.0)
    sound[0] = np.nan
    one = Samples(
        "base", ids, np.full(size, n), np.full(size, 5), c_answer=np.full(size, 5.0), c_sound=sound,
        answers=answers, truncated=np.ones(size, int), tokens=np.full(size, 7.0),
    )  # fmt: skip
    s = as_json(summarise(one, replicates=50))
    assert s["unsound_share"]["value"] == pytest.approx(0.6) and s["unsound_share"]["excluded"] == 1
    assert s["cot_pass_at_k"]["1"]["value"] == pytest.approx(0.25)
    assert s["maj_at_k"]["1"]["value"] == pytest.approx(5 / 8) and s["maj_at_k"]["8"][
        "value"
    ] == pytest.approx(1)
    assert (
        s["diversity"]["answers"]["distinct"]["value"] == 2
        and s["diversity"]["correct_traces"]["status"] == "no_data"
    )
    assert s["truncated"]["value"] == pytest.approx(1 / 8) and s["tokens"]["value"] == 7
    other = Samples.from_counts(ids, np.full(size, n), np.full(size, 6), "tuned")
    noise = compare(one, other, replicates=50, audits={"base": Audit(200, 2, 200, 4)})["noise"]
    assert noise["corrected_pass_1"]["base"]["value"] == pytest.approx((5 / 8 - 0.01) / 0.97)


def test_counts_that_cannot_be_are_refused_with_the_row() -> None:
    with pytest.raises(ValueError, match="'b': 5 correct of 4"):
        Samples.from_counts(["a", "b"], [4, 4], [1, 5])
    with pytest.raises(ValueError, match="whole numbers"):
        Samples.from_counts(["a"], [4], [1.5])
    with pytest.raises(ValueError, match="'a' occurs twice"):
        Samples.from_counts(["a", "a"], [4, 4], [1, 1])
    with pytest.raises(ValueError, match="3 sound right answers among 2"):
        Samples("x", ["a"], np.array([4]), np.array([2]), c_answer=np.array([2.0]), c_sound=np.array([3.0]))


def test_estimates_write_infinity_as_text_and_nan_as_null() -> None:
    estimate = Estimate(float("nan"), lo=float("-inf"), hi=float("inf"), status="x", extra={"bound": 4})
    written = as_json(estimate.to_json())
    assert (
        written["value"] is None
        and written["lo"] == "-inf"
        and written["hi"] == "inf"
        and written["bound"] == 4
    )


def test_default_budget_leaves_room_for_expansion() -> None:
    assert [default_budget(np.full(3, n)) for n in (2, 16, 64, 128, 1024)] == [2, 4, 4, 8, 64]


def test_an_evaluation_that_was_never_scored_is_no_data_not_zero() -> None:
    empty, some = Samples.from_counts(["a"], [0], [0], "base"), Samples.from_counts(["a"], [4], [1], "tuned")
    c = compare(empty, some, replicates=20)
    for name in ("gain", "k_star", "crossover", "ratio_net"):
        assert c[name]["value"] is None and c[name]["status"] == "no_data"
    json.dumps(c, allow_nan=False)
