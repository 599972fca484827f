"""The distances: `comparison/alignment` in report.json, from the log-probabilities of each sample under both policies.

Per problem, with p and q the rates of base and tuned, w = p0/π of a tuned sample; docs/metrics.md, "At what distance".
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from statistics import fmean, pvariance, stdev
from typing import Any

from tests import by_definition as defined
from tests.report.contracts.pair import Pair
from tests.report.contracts.rows import Estimate, Mean, Near, Number, Ratio, Row, solved

MIN_HITS, MIN_ESS, MIN_ESS_SHARE = 10, 10, 0.05


Sample = tuple[float, float, bool]
"""ln p0, ln π, whether it is right."""


def logs(rows: list[Row], pair: Pair) -> list[Sample]:
    """Of the judged samples that have both."""
    names = pair.before.name, pair.after.name
    both = [([row["logprobs"].get(name) for name in names], solved(row)) for row in rows]
    return [(held[0], held[1], right) for held, right in both if None not in held]  # pyright: ignore


@dataclass(frozen=True)
class At:
    """One problem; None where something is not defined."""

    n0: int
    c0: int
    q: Number
    k1: Number
    k3: Number
    ess: Number
    ess_right: Number
    rights: int
    p: Number
    source: str
    forward: Number
    forward_se: Number
    k1_se: Number
    reverse: Number
    reverse_right: Number
    noise: float


def ess(weights: list[float]) -> float:
    return sum(weights) ** 2 / sum(w * w for w in weights)


@cache
def _cache() -> dict[int, list[At]]:
    return {}


def problems(pair: Pair) -> list[At]:
    known = _cache()
    if id(pair) not in known:
        before, after = pair.base.judged, pair.tuned.judged
        from_tuned = not any(logs(b, pair) for b in before)
        known[id(pair)] = [at(logs(b, pair), logs(a, pair), len(b), sum(map(solved, b)), from_tuned)
                           for b, a in zip(before, after, strict=True)]  # fmt: skip
    return known[id(pair)]


def at(
    base: list[Sample],
    tuned: list[Sample],
    n0: int,
    c0: int,
    from_tuned: bool,
) -> At:
    n, right = len(tuned), [(p0, pi) for p0, pi, v in tuned if v]
    q = len(right) / n if n else None
    ratios = [pi - p0 for p0, pi, _ in tuned]
    weights = [math.exp(p0 - pi) for p0, pi in right]
    seen = sum(weights) / n if n else None  # the base's rate, by weights
    ess_right = ess(weights) if weights else (0.0 if n else None)
    usable = ess_right is not None and ess_right >= MIN_ESS and ess_right >= MIN_ESS_SHARE * len(right)
    hits = [(p0, pi) for p0, pi, v in base if v]
    correction = noise = 0.0
    if base and (hits or (usable and right)):
        (p, in_p), (q, in_q) = by_both(base, tuned)
        source, correction = "both", (square(in_p, len(base)) - square(in_q, len(base))) / 2
        noise = square([x - y for x, y in zip(in_p, in_q, strict=True)], len(base))
    else:
        p, source = base_rate(n0, c0, seen if usable else None)
    forward = forward_se = None
    if right and source in ("both", "counts", "importance"):
        forward = fmean(pi - p0 for p0, pi in right) - math.log(q or 0) + math.log(p or 0) + correction
        forward_se = error(base, tuned, p or 0, source, n0)
    reverse = fmean(p0 - pi for p0, pi in hits) - math.log(p or 0) if hits else None
    if from_tuned:  # no base sample has both log-probabilities: the right traces of π, weighted
        reverse = None
        if usable:
            total = sum(weights)
            reverse = sum(w / total * (math.log(w) - math.log(total / n)) for w in weights)
    return At(
        n0, c0, q,
        fmean(ratios) if n else None,
        fmean(math.expm1(-r) + r for r in ratios) if n else None,
        ess([math.exp(-r) for r in ratios]) if n else None,
        ess_right, len(right), p, source, forward, forward_se,
        stdev(ratios) / math.sqrt(n) if n > 1 else None,
        reverse,
        reverse + math.log(q) - correction if reverse is not None and q else None,
        noise,
    )  # fmt: skip


def base_rate(n0: int, c0: int, weighted: Number) -> tuple[Number, str]:
    """Where no base sample has both log-probabilities: by counts where the weights let expect 10 hits, or where hits
    are many and far more than they let expect."""
    if weighted is not None:
        weighted = min(weighted, (n0 + 0.5) / (n0 + 1))
    expected = n0 * (weighted or 0)
    counted = (c0 + 0.5) / (n0 + 1)
    if (expected >= MIN_HITS and c0 > 0) or (c0 >= MIN_HITS and c0 > 3 * expected):
        return counted, "counts"
    if weighted is not None:
        return weighted, "importance"
    return (counted, "few_counts") if c0 else (None, "none")


def terms(base: list[Sample], tuned: list[Sample], which: int) -> list[float]:
    """Of each sample of both that is right: p0 (which = 0) or π (1) over n0 p0 + n1 π; else 0."""
    n0, n1 = len(base), len(tuned)
    return [math.exp(logs[which]) / (n0 * math.exp(logs[0]) + n1 * math.exp(logs[1])) if logs[2] else 0.0
            for logs in base + tuned]  # fmt: skip


def by_both(base: list[Sample], tuned: list[Sample]) -> list[tuple[Number, list[float]]]:
    """p and q, every right sample weighed by how often the two policies together were to draw it, and the share of each
    sample in it."""
    found: list[tuple[Number, list[float]]] = []
    for which, top in ((0, (len(base) + 0.5) / (len(base) + 1)), (1, 1.0)):
        x = terms(base, tuned, which)
        some = sum(x) > 0
        found.append((min(sum(x), top), [v / sum(x) for v in x] if some else x))
    return found if tuned else [found[0], (None, found[1][1])]


def square(shares: list[float], of_base: int) -> float:
    """Variance of the logarithm of a sum over the base's and the tuned policy's samples."""
    parts = shares[:of_base], shares[of_base:]
    return sum(len(part) * pvariance(part) for part in parts if part)


def error(base: list[Sample], tuned: list[Sample], p: float, source: str, n0: int) -> float:
    """Delta method by leaving each sample's weight a little larger (the slope of the estimate in every sample);
    where all right samples are one trace, another one, a nat away, of a mass by Laplace's rule."""
    step = 1e-6

    def weighted(which: int, weight: list[list[float]]) -> float:
        """p or q from both, where samples of each policy weigh so much."""
        x, total = terms(base, tuned, which), 0.0
        for part, w in ((x[: len(base)], weight[0]), (x[len(base) :], weight[1])):
            total += sum(a * b for a, b in zip(part, w, strict=True)) * len(w) / sum(w) if w else 0.0
        return total

    def estimate(weight: list[list[float]]) -> float:
        held = [(w, p0, pi) for w, (p0, pi, v) in zip(weight[1], tuned, strict=True) if v]
        rights = sum(w for w, _, _ in held)
        gap = sum(w * (pi - p0) for w, p0, pi in held) / rights
        if source == "both":
            return gap + math.log(weighted(0, weight)) - math.log(weighted(1, weight))
        rate = (
            sum(w * math.exp(p0 - pi) for w, p0, pi in held) / sum(weight[1]) if source == "importance" else p
        )
        return gap - math.log(rights / sum(weight[1])) + math.log(rate)

    ones = [[1.0] * len(base), [1.0] * len(tuned)]
    plain, squares = estimate(ones), (1 - p) / (p * n0) if source == "counts" else 0.0
    gaps = [pi - p0 for p0, pi, v in tuned if v]
    if max(abs(gap - fmean(gaps)) for gap in gaps) <= 1e-3:
        squares += 1 / (len(gaps) + 2) ** 2
    for policy in (0, 1):
        for i in range(len(ones[policy])):
            ones[policy][i] += step
            squares += ((estimate(ones) - plain) / step) ** 2
            ones[policy][i] -= step
    return math.sqrt(squares)


def bernoulli(a: At) -> Number:
    return None if a.p is None or a.q is None else defined.bernoulli_kl(a.q, a.p) - a.q * a.noise / 2


def inside(a: At) -> Number:
    """q KL(π_V‖π*)"""
    if a.q is None:
        return None
    return 0.0 if a.q == 0 else None if a.forward is None else a.q * a.forward


def outside(a: At) -> Number:
    """The rest of the chain rule."""
    b, i = bernoulli(a), inside(a)
    return None if a.k1 is None or b is None or i is None else a.k1 - b - i


def mean(
    of: Callable[[At], Number], error_of: Callable[[At], Number] | None = None
) -> Callable[[Pair], Mean]:
    def found(pair: Pair) -> Mean:
        rows = problems(pair)
        more: dict[str, Any] = {}
        if error_of:
            known = [e for a in rows if (e := error_of(a)) is not None]
            more = {
                "se_fixed": Near(math.sqrt(sum(e * e for e in known)) / len(known), 1e-6) if known else None
            }
        return Mean([of(a) for a in rows], more)

    return found


def efficiency(pair: Pair, given: Any, around: Any) -> Ratio | Estimate:
    """None where the interval of KL(π‖p0), as the report gives it, holds 0."""
    rows = problems(pair)
    found = Ratio([bernoulli(a) for a in rows], [a.k1 for a in rows])
    if (around["kl_pi_p0"]["lo"] or 0) > 0:
        return found
    said = {"value": None, "status": "no_distance", "used": found.used, "excluded": found.excluded}
    return Estimate(said)


def certain(pair: Pair) -> Mean:
    """What certain success costs: ln 1/p."""
    counts = pair.base.counts
    prices = [math.log(n / c) if c else None for n, c in counts]
    return Mean(prices, {"share_base_zero": fmean(c == 0 for n, c in counts if n)})


def frontier(pair: Pair, at: str, key: str) -> float | str:
    """41 temperatures 1/β from 0 to 20: logit q = logit p + 1/β."""
    shift = int(at) / 2
    if key == "beta":
        return 1 / shift if shift else "inf"
    rates = [a.p for a in problems(pair) if a.p is not None]
    moved = [p * math.exp(shift) / (1 - p + p * math.exp(shift)) for p in rates]
    return (
        fmean(moved)
        if key == "q"
        else fmean(defined.bernoulli_kl(q, p) for q, p in zip(moved, rates, strict=True))
    )


def dropped(pair: Pair) -> int:
    return sum(map(len, pair.tuned.judged)) - sampled(pair)


def sampled(pair: Pair) -> int:
    return sum(len(logs(rows, pair)) for rows in pair.tuned.judged)


def moved(pair: Pair, sign: int) -> int:
    known = [(a.q, a.p) for a in problems(pair) if a.q is not None and a.p is not None]
    return sum(sign * (q - p) > 0 for q, p in known)


def low_ess(a: At) -> bool:
    return a.rights > 0 and ((a.ess_right or 0) < MIN_ESS or (a.ess_right or 0) < MIN_ESS_SHARE * a.rights)


DISTANCE: dict[str, Callable[..., Any]] = {
    "status": lambda p: "ok",
    "unit": lambda p: "nats per problem",
    "samples": sampled,
    "samples_without_logprobs": dropped,
    **{
        f"base_rate_from/{name}": (lambda p, name=name: sum(a.source == name for a in problems(p)))
        for name in ("both", "counts", "importance", "few_counts", "none")
    },
    "low_ess": lambda p: sum(map(low_ess, problems(p))),
    "kl_pi_p0": mean(lambda a: a.k1, lambda a: a.k1_se),
    "kl_pi_p0_k3": mean(lambda a: a.k3),
    "kl_verified": mean(lambda a: a.forward, lambda a: a.forward_se),
    "kl_target_pi": mean(lambda a: a.reverse),
    "kl_target_pi_verified": mean(lambda a: a.reverse_right),
    "kl_bernoulli": mean(bernoulli),
    "kl_within_verified": mean(inside),
    "kl_within_unverified": mean(outside),
    "ess": mean(lambda a: a.ess),
    "ess_verified": mean(lambda a: a.ess_right if a.rights else None),
    "improved/up": lambda p: moved(p, 1),
    "improved/down": lambda p: moved(p, -1),
    "frontier/*/*": frontier,
    "certain_success": certain,
}
"""Pattern under `comparison/alignment` → what the figure is."""

SEEN = {"efficiency": efficiency}
"""The same, of figures that rest on an interval which the report gives."""
