"""Weights of which each process holds a part: FSDP, ZeRO-3."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedType

from rlvr.errors import ConfigError


def deepspeed_steps(accelerator: Accelerator) -> bool:
    """Whether DeepSpeed is in force: its optimiser steps with the backward pass."""
    return accelerator.distributed_type is DistributedType.DEEPSPEED


def zero_3(accelerator: Accelerator) -> bool:
    """Whether DeepSpeed partitions the weights."""
    if not deepspeed_steps(accelerator):
        return False
    plugin = accelerator.state.deepspeed_plugin
    return plugin is not None and plugin.zero_stage == 3


def sharded(accelerator: Accelerator) -> bool:
    """Whether each process holds a part of every weight (FSDP, ZeRO-3)."""
    return accelerator.distributed_type is DistributedType.FSDP or zero_3(accelerator)


def configure_deepspeed(accelerator: Accelerator, max_grad_norm: float) -> None:
    """Fill in what DeepSpeed's own file leaves open ("auto" or absent): it clips and counts micro-steps by itself.

    Raises:
        ConfigError: the file says another thing than the run.
    """
    if not deepspeed_steps(accelerator):
        return
    plugin = accelerator.state.deepspeed_plugin
    assert plugin is not None
    ours = {
        "gradient_clipping": max_grad_norm,
        "gradient_accumulation_steps": 1,  # the loop says itself which micro-step is the last; others scale the loss
        "train_micro_batch_size_per_gpu": 1,  # read by nothing here
    }
    for key, value in ours.items():
        given = plugin.deepspeed_config.get(key, "auto")
        if given not in ("auto", value):
            raise ConfigError(
                f"DeepSpeed's configuration: {key} is {given}, and this run's is {value}; leave it out, or at auto"
            )
        plugin.deepspeed_config[key] = value


def gathering(accelerator: Accelerator, weights: Iterable[torch.nn.Parameter]) -> AbstractContextManager[Any]:
    """A block in which ZeRO-3's weights are whole. (FSDP2's are gathered one by one: `head.whole`.)"""
    if not zero_3(accelerator):
        return nullcontext()
    import deepspeed  # type: ignore[import-not-found]

    return deepspeed.zero.GatheredParameters(list(weights))
