"""Expected values of the distances, as exact sums over the counts of the traces: see `coverage_truths`.

Estimates from few samples are biased (ln of a rate, the choice where the base's rate comes from): the sums are those of
the estimates as docs/metrics.md defines them, so that an interval is held against what it is an interval of.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from coverage_truths import RIGHT, WRONG, Floats, World, binomial, compositions, probabilities

MIN_ESS, MIN_ESS_SHARE = 10, 0.05


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


def _likely(n: int, chances: Floats) -> tuple[Floats, Floats]:
    """Counts of the three right traces among n samples, (ways, 3), and their probabilities; those below 1e-10, of
    which all together have less than 1e-6, are left out."""
    ways = compositions(n, 4)
    chance = probabilities(ways, np.append(chances[RIGHT], chances[WRONG].sum())[None])[0]
    return ways[chance > 1e-10, :3].astype(float), chance[chance > 1e-10]


def _from_tuned(
    sums: Sums, weight: float, world: World, t: int, n1: int, chances: Floats, log_ratio: Floats
) -> None:
    """KL(π_V‖π*), kl(q‖p) and the rest of the chain rule, over the right traces that both policies draw."""
    m, chance = _likely(n1, chances)
    c1 = m.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        gap = m @ log_ratio[:3] / c1
    wrong = chances[WRONG] @ log_ratio[WRONG] / chances[WRONG].sum()
    k1 = (m @ log_ratio[:3] + (n1 - c1) * wrong) / n1  # given the right ones
    for n0, d0 in world.depths.items():
        drawn, hit = _likely(n0, world.traces("base")[t])
        share = weight * d0 * hit[:, None] * chance
        p, q, bias, noise = _rates(drawn, n0, m, n1, log_ratio[:3])
        with np.errstate(divide="ignore", invalid="ignore"):
            forward = np.where(c1 > 0, gap - np.log(q / p) - bias, np.nan)
        bernoulli = np.where(np.isnan(p), np.nan, _kl(q, np.where(np.isnan(p), 0.5, p)) - q * noise / 2)
        inside = np.where(c1 > 0, q * forward, np.where(q > 0, np.nan, 0.0))
        sums.add("kl_verified", share, forward)
        sums.add("kl_bernoulli", share, bernoulli)
        sums.add("kl_within_verified", share, inside)
        sums.add("kl_within_unverified", share, k1 - bernoulli - inside)
        sums.add("needed", share, bernoulli)
        sums.add("spent", share, np.where(np.isnan(bernoulli), np.nan, k1))
        with np.errstate(divide="ignore"):
            price = np.where(drawn.sum(axis=1)[:, None] > 0, _reverse_gap(world, t) - np.log(p), np.nan)
            sums.add("kl_target_pi", share, price)
            sums.add("kl_target_pi_verified", share, np.where(q > 0, price + np.log(q) + bias, np.nan))


def _rates(
    drawn: Floats, n0: int, m: Floats, n1: int, log_ratio: Floats
) -> tuple[Floats, Floats, Floats, Floats]:
    """p, q, the bias of ln(p/q) and its variance, (base's ways, tuned ways): from the right traces of both, weighed by
    1/(n0 + n1 π/p0), and π/p0 times that; where the base was never right, only if the tuned ones' weights p0/π are
    worth enough samples, else q is counted and p unknown.
    """
    ess = np.nan_to_num(_ess(m, np.exp(-log_ratio)))
    usable = (ess >= MIN_ESS) & (ess >= MIN_ESS_SHARE * m.sum(axis=1))
    known = (drawn.sum(axis=1)[:, None] > 0) | usable
    counted = m.sum(axis=1) / n1
    x = 1 / (n0 + n1 * np.exp(log_ratio))
    y = x * np.exp(log_ratio)
    p, q = ((drawn @ each)[:, None] + m @ each for each in (x, y))

    def product(a: Floats, b: Floats) -> Floats:
        """Covariance of two sums."""
        of_base = drawn @ (a * b) - (drawn @ a) * (drawn @ b) / max(n0, 1)
        return of_base[:, None] + m @ (a * b) - (m @ a) * (m @ b) / n1

    with np.errstate(divide="ignore", invalid="ignore"):
        xx, yy, xy = product(x, x) / p**2, product(y, y) / q**2, product(x, y) / (p * q)
    p, q = np.where(known, np.minimum(p, (n0 + 0.5) / (n0 + 1)), np.nan), np.minimum(q, 1.0)
    if not n0:
        return p, np.broadcast_to(counted, p.shape), np.zeros(p.shape), np.zeros(p.shape)
    return p, np.where(known, q, counted), (yy - xx) / 2, xx + yy - 2 * xy


def _reverse_gap(world: World, t: int) -> float:
    """E_π*[ln p0 - ln π]: the base's right traces are draws of π*."""
    base, tuned = (world.traces(policy)[t, RIGHT] for policy in ("base", "tuned"))
    return float(base / base.sum() @ np.log(base / tuned))


def _from_base(sums: Sums, world: World, t: int, weight: float) -> None:
    for n0, d0 in world.depths.items():
        if n0:
            hits = np.arange(1, n0 + 1)
            chance = weight * d0 * binomial(n0, world.base[t : t + 1])[0, 1:]
            sums.add("certain_success", chance, -np.log(hits / n0))
            undrawn = chance * world.depths.get(0, 0.0)  # no sample of the tuned policy
            price = _reverse_gap(world, t) - np.log(np.minimum(hits / n0, (n0 + 0.5) / (n0 + 1)))
            sums.add("kl_target_pi", undrawn, price)
