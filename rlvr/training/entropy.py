"""Entropy in the loss: which tokens have enough of it to be trained on, and how large a bonus it is given."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from trl.trainer.grpo_config import GRPOConfig


@torch.no_grad()
def entropy_threshold(quantile: float, entropies: Tensor) -> Tensor:
    """The least entropy among the top `quantile` of tokens (Wang et al. 2025, "Beyond the 80/20 rule", arXiv
    2506.01939); only tokens at or above it are trained on.

    Args:
        quantile: `top_entropy_quantile`, 0 … 1.
        entropies: (M,) of a micro-step's policy tokens, gathered over all processes. At most 16 million.

    Returns:
        A scalar; infinite where there are no tokens.
    """
    if not len(entropies):
        return torch.tensor(math.inf, device=entropies.device)
    return torch.quantile(entropies.float(), 1 - quantile)


@dataclass(slots=True)
class EntropyControl:
    """TRL's adaptive coefficient of the entropy bonus (`use_adaptive_entropy`; Skywork-OR1, arXiv 2505.22312):
    it grows by `delta` after a step whose entropy is at most `target`, shrinks by it after any other, and acts only
    while the entropy is at most `target`."""

    low: float
    high: float
    delta: float
    target: float
    """Nats per token."""
    coefficient: float
    measured: float | None = None
    """Mean entropy of the step before, over the tokens that are trained on; None before the first."""

    @classmethod
    def of(cls, args: GRPOConfig) -> EntropyControl | None:
        """None where the coefficient is constant."""
        if not args.use_adaptive_entropy:
            return None
        low, high = args.entropy_coef_min, args.entropy_coef_max
        return cls(low, high, args.entropy_coef_delta, args.entropy_target, args.entropy_coef)

    @property
    def bonus(self) -> float:
        """`Objective.entropy_coefficient` of the next step."""
        return self.coefficient if self.measured is not None and self.measured <= self.target else 0.0

    def observe(self, metrics: Mapping[str, float]) -> None:
        """Take in a step's metrics of `objective.loss`, divided, over all its micro-steps and processes.

        A step whose entropy is not finite (no tokens, or a step that is skipped) changes nothing.
        """
        entropy = metrics.get("entropy/high", metrics["entropy"])
        if not math.isfinite(entropy):
            return
        self.measured = entropy
        if entropy <= self.target:
            self.coefficient = min(self.coefficient + self.delta, self.high)
        else:
            self.coefficient = max(self.coefficient - self.delta, self.low)

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps, as JSON."""
        return {"coefficient": self.coefficient, "measured": self.measured}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.coefficient, self.measured = state["coefficient"], state["measured"]
