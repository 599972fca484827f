"""PPO's parts (Schulman et al. 2017, arXiv 1707.06347): a value head, GAE per token, the clipped value loss.

The ratio and its clip are the objective's, which takes one advantage per token as it takes one per completion.
An episode is a completion, a token is an action; the reward comes with the last token. A truncated completion is an
episode that ended there, not one to bootstrap from: its verdict has been given.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel

from rlvr.adapters import VALUE_HEAD
from rlvr.config import PpoSection
from rlvr.training.objective import Totals


class ValueHead(nn.Linear):
    """Hidden states of the policy's last layer → values, in float32. Begins at zero: the first values are 0."""

    def __init__(self, width: int, device: torch.device) -> None:
        super().__init__(width, 1, device=device, dtype=torch.float32)
        nn.init.zeros_(self.weight)
        nn.init.zeros_(self.bias)

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """(…, width) → (…,)"""
        with torch.autocast(input.device.type, enabled=False):
            return super().forward(input.float()).squeeze(-1)


def add_value_head(model: PreTrainedModel) -> None:
    """A head of zeros on `model`, where the packed forward finds it (`head.add_selected_head`)."""
    setattr(model, VALUE_HEAD, ValueHead(model.config.get_text_config().hidden_size, model.device))


def gae(
    rewards: torch.Tensor, values: torch.Tensor, mask: torch.Tensor, gamma: float, lam: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Generalised advantage estimates (Schulman et al. 2016, arXiv 1506.02438, eq. 16) of whole completions.

    Args:
        rewards: (rows,) of the last token; every other token has reward 0.
        values: (rows, T) of the state before each token.
        mask: (rows, T) 1 on completion tokens, from the left.
        gamma, lam: discount per token, and how far an estimate looks before it trusts the values. At 1 and 1 the
            advantage is reward − value.

    Returns:
        Advantages and returns (advantage + value), (rows, T), 0 outside the mask.
    """
    mask = mask.bool()
    last = mask.sum(dim=1, keepdim=True) - 1
    place = torch.arange(mask.shape[1], device=mask.device)
    earned = torch.where(mask & (place == last), rewards[:, None], 0.0)
    values = values.masked_fill(~mask, 0.0)  # the state after the last token is worth nothing
    advantages = torch.zeros_like(values)
    following_value = following = torch.zeros_like(rewards)
    for t in reversed(range(mask.shape[1])):
        delta = earned[:, t] + gamma * following_value - values[:, t]
        following = torch.where(mask[:, t], delta + gamma * lam * following, 0.0)
        following_value = values[:, t]
        advantages[:, t] = following
    return advantages, advantages + values


def value_losses(
    values: torch.Tensor, old_values: torch.Tensor, returns: torch.Tensor, clip: float
) -> torch.Tensor:
    """Per token, ½ max((V − R)², (V clipped to within `clip` of V_old − R)²), as in the PPO of OpenAI's baselines.

    All arguments and the result have the same shape. On the first pass over a batch V = V_old, and nothing is clipped.
    """
    clipped = old_values + (values - old_values).clamp(-clip, clip)
    return 0.5 * torch.max((values - returns).square(), (clipped - returns).square())


def estimate(
    settings: PpoSection, values: torch.Tensor, row: torch.Tensor, rewards: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Advantages and returns, (N,) each, of the policy's tokens of whole groups. What a tool or a hint wrote between
    two of them is no action: the estimate steps over it.

    Args:
        values: (N,) of the state before each token.
        row: (N,) ascending, which completion a token belongs to.
        rewards: (rows,); NaN only in rows that have no token here.
    """
    lengths = torch.bincount(row, minlength=len(rewards))
    longest = max(1, int(lengths.max()))
    mask = torch.arange(longest, device=row.device) < lengths[:, None]
    grid = torch.zeros(mask.shape, dtype=values.dtype, device=values.device).masked_scatter(mask, values)
    advantages, returns = gae(rewards.nan_to_num(), grid, mask, settings.gamma, settings.gae_lambda)
    return advantages[mask], returns[mask]


def value_loss(
    settings: PpoSection, values: torch.Tensor, old: torch.Tensor, returns: torch.Tensor, totals: Totals
) -> torch.Tensor:
    """A micro-step's value loss, (N,) arguments: summed over the micro-steps, and averaged over processes as DDP does,
    it is the mean over all tokens of the step."""
    losses = value_losses(values, old, returns, settings.value_clip)
    return losses.sum() * totals.processes / max(1, totals.tokens)


def without_value_head(state: dict[str, Any]) -> dict[str, Any]:
    """The weights of the policy alone."""
    return {name: value for name, value in state.items() if not name.startswith(f"{VALUE_HEAD}.")}
