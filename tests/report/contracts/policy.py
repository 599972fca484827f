"""The figures of one policy: `policies` in report.json."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from fractions import Fraction
from math import comb, lgamma
from statistics import fmean
from typing import Any

from scipy.optimize import minimize

from tests import by_definition as defined
from tests.report.contracts.rows import Estimate, Mean, Near, Number, Policy, Ratio, Row, answered, solved

RAREFIED = 8


def pass_at(n: int, c: int, k: int) -> Number:
    found = defined.pass_at_k(n, c, k)
    return None if found is None else float(found)


def curve(policy: Policy, k: int) -> list[Number]:
    return [pass_at(n, c, k) for n, c in policy.counts]


def pass_at_k(policy: Policy, k: str) -> Mean:
    return Mean(curve(policy, int(k)), {"se_fixed": defined.fixed_se(policy.counts, int(k))})


def pass_hat(policy: Policy, k: int) -> list[Number]:
    return [defined.at_least(n, c, k, k) for n, c in policy.counts]


def g_pass(policy: Policy, tau: str, k: str) -> Mean:
    return Mean([defined.g_pass(n, c, int(k), Fraction(tau)) for n, c in policy.counts])


RIGHT = "the right one"


def votes(rows: Sequence[Row]) -> Counter[str]:
    """How often each answer was given; all that are right are one, and samples without an answer are not in it."""
    said = (RIGHT if answered(row) else row["answer"] for row in rows)
    return Counter(answer for answer in said if answer is not None)


def maj(policy: Policy, k: int) -> list[Number]:
    return [defined.majority(votes(rows), RIGHT, len(rows), k) for rows in policy.judged]


def sound_counts(policy: Policy) -> list[Number]:
    """Right answers with sound reasoning; None where nobody looked at any right answer's reasoning."""
    found: list[Number] = []
    for rows in policy.judged:
        right = [row["sound"] for row in rows if answered(row)]
        found.append(None if right and set(right) == {None} else sum(sound == 1.0 for sound in right))
    return found


def answers_at(policy: Policy, k: int) -> list[Number]:
    """pass@k of right answers, whatever the reasoning."""
    return [pass_at(len(rows), sum(map(answered, rows)), k) for rows in policy.judged]


def cot(policy: Policy, k: int) -> list[Number]:
    counts = zip(policy.n, sound_counts(policy), strict=True)
    return [None if sound is None else pass_at(n, int(sound), k) for n, sound in counts]


def unsound_share(policy: Policy) -> Ratio:
    sound = sound_counts(policy)
    right = [
        None if s is None else sum(map(answered, rows)) for s, rows in zip(sound, policy.judged, strict=True)
    ]
    return Ratio(
        [None if s is None or r is None else r - s for s, r in zip(sound, right, strict=True)], right
    )


def scores(policy: Policy) -> list[Number]:
    return [fmean(row["score"] for row in rows) if rows else None for rows in policy.judged]


def tokens(policy: Policy) -> Mean:
    """Mean length of a problem's completions, judged or not, where the rows say it."""
    lengths = [[row["tokens"] for row in rows if "tokens" in row] for rows in policy.problems.values()]
    return Mean([fmean(some) if some else None for some in lengths])


def share(policy: Policy, is_one: Callable[[Row], bool]) -> Estimate:
    """Of the judged samples."""
    count = sum(is_one(row) for rows in policy.judged for row in rows)
    value = count / sum(policy.n)
    return Estimate(
        {
            "value": value,
            "count": count,
            "used": len(policy.n),
            "excluded": 0,
            "lo": None,
            "hi": None,
            "se": None,
        }
    )


def bounds(policy: Policy, side: str, k: str) -> Mean:
    """pass@k, the samples without a verdict counted as wrong, or as right."""
    more = zip(policy.counts, policy.unjudged, strict=True)
    return Mean([pass_at(n + u, c + u * (side == "upper"), int(k)) for (n, c), u in more])


# --- Diversity ---


def variety(policy: Policy, what: str, measure: str) -> list[Number]:
    """Of all answers, or of the traces that are right."""
    found = [
        votes(rows) if what == "answers" else Counter(row["trace"] for row in rows if solved(row))
        for rows in policy.judged
    ]
    return [defined.diversity(counts.values(), RAREFIED)[measure] for counts in found]


# --- The population, and beyond the samples ---


def loglik(a: float, b: float, counts: Sequence[tuple[int, int]]) -> float:
    """Of a Beta-binomial, up to a constant."""

    def beta(x: float, y: float) -> float:
        return lgamma(x) + lgamma(y) - lgamma(x + y)

    return sum(beta(a + c, b + n - c) - beta(a, b) for n, c in counts)


def fitted(policy: Policy) -> tuple[float, float]:
    """The Beta population. Of 30 problems or more by maximum likelihood, here with a search that knows no derivative;
    of fewer by the first two moments of the rates, each estimated without bias.
    """
    counts = [(n, c) for n, c in policy.counts if n > 0]
    several = [(n, c) for n, c in counts if n >= 2]
    if len(several) < 30:
        m = fmean(c / n for n, c in several)
        m2 = fmean(c * (c - 1) / (n * (n - 1)) for n, c in several)
        size = (m - m2) / (m2 - m * m)
        return m * size, (1 - m) * size
    found = minimize(
        lambda x: -loglik(math.exp(x[0]), math.exp(x[1]), counts), [0.0, 0.0], method="Nelder-Mead",
        options={"xatol": 1e-9, "fatol": 1e-12, "maxiter": 4000},
    )  # fmt: skip
    return math.exp(found.x[0]), math.exp(found.x[1])


def bound_above(n: int, c: int, tail: float = 0.05) -> float:
    """Clopper and Pearson: the rate at which c or fewer of n have probability `tail`."""
    if c == n:
        return 1.0
    low, high = 0.0, 1.0
    for _ in range(60):
        p = (low + high) / 2
        below = sum(comb(n, j) * p**j * (1 - p) ** (n - j) for j in range(c + 1))
        low, high = (p, high) if below > tail else (low, p)
    return high


def bound_below(n: int, c: int, tail: float = 0.05) -> float:
    return 1 - bound_above(n, n - c, tail)


def beyond(policy: Policy, k: str) -> Estimate:
    a, b = fitted(policy)
    size, deep = int(k), [(n, c) for n, c in policy.counts if n >= policy.usual]
    assert all(size <= 10 * n for n, _ in deep)

    def expected(n: int, c: int) -> float:
        """E (1-p)^k under the posterior, by k factors."""
        return math.exp(sum(math.log((b + n - c + j) / (a + b + n + j)) for j in range(size)))

    value = fmean(1 - expected(n, c) for n, c in deep)
    return Estimate({
        "value": Near(value, 1e-5),
        "lo": Near(min(value, fmean(float(c > 0) for _, c in deep)), 1e-5),
        "hi": fmean(1 - (1 - bound_above(n, c)) ** size for n, c in deep),
        "used": len(deep), "excluded": len(policy.n) - len(deep), "extrapolated": True, "se": None,
    })  # fmt: skip


def jensen(policy: Policy, k: str) -> float:
    rates = [c / n for n, c in policy.counts if n > 0]
    p = fmean(rates)
    return 1 - ((1 - p) ** 2 + fmean((r - p) ** 2 for r in rates)) ** (int(k) / 2)


POLICY: dict[str, Callable[..., Any]] = {
    "policy": lambda p: p.name,
    "n_problems": lambda p: len(p.problems),
    "n_samples": lambda p: sum(p.n),
    "samples_per_problem/min": lambda p: min(p.n),
    "samples_per_problem/max": lambda p: max(p.n),
    "excluded": lambda p: sum(p.unjudged),
    "truncated": lambda p: share(p, lambda row: row.get("complete") is False),
    "no_answer": lambda p: share(p, lambda row: row["status"] == "no_answer"),
    "statuses/*": lambda p, status: sum(row["status"] == status for row in p.rows),
    "tokens": tokens,
    "solved": lambda p: sum(c > 0 for c in p.c),
    "mean_score": lambda p: Mean(scores(p)),
    "pass_at_k/*": pass_at_k,
    "pass_at_k_bounds/lower/*": lambda p, k: bounds(p, "lower", k),
    "pass_at_k_bounds/upper/*": lambda p, k: bounds(p, "upper", k),
    "pass_hat_k/*": lambda p, k: Mean(pass_hat(p, int(k))),
    "g_pass_at_k/*/*": g_pass,
    "maj_at_k/*": lambda p, k: Mean(maj(p, int(k))),
    "answer_pass_at_k/*": lambda p, k: Mean(answers_at(p, int(k))),
    "cot_pass_at_k/*": lambda p, k: Mean(cot(p, int(k))),
    "unsound_share": unsound_share,
    "diversity/*/status": lambda p, what: "ok",
    "diversity/*/rarefied_k": lambda p, what: RAREFIED,
    "diversity/*/*": lambda p, what, measure: Mean(variety(p, what, measure)),
    "population/a": lambda p: Near(fitted(p)[0], 1e-4),
    "population/b": lambda p: Near(fitted(p)[1], 1e-4),
    "population/status": lambda p: "ok",
    "population/method": lambda p: "likelihood" if sum(n >= 2 for n in p.n) >= 30 else "moments",
    "population/pass_at_k/*": beyond,
    "population/jensen_bound/*": jensen,
}
"""Pattern under `policies/NAME` → what the figure is; the function sees the policy and what the stars stand for."""
