"""Expected values of what is said of samples without a verdict or an answer, and of strata, as exact sums: see
`coverage_truths`."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from coverage_truths import ANSWERS, BUDGET, Floats, Values, World, binomial, unjudged_share


def of_unjudged(world: World) -> Values:
    p, q, w = world.base, world.tuned, world.weight
    share: dict[str, float] = {}
    low: dict[str, float] = {}
    high: dict[str, float] = {}
    for policy, rate in (("base", p), ("tuned", q)):
        cells = [(d * c, n, x) for n, d in world.depths.items() for x, c in unjudged_share(policy) if n + x]
        seen = sum(chance for chance, _, _ in cells)
        share[policy] = sum(chance * x / (n + x) for chance, n, x in cells) / seen
        low[policy] = sum(chance * n * float(w @ rate) / (n + x) for chance, n, x in cells) / seen
        high[policy] = low[policy] + share[policy]
    yield "unjudged/share_base", share["base"]
    yield "unjudged/share_tuned", share["tuned"]
    yield "unjudged/difference", share["tuned"] - share["base"]
    yield "unjudged/gain_wrong", low["tuned"] - low["base"]
    yield "unjudged/gain_lower", low["tuned"] - high["base"]
    yield "unjudged/gain_upper", high["tuned"] - low["base"]


def of_answering(world: World) -> Values:
    """The parts: one factor of pass@1 changes and the other does not, averaged over which of them changes first."""
    w, some = world.weight, np.array(ANSWERS) >= 0
    before, after = (float(w @ world.traces(policy)[:, some].sum(axis=1)) for policy in ("base", "tuned"))
    first, last = float(w @ world.base) / before, float(w @ world.tuned) / after
    yield "answering/answered", after - before
    yield "answering/right_given_answered", last - first
    yield "answering/from_answering", ((after * first - before * first) + (after * last - before * last)) / 2
    yield (
        "answering/from_being_right",
        ((before * last - before * first) + (after * last - after * first)) / 2,
    )


def of_strata(world: World) -> Values:
    p, q, w = world.base, world.tuned, world.weight

    def row(path: str, shares: Mapping[int, Floats], kept: Callable[[int], int]) -> Values:
        """`shares`: n0 → weight of the types inside; `kept`: of n0 samples, those that the rates rest on."""

        def rate(values: Floats, deep: Callable[[int], bool], paired: float) -> float:
            inside = [weight * paired for n0, weight in shares.items() if deep(n0)]
            return float(sum(weight @ values for weight in inside) / sum(weight.sum() for weight in inside))

        drawn = sum(d for n1, d in world.depths.items() if n1 > 0)
        yield f"{path}/base_pass_1", rate(p, lambda n0: kept(n0) > 0, 1)
        yield f"{path}/base_pass_k", rate(1 - (1 - p) ** BUDGET, lambda n0: kept(n0) >= BUDGET, 1)
        yield f"{path}/tuned_pass_1", rate(q, lambda _: True, drawn)
        yield f"{path}/tuned_pass_k", rate(1 - (1 - q) ** BUDGET, lambda _: True, drawn)
        yield f"{path}/gain", rate(q - p, lambda n0: kept(n0) > 0, drawn)

    yield from row("whole", {n: d * w for n, d in world.depths.items()}, lambda n: n)
    for source, inside in (("easy", world.easy), ("hard", ~world.easy)):
        yield from row(
            f"by_source/{source}", {n: d * w * inside for n, d in world.depths.items()}, lambda n: n
        )
    edges = (("0", -1, 0), ("(0, 1/K]", 0, 1 / BUDGET), ("(1/K, 1/2]", 1 / BUDGET, 0.5), ("(1/2, 1]", 0.5, 1))
    for name, low, high in edges:
        shares = {}
        for n0, d in world.depths.items():
            half = n0 // 2
            if half:
                seen = np.arange(half + 1) / half
                shares[n0] = d * w * binomial(half, p)[:, (seen > low) & (seen <= high)].sum(axis=1)
        yield from row(f"limits/{name}", shares, lambda n: n - n // 2)
