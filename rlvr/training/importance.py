"""The policy's tokens of a micro-step with their log-probabilities under other policies (the one that sampled, the
engine that sampled for it, the reference), and what is made of the distance to those.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor
from trl.trainer.grpo_config import GRPOConfig

from rlvr.config import ConfigError

MODES = ("token_truncate", "token_mask", "sequence_truncate", "sequence_mask")


@dataclass(frozen=True, slots=True)
class Tokens:
    """The policy's tokens of one micro-step, completion after completion. Every tensor is (N,).

    Prompts, padding, masked completions and evidence tokens (of a tool, an environment) are not among them.
    """

    row: Tensor
    """long, ascending: which completion, 0 … rows − 1, a token belongs to. A completion may have no tokens."""
    rows: int
    advantages: Tensor
    """Constant within a completion, but for PPO."""
    old: Tensor | None = None
    """log π_old, of the policy that sampled; None: on policy, every ratio is 1."""
    ref: Tensor | None = None
    """log π_ref, of the reference model."""
    sampler: Tensor | None = None
    """Log-probabilities that the sampler's engine wrote down; NaN where it gave no number."""

    def __post_init__(self) -> None:
        for name in ("advantages", "old", "ref", "sampler"):
            value: Tensor | None = getattr(self, name)
            if value is not None and value.shape != self.row.shape:
                raise ValueError(f"{name} has shape {tuple(value.shape)}, row has {tuple(self.row.shape)}")
        if len(self.row) and not bool(
            (self.row[0] >= 0) & (self.row.diff() >= 0).all() & (self.row[-1] < self.rows)
        ):
            raise ValueError(f"row must ascend within 0 … {self.rows - 1}")

    def row_sum(self, values: Tensor) -> Tensor:
        """(N,) → (N,): for each token the sum over its completion. It can be differentiated."""
        ends = torch.searchsorted(self.row, torch.arange(self.rows + 1, device=self.row.device))
        return cast(Tensor, _RowSum.apply(values, self.row, ends.diff()))


class _RowSum(torch.autograd.Function):
    """A linear map whose matrix is symmetric, so that its gradient is the map itself. By segments, since what
    `index_add` and the gradient of indexing add atomically can differ from run to run."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, row: Tensor, lengths: Tensor) -> Tensor:
        ctx.save_for_backward(row, lengths)
        return torch.segment_reduce(values, "sum", lengths=lengths, initial=0, unsafe=True)[row]

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        row, lengths = ctx.saved_tensors
        return _RowSum.apply(gradients[0].contiguous(), row, lengths), None, None


@dataclass(frozen=True, slots=True)
class Correction:
    """Importance weight for a sampler whose engine computes other probabilities than the trainer: π_old / π_sampler,
    truncated (Yao et al. 2025, "Your efficient RL framework secretly brings you off-policy RL training") or masked
    (Liu et al. 2025, "When speed kills stability") outside [low, high]; per token or per completion."""

    mode: str
    """One of `MODES`."""
    low: float | None
    high: float | None

    @classmethod
    def of(cls, args: GRPOConfig) -> Correction | None:
        """What `vllm_importance_sampling_*` ask for; None where they turn it off.

        Raises:
            ConfigError: an unknown mode, or one that the loss type does not allow.
        """
        if not args.vllm_importance_sampling_correction:
            return None
        mode, loss_type = args.vllm_importance_sampling_mode, args.loss_type
        allowed = MODES[:2] if loss_type == "vespo" else MODES
        if mode not in allowed:
            raise ConfigError(
                f"train.trl.vllm_importance_sampling_mode: found {mode!r}; "
                f"loss_type {loss_type} takes one of {', '.join(allowed)}"
            )
        return cls(mode, args.vllm_importance_sampling_clip_min, args.vllm_importance_sampling_clip_max)

    @property
    def per_completion(self) -> bool:
        return self.mode.startswith("sequence")

    @torch.no_grad()
    def ratio(self, tokens: Tokens, old: Tensor) -> Tensor:
        """(N,) weights; a token without a sampler's log-probability counts as one on which both agree.

        Raises:
            ValueError: there are no sampler's log-probabilities.
        """
        difference = (old - required(tokens.sampler, "tokens.sampler")).nan_to_num(nan=0.0)
        if self.per_completion:
            difference = tokens.row_sum(difference)
        ratio = difference.exp()
        if self.mode.endswith("truncate"):
            return ratio.clamp(self.low, self.high)
        low, high = -math.inf if self.low is None else self.low, math.inf if self.high is None else self.high
        return ratio.masked_fill((ratio < low) | (ratio > high), 0.0)


@torch.no_grad()
def off_policy(threshold: float, tokens: Tokens, logp: Tensor, old: Tensor) -> Tensor:
    """(N,) True where a completion is left out: a negative advantage, and a mean log π_old − log π above `threshold`
    (DeepSeek-V3.2, arXiv 2512.02556, eq. 9). The sampler's own log-probabilities take the place of π_old's where
    they are known, which adds the difference between the engines."""
    behind = old if tokens.sampler is None else tokens.sampler
    distance = tokens.row_sum((behind - logp).nan_to_num(nan=0.0)) / tokens.row_sum(torch.ones_like(logp))
    return (tokens.advantages < 0) & (distance > threshold)


def kl_to_reference(logp: Tensor, ref: Tensor) -> Tensor:
    """(N,) estimates of KL(π ‖ π_ref), π_ref/π − log π_ref/π − 1: never negative (http://joschu.net/blog/kl-approx.html,
    k3; GRPO, arXiv 2402.03300, eq. 4)."""
    return (ref - logp).exp() - (ref - logp) - 1


def required(value: Tensor | None, name: str) -> Tensor:
    """Raises ValueError where `value` is None."""
    if value is None:
        raise ValueError(f"the objective needs {name}")
    return value
