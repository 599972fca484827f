"""Coins by verified reward: the network guesses each flip, and a guess is right or wrong. What that teaches, and what
it does not, beside log loss on the same flips (`coins.ways`)."""

from __future__ import annotations

import copy
from functools import cache
from typing import Any

import numpy as np
import torch

from rlvr.analysis.frontier import bernoulli_kl
from rlvr.analysis.samples import Floats
from rlvr.theory import coins
from rlvr.theory.check import Check, Line
from rlvr.theory.coins import FLIPS, Target
from rlvr.theory.table_policy import objective, update
from rlvr.training.advantages import advantages

GROUP = 16
PRICES = (0.0, 0.5, 1.0)
"""Of KL to the network as it was, in the reward, for each nat."""


@cache
def tuned(model: Any, target: Target, steps: int, beta: float, rows: int = 128, seed: int = 0) -> Any:
    """All weights, by the trainer's objective: a group of guesses at each flip, each guess 1 where it is right."""
    copied, goal = copy.deepcopy(model), objective()
    random, generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(copied.parameters(), lr=1e-3)
    for _ in range(steps):
        flips = target.draw(rows, FLIPS, random)
        with torch.no_grad():
            reference = _both(coins.logits(model, flips))
        logp = _both(coins.logits(copied, flips))
        guesses = torch.multinomial(logp.detach().exp(), GROUP, replacement=True, generator=generator)
        chosen, was = logp.gather(1, guesses), reference.gather(1, guesses)
        right = (guesses == flips.reshape(-1, 1)).float()
        reward = right - beta * (chosen.detach() - was)
        update(goal, optimizer, chosen.reshape(-1), advantages("grpo", reward, "none").reshape(-1))
    return copied


def _both(odds: torch.Tensor) -> torch.Tensor:
    """(B, T) log-odds of heads → (B · T, 2) log-probabilities of tails and heads."""
    return torch.stack([torch.zeros_like(odds), odds], dim=-1).log_softmax(-1).reshape(-1, 2)


def tilted(model: Any, target: Target, flips: torch.Tensor, beta: float) -> Floats:
    """(B, T) P(heads) of the optimum of E[right] − β KL: log-odds grow by (2θ − 1)/β, θ the target's own P(heads). With
    no price, the better side for sure."""
    gain = 2 * target.bayes(flips) - 1
    if not beta:
        return (1 + np.sign(gain)) / 2
    with torch.no_grad():
        odds = coins.logits(model, flips).double().numpy()
    return 1 / (1 + np.exp(-(odds + gain / beta)))


WAYS: dict[str, coins.Way] = {
    "verified reward": lambda model, target, steps: _way(tuned(model, target, steps, 0.0)),
    "verified reward, KL at 1": lambda model, target, steps: _way(tuned(model, target, steps, 1.0)),
}
"""Beside those of `coins.WAYS`."""


def _way(model: Any) -> coins.Tuned:
    return coins.Tuned(model, None, sum(weight.numel() for weight in model.parameters()))


def rewarded(steps: int = 100) -> Check:
    """Which guess is right more often is learnt, and how likely it is is lost, unless KL has a price."""
    check = Check(
        "Guesses", "A verdict on each guess teaches which side comes up more often and not how often: with no price of "
        "KL the network ends sure of it, right as often as can be and far from Bayes; with one it goes to the tilt.",
    )  # fmt: skip
    model = coins.meta_trained(500)
    for target in coins.TARGETS:
        flips = target.draw(512, FLIPS, np.random.default_rng(1))
        theta = target.bayes(flips)
        best = np.maximum(theta, 1 - theta).mean()
        check.lines += [
            Line(f"{target.name}: right guesses before", _right(coins.heads(model, flips), theta), float(best), "rate"),
            Line("  regret to Bayes", float(coins.gap(model, target, FLIPS).mean()), unit="nats"),
        ]  # fmt: skip
        for beta in PRICES:
            after = tuned(model, target, steps, beta)
            optimum = tilted(model, target, flips, beta)
            exact = float(np.asarray(bernoulli_kl(theta, optimum)).mean()) if beta else None  # else ∞
            check.lines += [
                Line.within(
                    f"  after, β = {beta:g}: right guesses",
                    _right(coins.heads(after, flips), theta), _right(optimum, theta), 0.02,
                ),
                Line("  regret to Bayes", float(coins.gap(after, target, FLIPS).mean()), exact, "nats"),
            ]  # fmt: skip
    return check


def _right(heads: Floats, theta: Floats) -> float:
    """Expected share of guesses that are right."""
    return float((heads * theta + (1 - heads) * (1 - theta)).mean())
