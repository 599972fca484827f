"""Worlds whose posterior is known in closed form. numpy only: the analysis is tested against these laws.

Coins and Markov chains follow Genewein et al. 2025 (arXiv 2505.17010), the mixture of HMMs Xie et al. 2022
(arXiv 2111.02080), the strategy world is this project's model of search compression.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def coin_mixture(
    thetas: ArrayLike, prior: ArrayLike, heads: int, tails: int
) -> tuple[Floats | None, float | None, float]:
    """(posterior over coins, P(next is heads), ln P(this sequence of flips)); None where the flips are
    impossible.
    """
    thetas, prior = np.asarray(thetas, dtype=np.float64), np.asarray(prior, dtype=np.float64)
    log_joint = _log(prior) + _times(heads, _log(thetas)) + _times(tails, _log(1 - thetas))
    top = float(log_joint.max())
    if np.isneginf(top):
        return None, None, -np.inf
    weight = np.exp(log_joint - top)
    posterior = weight / weight.sum()
    return posterior, float(posterior @ thetas), top + float(np.log(weight.sum()))


def markov_predictive(counts: ArrayLike, prior: ArrayLike) -> Floats:
    """Next-symbol probabilities after `counts` from this row of a Markov chain with Dirichlet(prior) rows. NaN, not
    defined, where neither counts nor prior say anything."""
    total = np.asarray(counts, dtype=np.float64) + np.asarray(prior, dtype=np.float64)
    mass = total.sum(axis=-1, keepdims=True)
    return np.divide(total, mass, out=np.full_like(total, np.nan), where=mass > 0)


@dataclass(frozen=True, eq=False)
class Hmm:
    """A hidden Markov model: start (S,), transitions (S, S) from row to column, emissions (S, symbols)."""

    start: Floats
    trans: Floats
    emit: Floats

    @classmethod
    def of(cls, start: ArrayLike, trans: ArrayLike, emit: ArrayLike) -> Hmm:
        return cls(*(np.asarray(x, dtype=np.float64) for x in (start, trans, emit)))


def hmm_mixture(
    concepts: Sequence[Hmm], prior: ArrayLike, observed: Sequence[int]
) -> tuple[Floats | None, Floats | None, float]:
    """(posterior over concepts, next-symbol probabilities, ln P(observed)); None where the observations are
    impossible.
    """
    prior = np.asarray(prior, dtype=np.float64)
    passes = [_forward(concept, observed) for concept in concepts]
    log_joint = _log(prior) + np.array([log_likelihood for _, log_likelihood in passes])
    top = float(log_joint.max())
    if np.isneginf(top):
        return None, None, -np.inf
    weight = np.exp(log_joint - top)
    posterior = weight / weight.sum()
    following = np.stack(
        [belief @ concept.emit for concept, (belief, _) in zip(concepts, passes, strict=True)]
    )
    return posterior, posterior @ following, top + float(np.log(weight.sum()))


def _forward(hmm: Hmm, observed: Sequence[int]) -> tuple[Floats, float]:
    """Belief over the hidden state of the next symbol, and the log likelihood so far (scaled forward
    algorithm).
    """
    belief, log_likelihood = hmm.start, 0.0
    for symbol in observed:
        joint = belief * hmm.emit[:, symbol]
        total = joint.sum()
        if total == 0:
            return belief, -np.inf
        log_likelihood += float(np.log(total))
        belief = (joint / total) @ hmm.trans
    return belief, log_likelihood


@dataclass(frozen=True, eq=False)
class StrategyWorld:
    """Strategies with prior weights and accuracies: what reweighting strategies, or traces, can reach."""

    success: float
    posterior: Floats | None  # over strategies given a verified sample
    posterior_success: float | None  # of one round of SFT on verified samples that learns the strategy only
    tilted: Floats  # KL-regularised optimum over strategies: ∝ prior e^{accuracy/β}
    tilted_success: float
    trace_tilted_success: float  # the same over whole traces: logit p + 1/β

    def pass_at_k(self, k: float) -> float:
        """P(at least one of k samples is right) = 1-(1-p)^k."""
        with np.errstate(divide="ignore"):
            return float(-np.expm1(k * np.log1p(-self.success))) + 0.0 if k else 0.0


def strategy_world(prior: ArrayLike, accuracy: ArrayLike, beta: float) -> StrategyWorld:
    """Strategy s is chosen with prior[s] and right with accuracy[s]; β is the price of KL in the regularised
    optimum. Raises ValueError: no strategy has any weight, or β is not positive.
    """
    prior, accuracy = np.asarray(prior, dtype=np.float64), np.asarray(accuracy, dtype=np.float64)
    if not prior.sum() > 0 or not beta > 0:
        raise ValueError(f"expected a prior with mass and a positive beta, got {prior.tolist()} and {beta}")
    joint = prior * accuracy
    p = float(joint.sum())
    posterior = joint / p if p > 0 else None
    push = np.where(prior > 0, accuracy / beta, -np.inf)
    weight = prior * np.exp(push - push.max())
    tilted = weight / weight.sum()
    return StrategyWorld(
        success=p,
        posterior=posterior,
        posterior_success=None if posterior is None else float(posterior @ accuracy),
        tilted=tilted,
        tilted_success=float(tilted @ accuracy),
        # p e^{1/β}/(1-p + p e^{1/β}), written so that e^{1/β} cannot overflow
        trace_tilted_success=p / (p + (1 - p) * float(np.exp(-1 / beta))) if p > 0 else 0.0,
    )


def _log(x: Floats) -> Floats:
    with np.errstate(divide="ignore"):
        return np.log(x)


def _times(number: int, logs: Floats) -> Floats:
    """number · logs with 0 · -inf = 0."""
    return np.zeros_like(logs) if number == 0 else number * logs
