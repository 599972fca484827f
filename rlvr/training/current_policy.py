"""The policy in training, to sample from: whoever asks gets an engine that has the weights of this moment.

Three kinds, behind one call: the model itself in memory; a whole copy that sharded weights are gathered into
(decoding on shards would need every process at every token); vLLM, whose copy is synchronised through TRL's
`VLLMGeneration`.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedType
from peft import PeftModel

from rlvr.config import SamplingConfig
from rlvr.policy import Policy
from rlvr.sampling import Sampler
from rlvr.sampling.engine import TransformersSampler
from rlvr.training.head import whole


class CurrentPolicy:
    """
    Args:
        policy: as it was loaded; its name, tokenizer and source go on.
        model: the prepared model (wrapped by DDP, FSDP or DeepSpeed, where there are several processes).
        whole: an unsharded copy of the model, only where `model` is sharded.
    """

    def __init__(
        self,
        policy: Policy,
        model: Any,
        accelerator: Accelerator,
        settings: SamplingConfig,
        whole: Any = None,
    ) -> None:
        self.policy, self.model, self.accelerator, self.settings = policy, model, accelerator, settings
        self._whole: Any = whole

    @contextmanager
    def sampler(self, name: str, frozen: Frozen | None = None) -> Iterator[Sampler]:
        """Sample with the weights as they are now, or with those of `frozen`; rows will say that `name` drew them."""
        model = self._gathered() if self._whole is not None else self.accelerator.unwrap_model(self.model)
        with frozen.weights(model) if frozen else nullcontext(model) as drawing, self.accelerator.autocast():
            training = drawing.training
            drawing.eval()
            policy = Policy(name, drawing, self.policy.tokenizer, self.policy.source, weights="memory")
            try:
                yield TransformersSampler(policy, self.settings)
            finally:
                drawing.train(training)

    def close(self) -> None:
        """Give back what the engine holds besides the policy's own weights."""
        self._whole = None

    @torch.no_grad()
    def _gathered(self) -> Any:
        """The whole copy, with the weights of this moment. Every process must ask at the same time."""
        model, copied = self.accelerator.unwrap_model(self.model), self._whole
        with gathering(self.accelerator, model):
            full = {name: whole(p.detach()) for name, p in model.named_parameters()}
            found = copied.load_state_dict(full, strict=False)
        assert not found.unexpected_keys, found.unexpected_keys
        return copied


def sharded(accelerator: Accelerator) -> bool:
    """Whether each process holds a part of every weight (FSDP, ZeRO-3)."""
    plugin = (
        accelerator.state.deepspeed_plugin
        if accelerator.distributed_type is DistributedType.DEEPSPEED
        else None
    )
    return accelerator.distributed_type is DistributedType.FSDP or (
        plugin is not None and plugin.zero_stage == 3
    )


def gathering(accelerator: Accelerator, model: Any) -> AbstractContextManager[Any]:
    """A block in which ZeRO-3's weights are whole. (FSDP2's are gathered one by one: `head.whole`.)"""
    if accelerator.distributed_type is not DistributedType.DEEPSPEED or not sharded(accelerator):
        return nullcontext()
    import deepspeed  # type: ignore[import-not-found]

    return deepspeed.zero.GatheredParameters(list(model.parameters()))


class Frozen:
    """A policy whose weights stay as they are now: the reference of a KL term, and what rejection sampling draws from.

    Adapters that are switched off leave the base; where all weights are trained, it is a copy.
    """

    def __init__(self, model: Any) -> None:
        self.adapted = isinstance(model, PeftModel)
        self.model = model if self.adapted else copy.deepcopy(model).requires_grad_(False).eval()

    @contextmanager
    def weights(self, training: Any) -> Iterator[Any]:
        """The model to call: `training`, the prepared model, without its adapters; or the copy."""
        if not self.adapted:
            yield self.model
            return
        with self.model.disable_adapter():
            yield training

    @torch.no_grad()
    def move_towards(self, model: Any, share: float) -> None:
        """Mix `share` of the policy's weights into the reference (TR-DPO, arXiv 2404.09656)."""
        for own, trained in zip(self.model.parameters(), model.parameters(), strict=True):
            own.mul_(1 - share).add_(trained, alpha=share)
