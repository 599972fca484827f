"""What the report's figures are on average, as exact sums over a small population of problems with six traces.

Every figure is an average over problems (or a ratio of two) of something that the counts of a problem give, so its
expectation is a sum over all counts of the six traces, times their multinomial probability. The definitions are
written out here again, from docs/metrics.md; nothing of `rlvr.analysis` computes them. Keys are paths in the document
of `coverage_whole.experiment`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import comb, gammaln
from scipy.stats import binom

from rlvr.analysis.noise import Audit

Floats = NDArray[np.float64]

Values = Iterator[tuple[str, Any]]
"""Path and expected value."""

RIGHT, SOUND = [0, 1, 2], [0, 1]
"""Of the six traces; three are right, the third of them with unsound reasoning."""
WRONG = [3, 4, 5]
ANSWERS = (0, 0, 0, 1, 2, -1)
"""Answer of each trace: the right one, two wrong ones, none."""
CREDIT = (1.0, 1.0, 1.0, 0.5, 0.0, 0.0)
LENGTHS = (10, 20, 30, 15, 25, 40)
AMONG = {"base": ((0.5, 0.3, 0.2), (0.5, 0.3, 0.2)), "tuned": ((0.7, 0.25, 0.05), (0.6, 0.3, 0.1))}
"""Policy → how the right traces share the success rate, and the wrong ones the rest."""
EASY = 0.3
"""Problems that the base solves more often are of the source "easy"."""
UNJUDGED = {"base": 0.1, "tuned": 0.25}
MOST_UNJUDGED = 4
"""Each problem has so many further samples at most, each without a verdict at the rate above."""
AUDIT = Audit(wrong=40, false_positives=4, right=200, false_negatives=10)
"""Of the base: the true error rates are these, and a hand audit sees as many samples."""

DEEP, BUDGET, ALPHA = 24, 4, 0.05
KS = (1, 2, 4, 8, 16, 24)
RAREFIED = 8


@dataclass(frozen=True)
class World:
    """Problem types with their success rates, how common they are, and how many samples a problem has."""

    base: Floats
    tuned: Floats
    weight: Floats
    depths: Mapping[int, float]

    def traces(self, policy: str) -> Floats:
        """(types, 6) probabilities of the traces."""
        rate = self.base if policy == "base" else self.tuned
        right, wrong = (np.array(share) for share in AMONG[policy])
        return np.concatenate([rate[:, None] * right, (1 - rate)[:, None] * wrong], axis=1)

    @property
    def easy(self) -> NDArray[np.bool_]:
        return self.base > EASY

    @cached_property
    def counts(self) -> dict[tuple[int, int], Floats]:
        """(n0, n1) → probability of c0 and c1 on a problem of that depth, times the depth's share."""
        found = {}
        for (n0, d0), (n1, d1) in product(self.depths.items(), repeat=2):
            joint = np.einsum("t,ti,tj->ij", self.weight, binomial(n0, self.base), binomial(n1, self.tuned))
            found[n0, n1] = d0 * d1 * joint
        return found


def binomial(n: int, rate: Floats) -> Floats:
    """(types, n + 1)"""
    return binom.pmf(np.arange(n + 1), n, rate[:, None])


@cache
def compositions(n: int, kinds: int) -> NDArray[np.int64]:
    """All ways in which n samples fall on so many kinds, (ways, kinds)."""
    if kinds == 1:
        return np.array([[n]])
    parts = [np.column_stack([np.full(len(rest), first), rest]) for first in range(n + 1)
             for rest in [compositions(n - first, kinds - 1)]]  # fmt: skip
    return np.concatenate(parts)


def probabilities(ways: NDArray[np.int64], chances: Floats) -> Floats:
    """(types, ways) multinomial probabilities."""
    n = ways[0].sum()
    choose = gammaln(n + 1) - gammaln(ways + 1).sum(axis=1)
    return np.exp(choose + np.log(chances) @ ways.T)


@dataclass(frozen=True)
class Mean:
    """Sums over the population of a quantity where it is defined, and of how often it is."""

    total: float
    defined: float

    @property
    def value(self) -> float:
        return self.total / self.defined


def mean(parts: Iterator[tuple[Floats, Floats]]) -> Mean:
    """From (probability, value) pairs; NaN is not defined."""
    total = defined = 0.0
    for chance, value in parts:
        chance, value = np.broadcast_arrays(chance, value)
        known = ~np.isnan(value)
        total += float(np.sum(chance[known] * value[known]))
        defined += float(np.sum(chance[known]))
    return Mean(total, defined)


def over_counts(world: World, of: Callable[..., Floats]) -> Mean:
    """E of(n0, c0, n1, c1)."""

    def parts() -> Iterator[tuple[Floats, Floats]]:
        for (n0, n1), chance in world.counts.items():
            c0, c1 = np.meshgrid(np.arange(n0 + 1.0), np.arange(n1 + 1.0), indexing="ij")
            with np.errstate(invalid="ignore", divide="ignore"):
                yield chance, np.asarray(of(n0, c0, n1, c1), dtype=float)

    return mean(parts())


def over_kinds(world: World, policy: str, kinds: list[list[int]], of: Callable[[Floats], Floats]) -> Mean:
    """E of(counts), where the six traces are lumped into so many kinds; `of` sees (ways, kinds)."""
    chances = np.stack([world.traces(policy)[:, kind].sum(axis=1) for kind in kinds], axis=1)

    def parts() -> Iterator[tuple[Floats, Floats]]:
        for n, share in world.depths.items():
            ways = compositions(n, len(kinds))
            with np.errstate(invalid="ignore", divide="ignore"):
                yield share * (world.weight @ probabilities(ways, chances)), of(ways.astype(float))

    return mean(parts())


def fails(n: float, c: Floats, k: int) -> Floats:
    """C(n-c, k)/C(n, k): all of k drawn samples are wrong; NaN for k > n."""
    return np.asarray(comb(n - c, k) / comb(n, k)) if 0 < k <= n else np.full(np.shape(c), np.nan)


def solves(n: float, c: Floats, k: int) -> Floats:
    return 1 - fails(n, c, k)


# --- One policy ---


def of_policy(world: World, policy: str) -> Values:
    rate = world.base if policy == "base" else world.tuned
    w, chances = world.weight, world.traces(policy)
    yield "mean_score", w @ chances @ np.array(CREDIT)
    yield "tokens", w @ chances @ np.array(LENGTHS)
    sound = rate * sum(AMONG[policy][0][i] for i in SOUND)
    yield "unsound_share", 1 - (w @ sound) / (w @ rate)
    for k in KS:
        yield f"pass_at_k/{k}", w @ (1 - (1 - rate) ** k)
        yield (
            f"answer_pass_at_k/{k}",
            w @ (1 - (1 - rate) ** k),
        )  # unsound reasoning is no part of these scores
        yield f"pass_hat_k/{k}", w @ rate**k
        yield f"cot_pass_at_k/{k}", w @ (1 - (1 - sound) ** k)
        yield f"maj_at_k/{k}", w @ majority(chances, k)
        for tau in (0.5, 0.75):
            need = max(int(np.ceil(tau * k)), 1)
            yield f"g_pass_at_k/{tau}/{k}", w @ binom.sf(need - 1, k, rate)
        for side in ("lower", "upper"):
            yield f"pass_at_k_bounds/{side}/{k}", bound(world, policy, side, k)
    for k in (2 * DEEP, 4 * DEEP, 8 * DEEP):
        yield f"population/pass_at_k/{k}", w @ (1 - (1 - rate) ** k)
    for name, kinds in (("answers", [RIGHT, [3], [4], [5]]), ("correct_traces", [[0], [1], [2], WRONG])):
        for measure, found in varieties(world, policy, kinds).items():
            yield f"diversity/{name}/{measure}", found.value


def majority(chances: Floats, k: int) -> Floats:
    """(types,) P(the right answer has most of k votes), ties at random, samples without an answer abstaining."""
    kinds = np.stack([chances[:, np.array(ANSWERS) == a].sum(axis=1) for a in (0, 1, 2, -1)], axis=1)
    ways = compositions(k, 4)
    right, best = ways[:, 0], ways[:, :3].max(axis=1)
    tied = (ways[:, :3] == best[:, None]).sum(axis=1)
    return probabilities(ways, kinds) @ np.where((right == best) & (best > 0), 1 / tied, 0.0)


def unjudged_share(policy: str) -> list[tuple[int, float]]:
    chance = binom.pmf(np.arange(MOST_UNJUDGED + 1), MOST_UNJUDGED, UNJUDGED[policy])
    return list(enumerate(chance.tolist()))


def bound(world: World, policy: str, side: str, k: int) -> float:
    """pass@k with the samples without a verdict as wrong, or as right."""
    rate = world.base if policy == "base" else world.tuned

    def parts() -> Iterator[tuple[Floats, Floats]]:
        for n, share in world.depths.items():
            for more, chance in unjudged_share(policy):
                c = np.arange(n + 1.0)
                found = solves(n + more, c + more * (side == "upper"), k)
                yield share * chance * (world.weight @ binomial(n, rate)), found

    return mean(parts()).value


def varieties(world: World, policy: str, kinds: list[list[int]]) -> dict[str, Mean]:
    """Diversity measures of the first three kinds; the fourth is not counted."""
    return {
        name: over_kinds(world, policy, kinds, lambda ways, of=of: _variety(of, ways[:, :3]))
        for name, of in MEASURES.items()
    }


def _variety(of: Callable[[Floats, Floats], Floats], m: Floats) -> Floats:
    n = m.sum(axis=1)
    return np.where(n > 0, of(m, n), np.nan)


def _entropy(m: Floats, n: Floats) -> Floats:
    share = m / n[:, None]
    return -np.where(m > 0, share * np.log(np.where(m > 0, share, 1)), 0).sum(axis=1)


def _rarefied(m: Floats, n: Floats) -> Floats:
    some = np.asarray(1 - comb(n[:, None] - m, RAREFIED) / comb(n[:, None], RAREFIED))
    return np.where(n >= RAREFIED, some.sum(axis=1), np.nan)


MEASURES: dict[str, Callable[[Floats, Floats], Floats]] = {
    "entropy": _entropy,
    "entropy_mm": lambda m, n: _entropy(m, n) + ((m > 0).sum(axis=1) - 1) / (2 * n),
    "distinct": lambda m, n: (m > 0).sum(axis=1).astype(float),
    "rarefied": _rarefied,
    "unseen_mass": lambda m, n: (m == 1).sum(axis=1) / n,
    "collision": lambda m, n: np.where(n > 1, (m * (m - 1)).sum(axis=1) / (n * (n - 1)), np.nan),
    "hill1": lambda m, n: np.exp(_entropy(m, n)),
}


# --- Base against tuned ---


def of_pair(world: World, problems: int) -> Values:
    p, q, w = world.base, world.tuned, world.weight
    score = [world.traces(policy) @ np.array(CREDIT) for policy in ("base", "tuned")]
    yield "mean_score", w @ (score[1] - score[0])
    own = {policy: dict(of_policy(world, policy)) for policy in ("base", "tuned")}
    for series in ("pass_at_k", "answer_pass_at_k", "pass_hat_k", "cot_pass_at_k", "maj_at_k"):
        for k in KS:
            name = "difference" if series == "pass_at_k" else series
            yield f"{name}/{k}", own["tuned"][f"{series}/{k}"] - own["base"][f"{series}/{k}"]
    yield "gain", w @ (q - p)
    yield from _roots(p, q, w)
    yield from _kinds(world, problems)
    yield from _variety_changes(world)
    up = over_counts(world, lambda n0, c0, n1, c1: c1 * (n0 - c0) / max(n0 + n1, 1)).total
    down = over_counts(world, lambda n0, c0, n1, c1: c0 * (n1 - c1) / max(n0 + n1, 1)).total
    yield "evidence/pooled", np.log(up / down)
    yield "noise/corrected_pass_1/base", (w @ p - AUDIT.fpr) / (1 - AUDIT.fpr - AUDIT.fnr)


def _roots(p: Floats, q: Floats, w: Floats) -> Values:
    """k* by bisection on a power of 1-p, the crossover by trying every k."""

    def base(k: float) -> float:
        return float(w @ (1 - (1 - p) ** k))

    low, high = 0.0, float(DEEP)
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if base(middle) < w @ q else (low, middle)
    yield "k_star", high if base(DEEP) >= w @ q else np.inf
    ahead = [k for k in range(1, DEEP + 1) if base(k) > w @ (1 - (1 - q) ** k)]
    yield "crossover", float(ahead[0]) if ahead else np.inf


def _kinds(world: World, problems: int) -> Values:
    """The parts of the gain, their ratios, coverage at K. α is shared by the problems that the base did not solve, of
    which there are as many as are expected."""

    def unsolved(n0: int, c0: Floats, n1: int, c1: Floats) -> Floats:
        return np.where((c0 == 0) & (n0 >= BUDGET) & (n1 > 0), 1.0, 0.0)

    alpha = ALPHA / max(1.0, problems * over_counts(world, unsolved).value)

    def part(name: str) -> Callable[..., Floats]:
        def of(n0: int, c0: Floats, n1: int, c1: Floats) -> Floats:
            if n0 < BUDGET or n1 == 0:
                return np.full(c0.shape, np.nan)
            b, t = c0 / n0, c1 / n1
            gain, zero = np.maximum(t - b, 0), c0 == 0
            headroom, reach = solves(n0, c0, BUDGET) - b, 1 - alpha ** (BUDGET / n0)
            within = np.where(zero, 0, np.minimum(gain, headroom))
            unresolved = np.where(zero, np.minimum(gain, reach), 0)
            found = {
                "within": within,
                "beyond": np.where(zero, 0, gain - within),
                "unresolved": unresolved,
                "expansion": np.where(zero, gain - unresolved, 0),
                "forgetting": np.maximum(b - t, 0),
                "headroom": headroom,
                "delta": t - b,
                "churn_floor": _churn(n0, c0) * np.sqrt((1 / n0 + 1 / n1) / (2 / (n0 // 2))),
                "gap": solves(n0, c0, BUDGET) - t,
            }
            return found[name]

        return of

    v = {
        name: over_counts(world, part(name)).value
        for name in (
            *("within", "beyond", "unresolved", "expansion", "forgetting"),
            *("headroom", "delta", "churn_floor", "gap"),
        )
    }
    v["compression_low"] = v["within"] + v["beyond"]
    v["compression_high"] = v["compression_low"] + v["unresolved"]
    v["expansion_high"] = v["expansion"] + v["unresolved"]
    yield "efficiency_gap", v.pop("gap")
    yield "ratio_gross", v["within"] / v["headroom"]
    yield "ratio_net", v["delta"] / v["headroom"]
    yield from ((f"compression/{name}", value) for name, value in v.items())

    def change(n0: int, c0: Floats, n1: int, c1: Floats) -> Floats:
        return solves(n0, c0, BUDGET) - solves(n1, c1, BUDGET)

    yield "coverage/loss", over_counts(world, lambda *c: np.maximum(change(*c), 0)).value
    yield "coverage/gain", over_counts(world, lambda *c: np.maximum(-change(*c), 0)).value
    yield "coverage/net", over_counts(world, change).value


def _churn(n: int, c: Floats) -> Floats:
    """E (x_A - x_B)⁺ over halves of n samples, an even number, of which c are right; by trying every split."""
    half, value = n // 2, np.zeros(c.shape)
    for a in range(half + 1):
        inside = (c >= a) & (c - a <= half)
        chance = np.where(inside, comb(c, a) * comb(n - c, half - a) / comb(n, half), 0)
        value += chance * np.maximum(a - (c - a), 0) / half
    return value


def _variety_changes(world: World) -> Values:
    """Tuned minus base where both are defined; depths are independent of the problem, definedness may not be."""
    for name, kinds in (("answers", [RIGHT, [3], [4], [5]]), ("correct_traces", [[0], [1], [2], WRONG])):
        for measure, of in MEASURES.items():
            sums = []
            for policy in ("base", "tuned"):
                chances = np.stack([world.traces(policy)[:, kind].sum(axis=1) for kind in kinds], axis=1)
                total, defined = np.zeros(len(world.weight)), np.zeros(len(world.weight))
                for n, share in world.depths.items():
                    ways = compositions(n, 4).astype(float)
                    with np.errstate(invalid="ignore", divide="ignore"):
                        value = _variety(of, ways[:, :3])
                    known, chance = ~np.isnan(value), probabilities(compositions(n, 4), chances)
                    total += share * chance[:, known] @ value[known]
                    defined += share * chance[:, known].sum(axis=1)
                sums.append((total, defined))
            (before, seen0), (after, seen1) = sums
            both = world.weight @ (seen0 * seen1)
            yield f"diversity/{name}/{measure}", world.weight @ (after * seen0 - before * seen1) / both


def truths(world: World, problems: int) -> dict[str, float]:
    """Every path that has an exact value, of evaluations of so many problems; those of distances and strata are in
    modules of their own."""
    from coverage_distances import of_distance
    from coverage_strata import of_answering, of_strata, of_unjudged

    found = {f"{policy}/{key}": v for policy in ("base", "tuned") for key, v in of_policy(world, policy)}
    found |= {f"comparison/{key}": v for key, v in of_pair(world, problems)}
    found |= {f"comparison/{key}": v for of in (of_unjudged, of_answering, of_strata) for key, v in of(world)}
    return found | {f"comparison/alignment/{key}": v for key, v in of_distance(world)}
