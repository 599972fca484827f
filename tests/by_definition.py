"""The quantities of docs/metrics.md a second time: slowly, with whole numbers and fractions, by enumeration where the
project has a closed form. Nothing here knows the project's code."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from itertools import product
from typing import Any

from scipy.stats import beta

Count = tuple[int, int]
"""n samples of a problem, c of them right."""
Maybe = Any
"""A number; None where it is not defined."""
Values = Sequence[Maybe]
"""One for each problem."""


def failure(n: int, c: int, k: int) -> Fraction:
    """All of k samples, drawn from n without putting back, are wrong."""
    return Fraction(math.comb(n - c, k), math.comb(n, k))


def pass_at_k(n: int, c: int, k: int) -> Maybe:
    return 1 - failure(n, c, k) if n > 0 and k <= n else None


def pass_variance(n: int, c: int, k: int) -> Maybe:
    return failure(n, c, k) ** 2 - failure(n, c, 2 * k) if n > 0 and 2 * k <= n else None


def at_least(n: int, c: int, k: int, hits: int) -> Maybe:
    """At least so many of k are right: pass^k with `hits` = k, G-pass@k with ⌈τk⌉."""
    if n == 0 or k > n:
        return None
    ways = sum(math.comb(c, h) * math.comb(n - c, k - h) for h in range(hits, k + 1))
    return Fraction(ways, math.comb(n, k))


def g_pass(n: int, c: int, k: int, tau: Fraction) -> Maybe:
    return at_least(n, c, k, max(1, math.ceil(tau * k)))


def majority(answers: Counter[str], right: str, n: int, k: int) -> Maybe:
    """The most frequent answer of k is the right one; equal ones share the win; who says nothing abstains."""
    if n == 0 or k > n:
        return None
    names, silent, won = list(answers), n - answers.total(), Fraction(0)
    for drawn in product(*(range(min(answers[name], k) + 1) for name in names)):
        if (rest := k - sum(drawn)) < 0 or rest > silent:
            continue
        votes = dict(zip(names, drawn, strict=True))
        most = max(drawn, default=0)
        if most and votes.get(right) == most:
            ways = math.prod(math.comb(answers[name], votes[name]) for name in names)
            won += Fraction(ways * math.comb(silent, rest), drawn.count(most))
    return won / math.comb(n, k)


def diversity(counts: Iterable[int], k: int) -> dict[str, Maybe]:
    """Measures of how many different texts there are, from how often each occurs."""
    counts = [m for m in counts if m]
    n = sum(counts)
    names = ("entropy", "entropy_mm", "distinct", "rarefied", "unseen_mass", "collision", "hill1")
    if not n:
        return dict.fromkeys(names)
    entropy = -sum(m / n * math.log(m / n) for m in counts)
    found = (
        entropy,
        entropy + (len(counts) - 1) / (2 * n),
        float(len(counts)),
        float(sum(1 - failure(n, m, k) for m in counts)) if n >= k else None,
        counts.count(1) / n,
        sum(m * (m - 1) for m in counts) / (n * (n - 1)) if n > 1 else None,
        math.exp(entropy),
    )
    return dict(zip(names, found, strict=True))


def mean(values: Values) -> dict[str, Maybe]:
    """Unweighted over the problems where it is defined, with the standard error over problems, sd/√M."""
    held = [float(x) for x in values if x is not None]
    return {
        "value": statistics.fmean(held) if held else None,
        "se": statistics.stdev(held) / math.sqrt(len(held)) if len(held) > 1 else None,
        "used": len(held),
        "excluded": len(values) - len(held),
    }


def fixed_se(counts: Iterable[Count], k: int) -> Maybe:
    """√Σv̂/M: the error for these very problems; not defined where one of them has fewer than 2k samples."""
    variances = [pass_variance(n, c, k) for n, c in counts if n > 0 and k <= n]
    if not variances or None in variances:
        return None
    return math.sqrt(float(sum(v for v in variances if v is not None))) / len(variances)


def decompose(n0: int, c0: int, n1: int, c1: int, K: int, alpha: float) -> Maybe:
    """The parts of one problem's gain, how far K base samples may reach where n0 had no success, and whether what was
    tuned is certified to lie above that."""
    if n0 < K or n1 == 0:
        return None
    b, t = c0 / n0, c1 / n1
    gain, lost = max(t - b, 0.0), max(b - t, 0.0)
    headroom = max(float(1 - failure(n0, c0, K)) - b, 0.0)
    parts = {"base": b, "tuned": t, "forgetting": lost, "headroom": headroom, "delta": t - b}
    if c0:
        within = min(gain, headroom)
        return parts | {
            "within": within,
            "beyond": gain - within,
            "unresolved": 0.0,
            "expansion": 0.0,
            "certified": 0,
        }
    reach = 1 - (alpha ** (1 / n0)) ** K
    unresolved = min(gain, reach)
    lower = 0.0 if c1 == 0 else float(beta.ppf(alpha, c1, n1 - c1 + 1))
    split = {"within": 0.0, "beyond": 0.0, "unresolved": unresolved, "expansion": gain - unresolved}
    return parts | split | {"certified": int(lower > reach), "reach": reach}


def churn(n: int, c: int, n_other: int) -> Maybe:
    """E (x_A - x_B)⁺ over random disjoint halves of n samples, brought to a comparison of n samples with n_other."""
    if n < 2:
        return None
    half, total = n // 2, Fraction(0)
    for a, b in product(range(half + 1), repeat=2):
        if a > b and a + b <= c and 2 * half - a - b <= n - c:
            ways = math.comb(c, a) * math.comb(n - c, half - a)
            others = math.comb(c - a, b) * math.comb(n - c - half + a, half - b)
            total += Fraction(a - b, half) * ways * others
    expected = total / (math.comb(n, half) * math.comb(n - half, half))
    return float(expected) * math.sqrt((1 / n + 1 / n_other) / (2 / half))


def real_failure(n: int, c: int, k: float) -> float:
    """The same for a real k (Gamma continuation)."""
    if k >= n - c + 1 and c:
        return 0.0
    return math.prod(1 - k / (n - j) for j in range(c))


def root(reached: Callable[[float], bool], lo: float, hi: float) -> float:
    """Where something becomes true between `lo`, where it is not, and `hi`, where it is."""
    for _ in range(80):
        middle = (lo + hi) / 2
        lo, hi = (lo, middle) if reached(middle) else (middle, hi)
    return hi


def k_star(base: Sequence[Count], tuned: Sequence[Count], top: int) -> Maybe:
    """The smallest k at which the base's mean pass@k is the tuned policy's pass@1; None where that is beyond `top`."""
    goal = statistics.fmean(c / n for n, c in tuned)

    def reached(k: float) -> bool:
        return statistics.fmean(1 - real_failure(n, c, k) for n, c in base) >= goal - 1e-13

    return root(reached, 0.0, float(top)) if reached(top) else None


def crossover(base: Sequence[Count], tuned: Sequence[Count], top: int) -> Maybe:
    """The first whole k at which the base is ahead; None where it is not up to `top`."""

    def lead(k: int) -> Fraction:
        return sum((failure(*t, k) - failure(*b, k) for b, t in zip(base, tuned, strict=True)), Fraction(0))

    return next((k for k in range(1, top + 1) if lead(k) > 0), None)


def log_odds(base: Sequence[Count], tuned: Sequence[Count]) -> float:
    """Pooled log odds ratio (Mantel and Haenszel 1959)."""
    both = [(b, t) for b, t in zip(base, tuned, strict=True) if b[0] and t[0]]
    up = sum(t[1] * (b[0] - b[1]) / (b[0] + t[0]) for b, t in both)
    down = sum(b[1] * (t[0] - t[1]) / (b[0] + t[0]) for b, t in both)
    return math.log(up / down)


def bernoulli_kl(q: float, p: float) -> float:
    return sum(a * math.log(a / b) for a, b in ((q, p), (1 - q, 1 - p)) if a)


def sign_flip_p(differences: Sequence[float]) -> float:
    """Share of all sign patterns whose sum is at least as far from 0."""
    goal = abs(sum(differences)) - 1e-12
    patterns = list(product((1, -1), repeat=len(differences)))
    return sum(abs(sum(map(math.prod, zip(p, differences, strict=True)))) >= goal for p in patterns) / len(
        patterns
    )
