"""The policy in training, to sample from: whoever asks gets an engine that has the weights of this moment.

Three kinds, behind one call: the model itself in memory; a whole copy that sharded weights are gathered into
(decoding on shards would need every process at every token); vLLM, whose copy is synced (`vllm_sync`).
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import Any

import torch
from accelerate import Accelerator
from peft import PeftModel

from rlvr import soft_embedding
from rlvr.config import SamplingConfig
from rlvr.policy import Policy
from rlvr.sampling import Sampler
from rlvr.sampling.engine import TransformersSampler
from rlvr.training.head import whole
from rlvr.training.sharding import gathering
from rlvr.training.vllm_sync import SyncedEngine


class CurrentPolicy:
    """
    Args:
        policy: as it was loaded; its name, tokenizer and source go on.
        model: the prepared model (wrapped by DDP, FSDP or DeepSpeed, where there are several processes).
        whole: an unsharded copy of the model, only where `model` is sharded and transformers samples.
        vllm: vLLM samples; its engine starts with the first use.
    """

    def __init__(
        self,
        policy: Policy,
        model: Any,
        accelerator: Accelerator,
        settings: SamplingConfig,
        whole: Any = None,
        vllm: bool = False,
    ) -> None:
        self.policy, self.model, self.accelerator, self.settings = policy, model, accelerator, settings
        self._whole: Any = whole
        self._vllm = vllm
        self._engine: SyncedEngine | None = None

    @contextmanager
    def sampler(self, name: str, frozen: Frozen | None = None) -> Iterator[Sampler]:
        """Sample with the weights as they are now, or with those of `frozen`; rows will say that `name` drew them.
        Every process must ask at the same time."""
        model = self._gathered() if self._whole is not None else self.accelerator.unwrap_model(self.model)
        with frozen.weights(model) if frozen else nullcontext(model) as drawing:
            policy = replace(self.policy, name=name, model=drawing, weights="memory")
            with self._synced(policy) if self._vllm else self._in_memory(policy) as sampler:
                yield sampler

    @contextmanager
    def _in_memory(self, policy: Policy) -> Iterator[Sampler]:
        training = policy.model.training
        policy.model.eval()
        try:
            with self.accelerator.autocast():
                yield TransformersSampler(policy, self.settings)
        finally:
            policy.model.train(training)

    @contextmanager
    def _synced(self, policy: Policy) -> Iterator[Sampler]:
        if self._engine is None:
            self._engine = SyncedEngine(self.policy, self.accelerator, self.settings)
        with self._engine.having(policy) as sampler:
            yield sampler

    def close(self) -> None:
        """Give back what the engine holds besides the policy's own weights."""
        self._whole = None
        if self._engine is not None:
            self._engine.close()
            self._engine = None

    @torch.no_grad()
    def _gathered(self) -> Any:
        """The whole copy, with the weights of this moment."""
        model, copied = self.accelerator.unwrap_model(self.model), self._whole
        with gathering(self.accelerator, model.parameters()):
            full = {name: whole(p.detach()) for name, p in model.named_parameters()}
            found = copied.load_state_dict(full, strict=False)
        assert not found.unexpected_keys, found.unexpected_keys
        return copied


class Frozen:
    """A policy whose weights stay as they are now: the reference of a KL term, a teacher, what rejection draws from.

    An adapter that is switched off leaves the base, a soft prompt that is left out too. Where all weights are trained,
    or the adapter had `begun` before (the base is then not the policy that this run began with), it is a copy.
    """

    def __init__(self, model: Any, begun: bool = False) -> None:
        self.soft = soft_embedding.of(model) is not None
        self.adapted = (isinstance(model, PeftModel) or self.soft) and not begun
        self.model = model if self.adapted else copy.deepcopy(model).requires_grad_(False).eval()

    @contextmanager
    def weights(self, training: Any) -> Iterator[Any]:
        """The model to call: `training`, the prepared model, without its adapters; or the copy."""
        if not self.adapted:
            yield self.model
            return
        if (
            self.soft
        ):  # whoever reads a prompt asks the model for its virtual tokens: there are none meanwhile
            with soft_embedding.without(training):
                yield training
            return
        gathered = (
            training if isinstance(training, PeftModel) else self.model
        )  # a whole copy has its own adapters
        with gathered.disable_adapter():
            yield training

    @torch.no_grad()
    def move_towards(self, model: Any, share: float) -> None:
        """Mix `share` of the policy's weights into the reference (TR-DPO, arXiv 2404.09656)."""
        for own, trained in zip(self.model.parameters(), model.parameters(), strict=True):
            own.mul_(1 - share).add_(whole(trained), alpha=share)
