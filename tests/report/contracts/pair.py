"""The figures of two policies on their shared problems: `comparison` in report.json."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import NormalDist, fmean, stdev
from typing import Any

import numpy as np

from tests import by_definition as defined
from tests.report.contracts import policy as one
from tests.report.contracts.rows import (
    Estimate,
    Holds,
    Mean,
    Near,
    Number,
    Policy,
    Ratio,
    answered,
    change,
    difference,
    solved,
)

ALPHA = 0.05
Z = NormalDist().inv_cdf(0.975)
Audit = dict[str, int]


@dataclass(frozen=True)
class Pair:
    before: Policy
    after: Policy
    replicates: int
    seed: int
    audits: dict[str, Audit]
    adjusted: bool = False
    """Its p-value is Holm-adjusted, as the only one of its report."""

    @cached_property
    def ids(self) -> list[str]:
        return [i for i in self.before.problems if i in self.after.problems]

    @cached_property
    def base(self) -> Policy:
        return self.before.of(self.ids)

    @cached_property
    def tuned(self) -> Policy:
        return self.after.of(self.ids)

    @property
    def counts(self) -> list[tuple[int, int, int, int]]:
        """(n0, c0, n1, c1)"""
        return [(*a, *b) for a, b in zip(self.base.counts, self.tuned.counts, strict=True)]

    @property
    def top(self) -> int:
        return min(self.base.usual, self.tuned.usual)

    @cached_property
    def budget(self) -> int:
        usual = self.base.usual
        return max(1, min(4, usual), usual // 16)


# --- Differences ---


def moves(pair: Pair, k: int) -> list[Number]:
    return difference(one.curve(pair.base, k), one.curve(pair.tuned, k))


def paired(pair: Pair, k: str) -> Mean:
    size = int(k)
    both = [c for c in pair.counts if c[0] >= size and c[2] >= size]
    before, after = ([c[:2] for c in both], [c[2:] for c in both])
    errors = [defined.fixed_se(before, size), defined.fixed_se(after, size)]
    ses = [Mean([one.pass_at(n, c, size) for n, c in side]).se for side in (before, after)]
    return change(one.curve(pair.base, size), one.curve(pair.tuned, size), {
        "p_signflip": p_value(pair, size),
        "se_unpaired": math.hypot(*[se or 0 for se in ses]),
        "se_fixed": None if None in errors else math.hypot(*[e or 0 for e in errors]),
    })  # fmt: skip


def p_value(pair: Pair, k: int) -> Near:
    """Two-sided, by flipping the signs of the differences at random; here with other random numbers."""
    some = np.array([d for d in moves(pair, k) if d])
    flips = np.random.default_rng(1).choice([-1.0, 1.0], size=(40_000, len(some))) @ some
    p = float(np.mean(np.abs(flips) >= abs(some.sum()) - 1e-9))
    return Near(p, 5 * math.sqrt(max(p, 1e-3) / 40_000))


def gain(pair: Pair) -> Mean:
    found = paired(pair, "1")
    return Mean(found.values, found.more | ({"p_holm": found.more["p_signflip"]} if pair.adjusted else {}))


def reading(name: str) -> Callable[[Pair, str], Mean]:
    of = {
        "pass_hat_k": one.pass_hat, "maj_at_k": one.maj, "cot_pass_at_k": one.cot, "answer_pass_at_k": one.answers_at,
    }[name]  # fmt: skip
    return lambda pair, k: change(of(pair.base, int(k)), of(pair.tuned, int(k)))


def varieties(pair: Pair, what: str, measure: str) -> Mean:
    return Mean(difference(*[one.variety(x, what, measure) for x in (pair.base, pair.tuned)]))


# --- Where curves meet ---


def deep(pair: Pair) -> list[tuple[int, int, int, int]]:
    return [c for c in pair.counts if min(c[0], c[2]) >= pair.top]


def drawn_again(pair: Pair, meet: Callable[[list[tuple[int, int, int, int]]], float | None]) -> list[float]:
    """The root on 50 sets of as many problems, drawn from the deep ones; infinite where there is none."""
    rng, rows = random.Random(0), deep(pair)
    found = [meet([rng.choice(rows) for _ in rows]) for _ in range(50)]
    return [math.inf if x is None else x for x in found]


def share(roots: list[float]) -> Near:
    """Of the draws without a root."""
    p = sum(map(math.isinf, roots)) / len(roots)
    return Near(p, 5 * math.sqrt(max(p * (1 - p), 0.01) * (2 / len(roots))))


Rows = Sequence[tuple[int, int, int, int]]


def sides(rows: Rows) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    return [(n0, c0) for n0, c0, _, _ in rows], [(n1, c1) for _, _, n1, c1 in rows]


def k_star_of(rows: Rows) -> float | None:
    return defined.k_star(*sides(rows), min(n0 for n0, *_ in rows))


def k_star(pair: Pair) -> Estimate:
    rows = deep(pair)
    value, status, bound = k_star_of(rows), trusted(len(rows)), None
    if not any(c1 for *_, c1 in rows):
        value = 0.0
    elif value is None:
        status, bound = "censored_right", min(n0 for n0, *_ in rows)
    return Estimate({
        "value": value, "log2": None if not value else math.log2(value), "status": status, "bound": bound,
        "used": len(rows), "excluded": len(pair.ids) - len(rows),
        "share_censored": share(drawn_again(pair, k_star_of)),
    })  # fmt: skip


def trusted(problems: int) -> str:
    """Of an interval over so many problems."""
    return "ok" if problems >= 20 else "few_problems" if problems else "no_data"


def crossover_of(rows: Rows) -> int | None:
    return defined.crossover(*sides(rows), min(min(n0, n1) for n0, _, n1, _ in rows))


def crossover(pair: Pair) -> Estimate:
    rows, whole = deep(pair), crossover_of(deep(pair))

    def behind(k: float) -> bool:
        return (
            fmean(
                defined.real_failure(n0, c0, k) - defined.real_failure(n1, c1, k) for n0, c0, n1, c1 in rows
            )
            < 0
        )

    said: dict[str, Any] = {"status": trusted(len(rows)), "bound": None, "k_real": None}
    if whole is None:
        said |= {"status": "censored_right", "bound": min(min(n0, n1) for n0, _, n1, _ in rows)}
    elif whole == 1:
        said["status"] = "base_ahead_at_1"
    else:
        said["k_real"] = Near(defined.root(behind, whole - 1, whole), 1e-6)
    return Estimate({
        **said, "value": whole, "used": len(rows), "excluded": len(pair.ids) - len(rows),
        "share_censored": share(drawn_again(pair, crossover_of)),
        "first_significant": Holds(lambda k: surely_behind(rows, k)),
    })  # fmt: skip


def surely_behind(rows: list[tuple[int, int, int, int]], first: int | None) -> bool:
    """The normal upper end lies below 0 at `first`, and at no smaller k, up to 0.4 standard errors."""

    def ends(k: int) -> tuple[float, float]:
        d = [float(defined.failure(n0, c0, k) - defined.failure(n1, c1, k)) for n0, c0, n1, c1 in rows]
        se = stdev(d) / math.sqrt(len(d))
        return fmean(d) + (Z - 0.4) * se, fmean(d) + (Z + 0.4) * se

    top = min(min(n0, n1) for n0, _, n1, _ in rows)
    if first is None:
        return all(ends(k)[1] > 0 for k in range(1, top + 1))
    return ends(first)[0] < 0 and all(ends(k)[1] > 0 for k in range(1, first))


# --- Of which kind the gain is ---


def level(pair: Pair) -> float:
    """α, shared among the problems that the base never solved."""
    return ALPHA / max(zeros(pair), 1)


def parts(n0: int, c0: int, n1: int, c1: int, K: int, level: float) -> dict[str, float] | None:
    """docs/metrics.md, "Of which kind is the gain", and sums of the parts; None where the problem is not used."""
    found = defined.decompose(n0, c0, n1, c1, K, level) if n0 >= 2 else None
    return found and found | {
        "gap": found["base"] + found["headroom"] - found["tuned"],
        "compression_low": found["within"] + found["beyond"],
        "compression_high": found["within"] + found["beyond"] + found["unresolved"],
        "expansion_high": found["expansion"] + found["unresolved"],
        "churn_floor": defined.churn(n0, c0, n1),
    }


def part(pair: Pair, name: str) -> list[Number]:
    found = [parts(*counts, pair.budget, level(pair)) for counts in pair.counts]
    return [None if p is None else p[name] for p in found]


def used(pair: Pair) -> list[tuple[str, tuple[int, int, int, int]]]:
    rows = zip(pair.ids, pair.counts, strict=True)
    return [(i, c) for i, c in rows if c[0] >= max(pair.budget, 2) and c[2] > 0]


def zeros(pair: Pair) -> int:
    return sum(c[1] == 0 for _, c in used(pair))


def certified(pair: Pair) -> list[str]:
    found = [(i, defined.decompose(*counts, pair.budget, level(pair))) for i, counts in used(pair)]
    return [i for i, parts in found if parts.get("certified")]


def lost(pair: Pair) -> list[Number]:
    """pass@K of the base minus the tuned policy's."""
    return [None if d is None else -d for d in moves(pair, pair.budget)]


def flipped(pair: Pair, way: int) -> dict[int, str]:
    """Of problems with one sample before and after, those that went from wrong to right (1) or back (-1)."""
    rows = zip(pair.ids, pair.counts, strict=True)
    return dict(enumerate(i for i, (n0, c0, n1, c1) in rows if n0 == n1 == 1 and c1 - c0 == way))


def mcnemar(pair: Pair) -> float:
    """Twice the smaller tail of a fair coin over the problems that flipped, at most 1."""
    up, down = len(flipped(pair, 1)), len(flipped(pair, -1))
    ways = sum(math.comb(up + down, j) for j in range(min(up, down) + 1))
    return min(1.0, 2 * ways / 2 ** (up + down))


def positive(values: Sequence[Number], sign: int = 1) -> list[Number]:
    return [None if x is None else max(sign * x, 0.0) for x in values]


def solved_by(pair: Pair, before: bool, after: bool) -> int:
    drawn = [c for c in pair.counts if c[0] and c[2]]
    return sum((c0 > 0) == before and (c1 > 0) == after for _, c0, _, c1 in drawn)


PARTS = (
    *("within", "beyond", "unresolved", "expansion", "forgetting", "headroom", "compression_low"),
    *("compression_high", "expansion_high", "delta", "churn_floor"),
)

PAIR: dict[str, Callable[..., Any]] = {
    "base": lambda p: p.before.name,
    "tuned": lambda p: p.after.name,
    "n_problems": lambda p: len(p.ids),
    "only_base": lambda p: len(p.before.problems.keys() - p.after.problems.keys()),
    "only_tuned": lambda p: len(p.after.problems.keys() - p.before.problems.keys()),
    "replicates": lambda p: p.replicates,
    "seed": lambda p: p.seed,
    "gain": gain,
    "mean_score": lambda p: change(one.scores(p.base), one.scores(p.tuned)),
    "answers_differ": lambda p: any(
        sum(map(answered, rows)) != sum(map(solved, rows)) for x in (p.base, p.tuned) for rows in x.judged
    ),
    "difference/1": gain,
    "difference/*": paired,
    "p_signflip/*": lambda p, k: p_value(p, int(k)),
    **{
        f"{name}/*": reading(name) for name in ("answer_pass_at_k", "cot_pass_at_k", "pass_hat_k", "maj_at_k")
    },
    "diversity/*/status": lambda p, what: "ok",
    "diversity/*/rarefied_k": lambda p, what: one.RAREFIED,
    "diversity/*/*": varieties,
    "k_star": k_star,
    "crossover": crossover,
    **{f"compression/{name}": (lambda p, name=name: Mean(part(p, name))) for name in PARTS},
    "compression/search_budget": lambda p: p.budget,
    "compression/alpha": lambda p: ALPHA,
    "compression/n_base": lambda p: min(c[0] for _, c in used(p)),
    "compression/expansion_can_be_shown": lambda p: min(c[0] for _, c in used(p)) >= 16 * p.budget,
    "compression/residual": lambda p: 0.0,
    "compression/base_zero": zeros,
    "compression/reach": lambda p: max(1 - level(p) ** (p.budget / c[0]) for _, c in used(p)),
    "compression/certified_simultaneous/count": lambda p: len(certified(p)),
    "compression/certified_simultaneous/alpha_per_problem": level,
    "compression/certified_simultaneous/problems/*": lambda p, at: dict(enumerate(certified(p))).get(int(at)),
    "compression/certified_simultaneous/answered_by_base": lambda p: sum(
        any(map(answered, p.base.problems[i])) for i in certified(p)
    ),
    "ratio_gross": lambda p: Ratio(part(p, "within"), part(p, "headroom")),
    "ratio_net": lambda p: Ratio(part(p, "delta"), part(p, "headroom")),
    "efficiency_gap": lambda p: Mean(part(p, "gap")),
    "flips/to_right/*": lambda p, at: flipped(p, 1).get(int(at)),
    "flips/to_wrong/*": lambda p, at: flipped(p, -1).get(int(at)),
    "flips/p_exact": mcnemar,
    "coverage/search_budget": lambda p: p.budget,
    "coverage/loss": lambda p: Mean(positive(lost(p))),
    "coverage/gain": lambda p: Mean(positive(lost(p), -1)),
    "coverage/net": lambda p: Mean(lost(p)),
    "coverage/solved/both": lambda p: solved_by(p, True, True),
    "coverage/solved/base_only": lambda p: solved_by(p, True, False),
    "coverage/solved/tuned_only": lambda p: solved_by(p, False, True),
    "coverage/solved/neither": lambda p: solved_by(p, False, False),
}
"""Pattern under `comparison` → what the figure is."""
