"""What of a training can be tried before anything is sampled: its arguments, and the model without its weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import nn
from torch.utils.checkpoint import checkpoint
from trl.trainer.grpo_config import GRPOConfig

from rlvr.config import Config, ConfigError
from rlvr.policy import Policy, device
from rlvr.sampling import takes_vllm
from rlvr.training import arguments as trl
from rlvr.training.build import precision, router_coefficient, trainable, way_of_update
from rlvr.training.entropy import EntropyControl
from rlvr.training.forward import Forward
from rlvr.training.objective import Objective
from rlvr.training.optimizer import optimizer, schedule
from rlvr.training.packing import Prompted, Sample

WIDTH = 64
"""Of the matrix that the optimiser is tried on."""


def arguments(config: Config, output: Path, count: int | None = None) -> tuple[GRPOConfig, float]:
    """TRL's arguments, tried: objective, trackers, and an optimiser that takes two steps on a matrix of its own.

    Args:
        count: of processes that will train; None: those of this launch.

    Returns:
        The arguments, with sizes as for the shortest prompts; bytes that the optimiser keeps for each weight.

    Raises:
        ConfigError: whatever of them the loop could not use.
    """
    args = trl.grpo_config(config, output, 0, count)
    trl.trackers(args.report_to)
    EntropyControl.of(args)
    vllm = takes_vllm(config.sampling, device().type)
    Objective.of(args, other_engine=vllm and not config.train.imitates)
    _checkpointing(args)
    matrix = nn.Linear(WIDTH, WIDTH, bias=False, device=device())
    own = optimizer(matrix, args)
    try:
        rates = schedule(own, args, config.train.steps)
        for _ in range(2):
            matrix(torch.ones(1, WIDTH, device=device())).sum().backward()
            own.step()
            rates.step()
    except ConfigError:
        raise
    except Exception as error:  # of packages that bring optimisers and schedules
        raise ConfigError(f"train.trl.optim: {args.optim} cannot take a step: {error}") from error
    kept = [v for state in own.state.values() for v in state.values() if isinstance(v, torch.Tensor)]
    return args, sum(v.numel() * v.element_size() for v in kept) / WIDTH**2


def _checkpointing(args: GRPOConfig) -> None:
    """Raises ConfigError where torch does not take the options of activation checkpointing."""
    if args.activation_checkpointing:
        options: Any = args.activation_checkpointing_kwargs or {"use_reentrant": False}
        try:
            checkpoint(nn.Identity(), torch.ones(1, requires_grad=True), **options)
        except (TypeError, ValueError) as error:
            raise ConfigError(f"train.trl.activation_checkpointing_kwargs: {error}") from error


@dataclass(frozen=True, slots=True)
class Sizes:
    """Of a training, in weights and bytes."""

    weights: int
    trained_weights: int
    own: int
    """Of the model's weights."""
    reference: int
    """Of the copy that stays as it began, where one is needed."""
    gradients: int
    optimizer: int
    model: int
    """The tuned model's files; of a soft prompt, the prompt alone."""

    @property
    def in_memory(self) -> int:
        return self.own + self.reference + self.gradients + self.optimizer

    @property
    def checkpoint(self) -> int:
        return self.gradients + self.optimizer  # the trained weights are as large as their gradients


def sizes(config: Config, policy: Policy, args: GRPOConfig, bytes_per_weight: float) -> Sizes:
    """Put adapters and heads on the model's structure, as the training would, and count.

    Raises:
        ConfigError: the model has no place for them.
    """
    whole = list(policy.model.parameters())
    model, frozen = trainable(config, policy, args)
    router_coefficient(policy.model, args)
    trained = [p for p in model.parameters() if p.requires_grad]
    if not trained:
        raise ConfigError("train: no weight of the model would be trained")
    all_bytes, trained_bytes = bytes_of(whole), bytes_of(trained)
    kept = int(bytes_per_weight * sum(p.numel() for p in trained))
    return Sizes(
        weights=sum(p.numel() for p in whole),
        trained_weights=sum(p.numel() for p in trained),
        own=all_bytes,
        reference=0 if frozen is None or frozen.adapted else all_bytes,
        gradients=trained_bytes,
        optimizer=kept,
        model=trained_bytes if config.train.adapter.kind == "soft_prompt" else all_bytes,
    )


def bytes_of(weights: list[nn.Parameter]) -> int:
    return sum(p.numel() * p.element_size() for p in weights)


def update(config: Config, policy: Policy, prompt: list[int], samples: list[list[int]]) -> Callable[[], None]:
    """A forward and backward pass over a group of these samples, as a step takes it; no weight is moved.

    Raises:
        PolicyError: this model cannot be updated rightly.
    """
    args = trl.grpo_config(config, Path("checkpoints"), len(prompt))
    model, _ = trainable(config, policy, args)
    accelerator = Accelerator(mixed_precision=precision(args))
    way, _ = way_of_update(model, args, accelerator, policy)
    forward = Forward([model], accelerator, config.sampling.temperature, way)
    group = Prompted(prompt, [Sample.of(ids, [True] * len(ids)) for ids in samples])
    model.train()

    def run() -> None:
        answer, _ = forward(model, [group])
        accelerator.backward(answer.logprobs.sum())
        model.zero_grad()
        if accelerator.device.type == "cuda":
            torch.cuda.synchronize()

    return run
