"""Expected values of the distances, as exact sums over the counts of the traces: see `coverage_truths`.

Estimates from few samples are biased (ln of a rate, the choice where the base's rate comes from): the sums are those of
the estimates as docs/metrics.md defines them, so that an interval is held against what it is an interval of.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from coverage_truths import RIGHT, WRONG, Floats, World, binomial, compositions, probabilities

from rlvr.analysis.samples import Bools

MIN_HITS, MIN_ESS, MIN_ESS_SHARE = 10, 10, 0.05


def _kl(a: Floats, b: Floats) -> Floats:
    """kl of two rates, elementwise; 0 ln 0 = 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        up = np.where(a > 0, a * np.log(a / b), 0)
        return up + np.where(a < 1, (1 - a) * np.log((1 - a) / (1 - b)), 0)


class Sums:
    """Totals by name, each with how often it is defined."""

    def __init__(self) -> None:
        self.total: dict[str, float] = {}
        self.defined: dict[str, float] = {}

    def add(self, name: str, chance: Floats, value: Floats) -> None:
        chance, value = np.broadcast_arrays(chance, value)
        known = ~np.isnan(value)
        self.total[name] = self.total.get(name, 0) + float(np.sum(chance[known] * value[known]))
        self.defined[name] = self.defined.get(name, 0) + float(np.sum(chance[known]))

    def mean(self, name: str) -> float:
        return self.total[name] / self.defined[name]


def of_distance(world: World) -> Iterator[tuple[str, float]]:
    sums = Sums()
    base, tuned = world.traces("base"), world.traces("tuned")
    for t, weight in enumerate(world.weight):
        log_ratio = np.log(tuned[t]) - np.log(base[t])
        sums.add("kl_pi_p0", weight, tuned[t] @ log_ratio)  # both estimators are unbiased
        sums.add("kl_pi_p0_k3", weight, tuned[t] @ log_ratio)
        for n1, d1 in world.depths.items():
            if n1:
                _weights(sums, weight * d1, n1, tuned[t], log_ratio)
                _from_tuned(sums, weight * d1, world, t, n1, tuned[t], log_ratio)
        _from_base(sums, world, t, weight)
    for name in sums.total:
        if name not in ("spent", "needed"):
            yield name, sums.mean(name)
    yield "efficiency", sums.total["needed"] / sums.total["spent"]


def _ess(m: Floats, w: Floats) -> Floats:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(m.sum(axis=1) > 0, (m @ w) ** 2 / (m @ w**2), np.nan)


def _weights(sums: Sums, weight: float, n: int, chances: Floats, log_ratio: Floats) -> None:
    """Effective sample sizes: of all six traces, and of the right ones among the rest."""
    ways, w = compositions(n, 6), np.exp(-log_ratio)
    sums.add("ess", weight * probabilities(ways, chances[None])[0], _ess(ways.astype(float), w))
    ways, lumped = compositions(n, 4), np.append(chances[RIGHT], chances[WRONG].sum())
    sums.add(
        "ess_verified", weight * probabilities(ways, lumped[None])[0], _ess(ways[:, :3].astype(float), w[:3])
    )


def _from_tuned(
    sums: Sums, weight: float, world: World, t: int, n1: int, chances: Floats, log_ratio: Floats
) -> None:
    """KL(π_V‖π*), kl(q‖p) and the rest of the chain rule, over the tuned right traces and the base's hits."""
    ways = compositions(n1, 4)
    chance = probabilities(ways, np.append(chances[RIGHT], chances[WRONG].sum())[None])[0]
    m = ways[:, :3].astype(float)
    c1 = m.sum(axis=1)
    w = np.exp(-log_ratio[:3])
    ess = np.nan_to_num(_ess(m, w))
    usable = (ess >= MIN_ESS) & (ess >= MIN_ESS_SHARE * c1)
    q = c1 / n1
    with np.errstate(divide="ignore", invalid="ignore"):
        gap = m @ log_ratio[:3] / c1
    wrong = chances[WRONG] @ log_ratio[WRONG] / chances[WRONG].sum()
    k1 = (m @ log_ratio[:3] + (n1 - c1) * wrong) / n1  # given the right ones
    for n0, d0 in world.depths.items():
        for c0, hit in enumerate(binomial(n0, world.base[t : t + 1])[0]):
            share = weight * d0 * hit * chance
            p, trusted = _base_rate(m @ w / n1, usable, n0, c0)
            with np.errstate(divide="ignore", invalid="ignore"):
                forward = np.where(trusted & (c1 > 0), gap - np.log(q / p), np.nan)
            bernoulli = np.where(np.isnan(p), np.nan, _kl(q, np.where(np.isnan(p), 0.5, p)))
            inside = np.where(c1 > 0, q * forward, 0.0)
            sums.add("kl_verified", share, forward)
            sums.add("kl_bernoulli", share, bernoulli)
            sums.add("kl_within_verified", share, inside)
            sums.add("kl_within_unverified", share, k1 - bernoulli - inside)
            sums.add("needed", share, bernoulli)
            sums.add("spent", share, np.where(np.isnan(bernoulli), np.nan, k1))
            if c0:
                price = _reverse_gap(world, t) - np.log(c0 / n0)
                with np.errstate(divide="ignore"):
                    sums.add("kl_target_pi_verified", share, np.where(c1 > 0, price + np.log(q), np.nan))


def _base_rate(weighted: Floats, usable: Bools, n0: int, c0: int) -> tuple[Floats, Bools]:
    """(p, whether it is trusted): counts where many hits are expected, else weights, else few counts."""
    counted = (c0 + 0.5) / (n0 + 1)
    weighted = np.minimum(weighted, (n0 + 0.5) / (n0 + 1))
    expected = np.where(usable, n0 * weighted, 0)
    by_counts = (usable & (expected >= MIN_HITS) & (c0 > 0)) | ((c0 >= MIN_HITS) & (c0 > 3 * expected))
    few = counted if c0 > 0 else np.nan
    return np.where(by_counts, counted, np.where(usable, weighted, few)), by_counts | usable


def _reverse_gap(world: World, t: int) -> float:
    """E_π*[ln p0 - ln π]: the base's right traces are draws of π*."""
    base, tuned = (world.traces(policy)[t, RIGHT] for policy in ("base", "tuned"))
    return float(base / base.sum() @ np.log(base / tuned))


def _from_base(sums: Sums, world: World, t: int, weight: float) -> None:
    for n0, d0 in world.depths.items():
        if n0:
            hits = np.arange(1, n0 + 1)
            chance = weight * d0 * binomial(n0, world.base[t : t + 1])[0, 1:]
            sums.add("kl_target_pi", chance, _reverse_gap(world, t) - np.log(hits / n0))
            sums.add("certain_success", chance, -np.log(hits / n0))
