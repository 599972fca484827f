"""The tables of strata: `comparison/limits`, `whole` and `by_source` in report.json."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.report.contracts import policy as one
from tests.report.contracts.pair import Pair, certified
from tests.report.contracts.rows import Mean, Number, Policy, difference

Sets = Callable[[Pair], list[tuple[str, list[bool], list[tuple[int, int]]]]]


def first_halves(pair: Pair) -> list[tuple[int, int]]:
    """(samples, right ones) of the half of the base's samples that defines the strata, drawn as the seed has it."""
    n, c = (np.array(x) for x in (pair.base.n, pair.base.c))
    half = n // 2
    right = np.random.default_rng(pair.seed).hypergeometric(c, n - c, half)
    return list(zip(half.tolist(), right.tolist(), strict=True))


def strata(pair: Pair) -> list[tuple[str, list[bool], list[tuple[int, int]]]]:
    """(name, which problems, the base's counts to score them on)"""
    halves = first_halves(pair)
    rest = [(n - h, c - r) for (n, c), (h, r) in zip(pair.base.counts, halves, strict=True)]
    found = []
    for name, low, high in (
        ("0", -1, 0), ("(0, 1/K]", 0, 1 / pair.budget), ("(1/K, 1/2]", 1 / pair.budget, 0.5), ("(1/2, 1]", 0.5, 1),
    ):  # fmt: skip
        found.append((name, [h > 0 and low < r / h <= high for h, r in halves], rest))
    return found


def by_source(pair: Pair) -> list[tuple[str, list[bool], list[tuple[int, int]]]]:
    of = [rows[0]["source"] for rows in pair.base.problems.values()]
    return [(name, [x == name for x in of], pair.base.counts) for name in dict.fromkeys(of)]


def by_column(column: str) -> Sets:
    """Problems by what their rows say under a key."""

    def sets(pair: Pair) -> list[tuple[str, list[bool], list[tuple[int, int]]]]:
        of = [str(rows[0][column]) for rows in pair.base.problems.values()]
        return [(name, [x == name for x in of], pair.base.counts) for name in sorted(set(of))]

    return sets


def whole(pair: Pair) -> list[tuple[str, list[bool], list[tuple[int, int]]]]:
    return [("all", [True] * len(pair.ids), pair.base.counts)]


def stratum(sets: Sets, key: str) -> Callable[..., Any]:
    def of(pair: Pair, at: str = "0") -> Any:
        name, inside, base = sets(pair)[int(at)]
        rows = [
            (b, t, i) for b, t, i, held in zip(base, pair.tuned.counts, pair.ids, inside, strict=True) if held
        ]
        columns = {
            "base_pass_1": [one.pass_at(*b, 1) for b, _, _ in rows],
            "base_pass_k": [one.pass_at(*b, pair.budget) for b, _, _ in rows],
            "tuned_pass_1": [one.pass_at(*t, 1) for _, t, _ in rows],
            "tuned_pass_k": [one.pass_at(*t, pair.budget) for _, t, _ in rows],
        }
        columns["gain"] = difference(columns["base_pass_1"], columns["tuned_pass_1"])
        if key in columns:
            return Mean(columns[key])
        defined = [
            any(held for _, held, _ in [(n, ins[j], b) for n, ins, b in sets(pair)]) for j in range(len(base))
        ]
        total = sum(
            d for d, some in zip(
                difference([one.pass_at(*b, 1) for b in base], one.curve(pair.tuned, 1)), defined, strict=True
            ) if d is not None and some
        )  # fmt: skip
        samples, hits = sum(n for (n, _), _, _ in rows), sum(c for (_, c), _, _ in rows)
        own = pair.tuned.of([i for _, _, i in rows])
        return {
            "stratum": name,
            "problems": len(rows),
            "share_of_gain": sum(d for d in columns["gain"] if d is not None) / total,
            "certified": len(set(certified(pair)) & {i for _, _, i in rows}),
            "unsound_share": unsound(own),
            "samples_to_first_hit": samples / hits if hits else None,
        }[key]

    return of


def unsound(policy: Policy) -> Number:
    found = one.unsound_share(policy)
    return found.value if sum(b for _, b in found.pairs) else None


ROW = (
    *("base_pass_1", "base_pass_k", "tuned_pass_1", "tuned_pass_k", "gain"),
    *("stratum", "problems", "share_of_gain", "certified", "unsound_share", "samples_to_first_hit"),
)
STRATA: dict[str, Callable[..., Any]] = {
    **{f"limits/*/{key}": stratum(strata, key) for key in ROW},
    **{f"by_source/*/{key}": stratum(by_source, key) for key in ROW},
    **{f"whole/{key}": stratum(whole, key) for key in ROW},
}
"""Pattern under `comparison` → what the figure is."""
BREAKDOWN: dict[str, Callable[..., Any]] = {
    f"*/*/{key}": lambda pair, column, at, key=key: stratum(by_column(column), key)(pair, at) for key in ROW
}
"""The same under `breakdown`."""
