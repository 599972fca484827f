"""PPO on finished completions, as its papers write it: plain loops over floats, one completion at a time.

Held against `rlvr.training.ppo` and the trainer. Nothing here is shared with them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch


def returns_and_advantages(
    reward: float, values: Sequence[float], gamma: float, lam: float
) -> tuple[list[float], list[float]]:
    """One completion of len(values) tokens, rewarded at its end: Σ_l (γλ)^l δ_{t+l}, term by term."""
    n = len(values)
    deltas = []
    for t in range(n):
        earned = reward if t == n - 1 else 0.0
        following = values[t + 1] if t + 1 < n else 0.0
        deltas.append(earned + gamma * following - values[t])
    advantages = [math.fsum((gamma * lam) ** (s - t) * deltas[s] for s in range(t, n)) for t in range(n)]
    return [a + v for a, v in zip(advantages, values, strict=True)], advantages


def of_episode(
    reward: float, values: Sequence[float], policy: Sequence[bool], gamma: float, lam: float
) -> tuple[list[float | None], list[float | None]]:
    """Returns and advantages of an episode in which others write too, None on their tokens. The policy acts where
    `policy` is True: the state after an action is the one before its next, whatever was written in between."""
    returns: list[float | None] = [None] * len(values)
    advantages: list[float | None] = [None] * len(values)
    following_value, following_advantage, earned = 0.0, 0.0, reward
    for t in range(len(values) - 1, -1, -1):
        if not policy[t]:
            continue
        delta = earned + gamma * following_value - values[t]
        advantage = delta + gamma * lam * following_advantage
        advantages[t], returns[t] = advantage, advantage + values[t]
        following_value, following_advantage, earned = values[t], advantage, 0.0
    return returns, advantages


def clipped_objective(logp: float, old: float, advantage: float, low: float, high: float) -> float:
    """min(r A, clip(r, 1 − low, 1 + high) A), to be maximised."""
    ratio = math.exp(logp - old)
    return min(ratio * advantage, min(max(ratio, 1 - low), 1 + high) * advantage)


def value_error(value: float, old: float, target: float, clip: float) -> float:
    clipped = min(max(value, old - clip), old + clip)
    return 0.5 * max((value - target) ** 2, (clipped - target) ** 2)


def loss(
    logprobs: Sequence[torch.Tensor],
    old_logprobs: Sequence[torch.Tensor],
    values: Sequence[torch.Tensor],
    old_values: Sequence[torch.Tensor],
    rewards: Sequence[float],
    *,
    gamma: float,
    lam: float,
    low: float,
    high: float,
    value_clip: float,
    value_coefficient: float,
) -> torch.Tensor:
    """Mean over the tokens of all completions (one tensor per completion), differentiable in logprobs and values."""
    total = torch.zeros(())
    tokens = 0
    for logp, old, value, old_value, reward in zip(
        logprobs, old_logprobs, values, old_values, rewards, strict=True
    ):
        targets, advantages = returns_and_advantages(reward, old_value.tolist(), gamma, lam)
        for t in range(len(logp)):
            ratio = (logp[t] - old[t]).exp()
            clipped = ratio.clamp(1 - low, 1 + high)
            near = old_value[t] + (value[t] - old_value[t]).clamp(-value_clip, value_clip)
            error = torch.maximum((value[t] - targets[t]) ** 2, (near - targets[t]) ** 2)
            total = total - torch.minimum(ratio * advantages[t], clipped * advantages[t])
            total = total + value_coefficient * 0.5 * error
            tokens += 1
    return total / tokens
