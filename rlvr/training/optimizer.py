"""Optimiser and learning-rate schedule by transformers' names, and the gradient's norm."""

from __future__ import annotations

import copy
from typing import Any

import torch
from accelerate import Accelerator
from torch import nn
from transformers import Trainer, get_scheduler
from transformers.trainer_pt_utils import get_parameter_names
from transformers.training_args import OptimizerNames
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
    name = OptimizerNames(args.optim).value
    if args.optim_args and _without_options(args, model) == (cls, options):
        raise ConfigError(f"train.trl.optim_args: {name} takes none of {args.optim_args!r}")
    if {"params", "model", "optimizer_dict"} & options.keys() or not isinstance(cls, type):
        raise ConfigError(
            f"train.trl.optim: {name} wraps the model's layers; the loop takes plain optimisers"
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


def _without_options(args: GRPOConfig, model: nn.Module) -> tuple[Any, dict[str, Any]]:
    """Optimiser and options as they are without `optim_args`."""
    plain = copy.copy(args)
    plain.optim_args = None
    return Trainer.get_optimizer_cls_and_kwargs(plain, model)  # type: ignore[arg-type]


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


def set_rates(schedule: torch.optim.lr_scheduler.LRScheduler) -> None:
    """The learning rates of the step that `schedule` has come to. A checkpoint holds those of the schedule that it was
    written under, which ended earlier where the run goes on with more steps."""
    if not isinstance(schedule, torch.optim.lr_scheduler.LambdaLR):
        return
    rates = [
        base * of(schedule.last_epoch)
        for base, of in zip(schedule.base_lrs, schedule.lr_lambdas, strict=True)
    ]
    for group, rate in zip(schedule.optimizer.param_groups, rates, strict=True):
        group["lr"] = rate
    schedule._last_lr = rates


LOOKED_AT, OF_EACH = 64, 1024
"""Weight matrices, and weights of each, that stand for all in `Movement`."""


class Movement:
    """Which share of the weights an update changes, where they are kept in 16 bits: there a step that is small beside
    the weight is rounded away. Embeddings do not count: those of tokens that did not occur have no gradient."""

    def __init__(self, model: nn.Module | None) -> None:
        """None: look at nothing."""
        model = model or nn.Module()
        embeddings = {id(module.weight) for module in model.modules() if isinstance(module, nn.Embedding)}
        trained = [
            p for p in model.parameters() if p.requires_grad and id(p) not in embeddings and p.ndim > 1
        ]
        self.weights = [p for p in trained if p.element_size() == 2][:: -(-len(trained) // LOOKED_AT) or 1]

    def look(self) -> list[torch.Tensor]:
        """A copy of the weights that are looked at, of this process's shards."""
        return [part(weight).clone() for weight in self.weights]

    def since(self, before: list[torch.Tensor]) -> dict[str, float]:
        """The share that has changed, under its name in metrics.jsonl; empty where nothing is in 16 bits."""
        if not before:
            return {}
        moved = sum((part(w) != old).sum() for w, old in zip(self.weights, before, strict=True))
        return {"moved_share": int(moved) / max(sum(len(old) for old in before), 1)}


def part(weight: torch.Tensor) -> torch.Tensor:
    """(at most `OF_EACH`,) weights, evenly spread."""
    local = weight.detach()
    local = (local.to_local() if hasattr(local, "to_local") else local).reshape(-1)  # type: ignore[operator]
    return local[:: max(1, len(local) // OF_EACH)][:OF_EACH]


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
