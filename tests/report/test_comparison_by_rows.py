"""Every number of a comparison, computed a second time from the rows of the two files."""

import math
import statistics

import awkward_rows
import pytest
from by_rows import (
    agree,
    both_mean,
    by_problem,
    cells_of,
    cot,
    counts,
    ks_up_to,
    len_of,
    paired,
    scored,
    sound_counts,
    variety,
    votes,
)

from rlvr.analysis.noise import Audit
from rlvr.analysis.sections.compare import compare
from rlvr.rollouts.evaluations import read
from tests import by_definition as defined
from tests.as_json import as_json

BUDGET, ALPHA = 2, 0.05
AUDIT = Audit(wrong=120, false_positives=6, right=80, false_negatives=2)


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    """The rows by policy, and the comparison that the report makes of them."""
    folder = tmp_path_factory.mktemp("awkward")
    found = awkward_rows.write(folder)
    base, tuned = (read(folder / f"{name}.jsonl", name)[0].samples for name in ("base", "tuned"))
    comparison = compare(base, tuned, BUDGET, ALPHA, replicates=200, audits={"tuned": AUDIT})
    return found, as_json(comparison)


@pytest.fixture(scope="module")
def pairs(rows):
    """The rows of each problem that both files have: of the base, of the tuned policy."""
    base, tuned = (by_problem(rows[0][policy]) for policy in ("base", "tuned"))
    return {name: (base[name], tuned[name]) for name in base if name in tuned}


def test_the_paired_differences(rows, pairs):
    comparison = rows[1]
    for k in map(int, comparison["difference"]):

        def rate(part, k=k):
            return defined.pass_at_k(*counts(part), k)

        expected = paired(pairs, rate)
        separate = [both_mean(pairs, rate, side)["se"] for side in (0, 1)]
        shared = [(counts(b), counts(t)) for b, t in pairs.values()]
        shared = [pair for pair in shared if min(pair[0][0], pair[1][0]) >= k]
        of_each = [defined.fixed_se([pair[side] for pair in shared], k) for side in (0, 1)]
        expected["se_unpaired"] = math.hypot(*separate)
        expected["se_fixed"] = None if None in of_each else math.hypot(*of_each)
        agree(comparison["difference"][str(k)], expected, besides=("p_signflip",))
        assert 0 < comparison["difference"][str(k)]["p_signflip"] <= 1
        assert comparison["p_signflip"][str(k)] == comparison["difference"][str(k)]["p_signflip"]
    assert list(comparison["difference"]) == list(map(str, ks_up_to(min(map(len_of(pairs), (0, 1))))))
    assert comparison["gain"] == comparison["difference"]["1"]


def test_other_readings_change_as_their_rows_do(rows, pairs):
    comparison = rows[1]
    readings = {
        "cot_pass_at_k": cot,
        "pass_hat_k": lambda part, k: defined.at_least(*counts(part), k, k),
        "maj_at_k": lambda part, k: defined.majority(votes(part), "right", counts(part)[0], k),
    }
    for name, quantity in readings.items():
        assert comparison[name].keys() == comparison["difference"].keys()
        for k, estimate in comparison[name].items():
            agree(estimate, paired(pairs, lambda part, q=quantity, k=int(k): q(part, k)))
    for name in ("answers", "correct_traces"):
        found = comparison["diversity"][name]
        for key in variety(next(iter(pairs.values()))[0], True):
            agree(
                found[key], paired(pairs, lambda p, key=key, right=name != "answers": variety(p, right)[key])
            )
    agree(comparison["mean_score"], paired(pairs, _mean_score))


def _mean_score(part):
    return statistics.fmean(row["score"] for row in scored(part)) if scored(part) else None


def test_the_parts_of_the_gain(rows, pairs):
    comparison = rows[1]
    cells = {name: (*counts(b), *counts(t)) for name, (b, t) in pairs.items()}
    parts = {name: defined.decompose(*cell, BUDGET, ALPHA) for name, cell in cells.items()}
    used = {name: part for name, part in parts.items() if part is not None}
    zero = [name for name in used if "reach" in used[name]]
    shared = {name: defined.decompose(*cells[name], BUDGET, ALPHA / len(zero)) for name in zero}
    depth = [cells[name][0] for name in used]

    def average(*names):
        return defined.mean(
            [None if part is None else sum(part[name] for name in names) for part in parts.values()]
        )

    floors = [None if parts[name] is None else defined.churn(*cells[name][:3]) for name in cells]
    certified = [[name for name in zero if of[name]["certified"]] for of in (parts, shared)]
    found = comparison["compression"]
    expected = {
        "search_budget": BUDGET,
        "alpha": ALPHA,
        "n_base": min(depth),
        "expansion_can_be_shown": min(depth) >= 16 * BUDGET,
        **{
            name: average(name)
            for name in ("within", "beyond", "unresolved", "expansion", "forgetting", "headroom")
        },
        "delta": average("delta"),
        "compression_low": average("within", "beyond"),
        "compression_high": average("within", "beyond", "unresolved"),
        "expansion_high": average("expansion", "unresolved"),
        "churn_floor": defined.mean(floors),
        "residual": 0.0,
        "base_zero": len(zero),
        "certified": {"count": len(certified[0]), "alpha_per_problem": ALPHA, "problems": certified[0]},
        "certified_simultaneous": {
            "count": len(certified[1]),
            "alpha_per_problem": ALPHA / len(zero),
            "problems": certified[1],
        },
    }
    assert 0 < len(certified[1]) < len(certified[0]) < len(zero), "the rows hold every kind"
    agree(found, expected, besides=("reach",))
    total = {name: sum(part[name] for part in used.values()) for name in ("within", "headroom", "delta")}
    gap = [None if p is None else p["base"] + p["headroom"] - p["tuned"] for p in parts.values()]
    assert comparison["ratio_gross"]["value"] == pytest.approx(total["within"] / total["headroom"])
    assert comparison["ratio_net"]["value"] == pytest.approx(total["delta"] / total["headroom"])
    agree(comparison["efficiency_gap"], defined.mean(gap))


def test_k_star_and_crossover(rows, pairs):
    comparison = rows[1]
    top = max(map(int, comparison["difference"]))
    cells = [(counts(b), counts(t)) for b, t in pairs.values()]
    deep = [(b, t) for b, t in cells if b[0] >= top and t[0] >= top]
    base, tuned = zip(*deep, strict=True)
    star, cross = comparison["k_star"], comparison["crossover"]
    value = defined.k_star(base, tuned, min(n for n, _ in base))
    assert star["value"] == pytest.approx(value) and star["log2"] == pytest.approx(math.log2(value))
    assert cross["value"] == defined.crossover(base, tuned, min(n for pair in deep for n, _ in pair))
    for root in (star, cross):
        assert (root["used"], root["excluded"]) == (len(deep), len(cells) - len(deep))


def test_coverage_and_evidence(rows, pairs):
    comparison = rows[1]
    cells = [(counts(b), counts(t)) for b, t in pairs.values()]
    change = [(defined.pass_at_k(*b, BUDGET), defined.pass_at_k(*t, BUDGET)) for b, t in cells]
    net = [None if None in pair else float(pair[0] - pair[1]) for pair in change]
    seen = [(b[1] > 0, t[1] > 0) for b, t in cells if b[0] and t[0]]
    agree(
        comparison["coverage"],
        {
            "search_budget": BUDGET,
            "loss": defined.mean([None if x is None else max(x, 0.0) for x in net]),
            "gain": defined.mean([None if x is None else max(-x, 0.0) for x in net]),
            "net": defined.mean(net),
            "solved": {
                "both": seen.count((True, True)),
                "base_only": seen.count((True, False)),
                "tuned_only": seen.count((False, True)),
                "neither": seen.count((False, False)),
            },
        },
    )
    pooled = comparison["evidence"]["pooled"]
    nats = defined.log_odds(*zip(*cells, strict=True))
    assert pooled["value"] == pytest.approx(nats) and pooled["beta_eff"] == pytest.approx(1 / nats)
    assert (pooled["used"], pooled["excluded"]) == (len(seen), len(cells) - len(seen))


def test_distances(rows, pairs):
    """KL(π‖p0) from the tuned policy's rows, and how far its weights can be trusted."""
    alignment = rows[1]["alignment"]

    def ratios(part):
        """ln π - ln p0 of each sample with both, and whether it is right."""
        held = [row for row in scored(part) if "logprobs" in row]
        return [(row["logprobs"]["tuned"] - row["logprobs"]["base"], row["score"] == 1) for row in held]

    def effective(logs):
        weights = [math.exp(-x) for x in logs]
        return sum(weights) ** 2 / sum(w * w for w in weights) if weights else None

    of_each = [ratios(tuned) for _, tuned in pairs.values()]
    right = [[x for x, solved in part if solved] for part in of_each]
    k1 = [statistics.fmean(x for x, _ in part) if part else None for part in of_each]
    k3 = [statistics.fmean(math.exp(-x) - 1 + x for x, _ in part) if part else None for part in of_each]
    spread = [
        statistics.stdev(x for x, _ in part) / math.sqrt(len(part)) for part in of_each if len(part) > 1
    ]
    ess = [effective([x for x, _ in part]) for part in of_each]
    of_right = [effective(part) for part in right]
    trusted = [
        e is None or (e >= 10 and e >= 0.05 * len(part)) for e, part in zip(of_right, right, strict=True)
    ]
    assert alignment["low_ess"] == trusted.count(False) > 0
    assert alignment["samples"] == sum(map(len, of_each))
    dropped = sum(len(scored(tuned)) for _, tuned in pairs.values()) - sum(map(len, of_each))
    assert alignment["samples_without_logprobs"] == dropped
    assert sum(alignment["base_rate_from"].values()) == len(pairs)
    agree(alignment["kl_pi_p0"], defined.mean(k1) | {"se_fixed": math.hypot(*spread) / len(spread)})
    agree(alignment["kl_pi_p0_k3"], defined.mean(k3))
    agree(alignment["ess"], defined.mean(ess))
    agree(alignment["ess_verified"], defined.mean(of_right))
    chain = [
        alignment[name]["value"] for name in ("kl_bernoulli", "kl_within_verified", "kl_within_unverified")
    ]
    if len({alignment[name]["used"] for name in ("kl_bernoulli", "kl_within_verified", "kl_pi_p0")}) == 1:
        assert sum(chain) == pytest.approx(alignment["kl_pi_p0"]["value"])
    prices = [math.log(n / c) if c else None for n, c in (counts(b) for b, _ in pairs.values())]
    sampled = [counts(b) for b, _ in pairs.values() if counts(b)[0]]
    zero = statistics.fmean(c == 0 for _, c in sampled)
    agree(alignment["certain_success"], defined.mean(prices) | {"share_base_zero": zero})


def test_the_verifiers_errors(rows):
    noise, found = rows[1]["noise"], rows[0]
    fpr, fnr = 6 / 120, 2 / 80
    assert noise["fpr_assumed"] is False and list(noise["fpr_floor"]) == [str(fpr)]
    for k, floor in noise["fpr_floor"][str(fpr)].items():
        assert floor == pytest.approx(1 - (1 - fpr) ** int(k))
    both = by_problem(found["base"]).keys() & by_problem(found["tuned"]).keys()
    cells = [counts(part) for name, part in by_problem(found["tuned"]).items() if name in both]
    youden = 1 - fpr - fnr
    plain = defined.mean([c / n if n else None for n, c in cells])
    rate = (plain["value"] - fpr) / youden
    errors = (1 - rate) ** 2 * fpr * (1 - fpr) / 120 + rate**2 * fnr * (1 - fnr) / 80
    expected = {"value": rate, "se": math.sqrt(plain["se"] ** 2 + errors) / youden}
    expected |= {"used": plain["used"], "excluded": plain["excluded"]}
    expected |= {"fpr": fpr, "fnr": fnr, "audited_wrong": 120, "audited_right": 80}
    (corrected,) = noise["corrected_pass_1"].items()
    assert corrected[0] == "tuned"
    agree(corrected[1], expected)
    assert corrected[1]["hi"] - rate == pytest.approx(1.959964 * expected["se"])
    assert rate - corrected[1]["lo"] == pytest.approx(1.959964 * expected["se"])


def test_strata_and_sources(rows, pairs):
    comparison, found = rows[1], rows[0]
    source = {row["problem_id"]: row["source"] for row in found["base"]}
    certified = comparison["compression"]["certified"]["problems"]
    total = sum(c1 / n1 - c0 / n0 for (n0, c0), (n1, c1) in cells_of(pairs.values()))
    sets = {"all": list(pairs)} | {name: [p for p in pairs if source[p] == name] for name in ("hard", "easy")}
    listed = {row["stratum"]: row for row in (comparison["whole"], *comparison["by_source"])}
    assert listed.keys() == sets.keys()
    for name, inside in sets.items():
        cells = [(counts(b), counts(t)) for b, t in (pairs[p] for p in inside)]
        known = cells_of(pairs[p] for p in inside)
        base, tuned = ([pair[side] for pair in cells] for side in (0, 1))
        right = [sound_counts(pairs[p][1]) for p in inside]
        looked = [pair for pair in right if pair[1] is not None]
        gains = [t[1] / t[0] - b[1] / b[0] if b[0] and t[0] else None for b, t in cells]
        expected = {
            "stratum": name,
            "problems": len(inside),
            **{
                f"{policy}_pass_{k}": defined.mean(
                    [defined.pass_at_k(*cell, BUDGET if k == "k" else 1) for cell in of]
                )
                for policy, of in (("base", base), ("tuned", tuned))
                for k in ("1", "k")
            },
            "gain": defined.mean(gains),
            "share_of_gain": sum(x for x in gains if x is not None) / total,
            "certified": sum(p in certified for p in inside),
            "unsound_share": sum(c - s for c, s in looked) / sum(c for c, _ in looked),
            "samples_to_first_hit": sum(n for n, _ in base) / sum(c for _, c in base),
        }
        assert len(known) <= len(inside)
        agree(listed[name], expected)
    strata = comparison["limits"]
    assert sum(row["problems"] for row in strata) == len(cells_of(pairs.values()))
    assert sum(row["certified"] for row in strata) == len(certified)
    assert [row["stratum"] for row in strata] == ["0", "(0, 1/K]", "(1/K, 1/2]", "(1/2, 1]"]


def test_what_a_claim_would_need(rows, pairs):
    sizing = rows[1]["sizing"]
    for side, policy in enumerate(("base", "tuned")):
        cells = [(counts(b), counts(t)) for b, t in pairs.values()]
        deep = [pair[side] for pair in cells if min(pair[0][0], pair[1][0]) >= 2]
        first, second = (statistics.fmean(defined.pass_at_k(*cell, k) for cell in deep) for k in (1, 2))
        within, n = second - first, statistics.median(n for n, _ in deep)
        between = first - within - first**2
        agree(
            sizing[policy],
            {
                "between_var": between,
                "mean_pq": within,
                "half_width_fixed": 1.959964 * math.sqrt(within / (len(deep) * int(n))),
                "half_width_population": 1.959964 * math.sqrt((between + within / int(n)) / len(deep)),
                "samples_for_1_point_fixed": math.ceil((1.959964 / 0.01) ** 2 * within),
                "problems_for_1_point_population": math.ceil(
                    (1.959964 / 0.01) ** 2 * (between + within / int(n))
                ),
            },
        )
    change = [t[1] / t[0] - b[1] / b[0] for b, t in cells_of(pairs.values())]
    needed = math.ceil((1.959964 / 0.01) ** 2 * statistics.variance(change))
    agree(sizing["paired"], {"variance": statistics.variance(change), "problems_for_1_point": needed})


def test_samples_without_a_verdict(rows, pairs):
    found = rows[1]["unjudged"]

    def parts(part):
        return len(part), counts(part)[1], len(part) - len(scored(part))

    cells = [(parts(b), parts(t)) for b, t in pairs.values()]
    expected = {
        "share_base": [b[2] / b[0] for b, _ in cells],
        "share_tuned": [t[2] / t[0] for _, t in cells],
        "difference": [t[2] / t[0] - b[2] / b[0] for b, t in cells],
        "gain_wrong": [t[1] / t[0] - b[1] / b[0] for b, t in cells],
        "gain_lower": [t[1] / t[0] - (b[1] + b[2]) / b[0] for b, t in cells],
        "gain_upper": [(t[1] + t[2]) / t[0] - b[1] / b[0] for b, t in cells],
    }
    assert found["differs"] is (found["difference"]["lo"] > 0 or found["difference"]["hi"] < 0)
    agree(
        found,
        {name: defined.mean(values) for name, values in expected.items()} | {"differs": found["differs"]},
    )


def test_no_section_of_a_comparison_is_left_out(rows):
    """A new one needs its second computation too."""
    said = "base tuned n_problems only_base only_tuned replicates seed"
    computed = (
        "gain unjudged mean_score difference p_signflip k_star crossover compression ratio_gross ratio_net "
        "efficiency_gap coverage cot_pass_at_k pass_hat_k maj_at_k diversity alignment evidence noise limits whole "
        "by_source sizing"
    )
    assert rows[1].keys() == set(f"{said} {computed}".split())
    expected = (awkward_rows.PROBLEMS - 2, 1, 1, "base", "tuned")
    assert (
        tuple(rows[1][key] for key in ("n_problems", "only_base", "only_tuned", "base", "tuned")) == expected
    )
