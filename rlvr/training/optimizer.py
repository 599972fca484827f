"""Optimiser and learning-rate schedule by transformers' names, and the gradient's norm."""

from __future__ import annotations

from typing import Any

import torch
from accelerate import Accelerator
from torch import nn
from transformers import Trainer, get_scheduler
from transformers.trainer_pt_utils import get_parameter_names
from trl.trainer.grpo_config import GRPOConfig

from rlvr.errors import ConfigError
from rlvr.training import ppo

NO_DECAY = [r"bias", r"layernorm", r"rmsnorm", r"(?:^|\.)norm(?:$|\.)", r"_norm(?:$|\.)"]
"""Parameters without weight decay, as transformers' Trainer names them."""


def optimizer(
    model: nn.Module, args: GRPOConfig, value_learning_rate: float | None = None
) -> torch.optim.Optimizer:
    """The optimiser `train.trl.optim` of the weights that are trained.

    Args:
        value_learning_rate: of PPO's value head, which is then a parameter group of its own without decay.

    Raises:
        ConfigError: an optimiser that is not installed, or that takes the model itself instead of its weights.
    """
    try:
        cls, options = Trainer.get_optimizer_cls_and_kwargs(args, model)  # type: ignore[arg-type]
    except (ValueError, ImportError) as error:
        raise ConfigError(f"train.trl.optim: {error}") from error
    if {"params", "model", "optimizer_dict"} & options.keys() or not isinstance(cls, type):
        raise ConfigError(
            f"train.trl.optim: {args.optim} wraps the model's layers; the loop takes plain optimisers"
        )
    decayed = set(get_parameter_names(model, [nn.LayerNorm], NO_DECAY))
    trained = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    head = [p for name, p in trained if ppo.VALUE_HEAD in name]
    own = {id(p) for p in head}
    trunk = [(name, p) for name, p in trained if id(p) not in own]
    groups: list[dict[str, Any]] = [
        {"params": [p for name, p in trunk if name in decayed], "weight_decay": args.weight_decay},
        {"params": [p for name, p in trunk if name not in decayed], "weight_decay": 0.0},
    ]
    if head and value_learning_rate is not None:
        groups.append({"params": head, "lr": value_learning_rate, "weight_decay": 0.0})
    return cls(groups, **options)


def schedule(of: torch.optim.Optimizer, args: GRPOConfig, steps: int) -> torch.optim.lr_scheduler.LRScheduler:
    """The learning-rate schedule `train.trl.lr_scheduler_type` over `steps` steps."""
    try:
        return get_scheduler(
            args.lr_scheduler_type,
            optimizer=of,
            num_warmup_steps=args.get_warmup_steps(steps),
            num_training_steps=steps,
            scheduler_specific_kwargs=args.lr_scheduler_kwargs,  # type: ignore[arg-type]
        )
    except (TypeError, ValueError) as error:
        raise ConfigError(f"train.trl.lr_scheduler_kwargs: {error}") from error


def clip(accelerator: Accelerator, model: nn.Module, limit: float) -> float:
    """Scale the gradient down to a norm of at most `limit` (0: leave it), and return the norm that it had."""
    norm = accelerator.clip_grad_norm_(model.parameters(), limit or float("inf"))
    if norm is None:  # DeepSpeed clips in its own step
        norm = model.get_global_grad_norm()  # type: ignore[operator]
    if hasattr(norm, "full_tensor"):
        norm = norm.full_tensor()  # type: ignore[union-attr]
    return float(norm)  # type: ignore[arg-type]


def no_gradient(model: nn.Module) -> None:
    """A gradient of zero in what has none: a step without signal still decays weights and moments."""
    for parameter in model.parameters():
        if parameter.requires_grad and parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
