"""Every number of a policy's summary, computed a second time from the rows of its file."""

import math
import statistics
from collections import Counter
from fractions import Fraction

import awkward_rows
import pytest
from by_rows import agree, by_problem, cot, counts, curves, ks_up_to, scored, sound_counts, variety, votes
from scipy.stats import beta, betabinom

from rlvr.analysis.sections.summary import summarise
from rlvr.rollouts.evaluations import read
from tests import by_definition as defined
from tests.as_json import as_json


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    """The rows by policy, and what the report makes of each."""
    folder = tmp_path_factory.mktemp("awkward")
    found = awkward_rows.write(folder)
    held = {name: read(folder / f"{name}.jsonl", name)[0].samples for name in found}
    return found, {name: as_json(summarise(samples, replicates=200)) for name, samples in held.items()}


@pytest.mark.parametrize("policy", ["base", "tuned"])
def test_a_policys_summary(rows, policy):
    found, summaries = rows
    problems = by_problem(found[policy])
    summary, all_rows = summaries[policy], scored(found[policy])
    n = {name: len(scored(part)) for name, part in problems.items()}
    some = sorted(size for size in n.values() if size)
    top = min(size for size in some if size >= statistics.median(some) / 2)
    ks = ks_up_to(top)
    cells = [counts(part) for part in problems.values()]
    lengths = [[r["tokens"] for r in part if "tokens" in r] for part in problems.values()]
    scores = [[r["score"] for r in scored(part)] for part in problems.values()]
    sound = [sound_counts(part) for part in problems.values()]
    looked = [pair for pair in sound if pair[1] is not None]
    right, unsound = sum(c for c, _ in looked), sum(c - s for c, s in looked)
    taus = {"0.5": Fraction(1, 2), "0.75": Fraction(3, 4)}

    def share(number):
        held = {"count": number, "value": number / len(all_rows), "se": None}
        return held | {"used": len(problems), "excluded": 0}

    def of_pass(k):
        estimate = defined.mean([defined.pass_at_k(*cell, k) for cell in cells])
        return estimate | {"se_fixed": defined.fixed_se(cells, k)}

    expected = {
        "policy": policy,
        "n_problems": len(problems),
        "n_samples": len(all_rows),
        "samples_per_problem": {"min": min(n.values()), "max": max(n.values())},
        "excluded": len(found[policy]) - len(all_rows),
        "truncated": share(sum(row.get("complete") is False for row in all_rows)),
        "no_answer": share(sum(row["status"] == "no_answer" for row in all_rows)),
        "statuses": dict(Counter(row["status"] for row in found[policy])),
        "tokens": defined.mean([statistics.fmean(x) if x else None for x in lengths]),
        "solved": sum(c > 0 for _, c in cells),
        "mean_score": defined.mean([statistics.fmean(x) if x else None for x in scores]),
        "pass_at_k": {str(k): of_pass(k) for k in ks},
        "pass_hat_k": curves(problems, ks, lambda rows, k: defined.at_least(*counts(rows), k, k)),
        "g_pass_at_k": {
            name: curves(problems, ks, lambda rows, k, tau=tau: defined.g_pass(*counts(rows), k, tau))
            for name, tau in taus.items()
        },
        "maj_at_k": curves(
            problems, ks, lambda rows, k: defined.majority(votes(rows), "right", counts(rows)[0], k)
        ),
        "cot_pass_at_k": curves(problems, ks, cot),
        "unsound_share": {
            "value": unsound / right,
            "used": len(looked),
            "excluded": len(sound) - len(looked),
        },
        "diversity": {
            name: _diversity(problems, name == "correct_traces") for name in ("answers", "correct_traces")
        },
    }
    # without a verdict: as wrong, and as right
    unjudged = {name: len(part) - n[name] for name, part in problems.items()}
    expected["pass_at_k_bounds"] = {
        side: curves(
            problems,
            ks,
            lambda part, k, up=up: defined.pass_at_k(
                len(part), counts(part)[1] + up * unjudged[part[0]["problem_id"]], k
            ),
        )
        for side, up in (("lower", 0), ("upper", 1))
    }
    agree(summary, expected, besides=("population", "unsound_share.se"))


def _diversity(problems, correct):
    each = [variety(part, correct) for part in problems.values()]
    return {"rarefied_k": 8} | {key: defined.mean([one[key] for one in each]) for key in each[0]}


@pytest.mark.parametrize("policy", ["base", "tuned"])
def test_the_fitted_population_is_the_most_likely_one_and_what_follows_from_it(rows, policy):
    found, summaries = rows
    cells = [counts(part) for part in by_problem(found[policy]).values()]
    cells = [cell for cell in cells if cell[0]]
    population = summaries[policy]["population"]
    a, b = population["a"], population["b"]
    assert population["status"] == "ok" and population["method"] == "likelihood"

    def likelihood(a, b):
        return sum(betabinom.logpmf(c, n, a, b) for n, c in cells)

    others = [
        (a * up, b * right) for up in (0.97, 1, 1.03) for right in (0.97, 1, 1.03) if (up, right) != (1, 1)
    ]
    assert all(likelihood(a, b) > likelihood(*other) for other in others)
    top = max(int(k) for k in summaries[policy]["pass_at_k"])
    deep = [(n, c) for n, c in cells if n >= top]
    assert list(population["pass_at_k"]) == [str(2 * top), str(4 * top), str(8 * top)]
    for k, estimate in ((int(k), e) for k, e in population["pass_at_k"].items()):
        never = [math.prod((b + n - c + j) / (a + b + n + j) for j in range(k)) for n, c in deep]
        most = [1.0 if c == n else float(beta.ppf(0.95, c + 1, n - c)) for n, c in deep]
        assert estimate["value"] == pytest.approx(1 - statistics.fmean(never))
        assert estimate["lo"] == pytest.approx(statistics.fmean(c > 0 for _, c in deep))
        assert estimate["hi"] == pytest.approx(1 - statistics.fmean((1 - p) ** k for p in most))
        assert (estimate["used"], estimate["excluded"]) == (len(deep), awkward_rows.PROBLEMS - 1 - len(deep))
    rates = [c / n for n, c in cells]
    spread = (1 - statistics.fmean(rates)) ** 2 + statistics.pvariance(rates)
    for k, bound in population["jensen_bound"].items():
        assert bound == pytest.approx(1 - spread ** (int(k) / 2))
