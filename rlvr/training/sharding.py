"""Weights of which each process holds a part: FSDP, ZeRO-3."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedType


def zero_3(accelerator: Accelerator) -> bool:
    """Whether DeepSpeed partitions the weights."""
    if accelerator.distributed_type is not DistributedType.DEEPSPEED:
        return False
    plugin = accelerator.state.deepspeed_plugin
    return plugin is not None and plugin.zero_stage == 3


def sharded(accelerator: Accelerator) -> bool:
    """Whether each process holds a part of every weight (FSDP, ZeRO-3)."""
    return accelerator.distributed_type is DistributedType.FSDP or zero_3(accelerator)


def gathering(accelerator: Accelerator, weights: Iterable[torch.nn.Parameter]) -> AbstractContextManager[Any]:
    """A block in which ZeRO-3's weights are whole. (FSDP2's are gathered one by one: `head.whole`.)"""
    if not zero_3(accelerator):
        return nullcontext()
    import deepspeed  # type: ignore[import-not-found]

    return deepspeed.zero.GatheredParameters(list(weights))
