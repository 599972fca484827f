"""vLLM beside the trainer: an engine in the same processes, which is given the policy's weights from memory.

It starts with random weights, and samples inside `having` alone, which gives it the weights first: it can never answer
with those that lie at `policy.source`. They pass through vLLM's own `reload_weights`, which takes them under the names
of a checkpoint and brings them into the layout of its kernels. (TRL's `VLLMGeneration` writes into that layout
directly, which a layer that packs or fuses its weights does not see, and leaves dtype and revision to vLLM.)
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from accelerate import Accelerator
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import nn

from rlvr.adapters import VALUE_HEAD
from rlvr.config import SamplingConfig
from rlvr.errors import RunError
from rlvr.policy import Policy
from rlvr.sampling import vllm_engine
from rlvr.sampling.vllm import VllmSampler
from rlvr.training.head import whole
from rlvr.training.sharding import gathering, zero_3

PRECISION = {"bf16": "bfloat16", "fp16": "float16"}


class SyncedEngine:
    """One for a whole training run; all processes make it, use it and close it together.

    Args:
        policy: as it was loaded: architecture, tokenizer, source.
    """

    def __init__(self, policy: Policy, accelerator: Accelerator, settings: SamplingConfig) -> None:
        self.accelerator, self.settings, self.sleeps = accelerator, settings, settings.vllm.sleep
        dtype = PRECISION.get(accelerator.mixed_precision) or str(policy.model.dtype).removeprefix("torch.")
        self.llm: Any = vllm_engine.start(policy, settings, dtype, load_format="dummy", in_process=True)
        if self.sleeps:
            self.llm.sleep(level=2)

    @contextmanager
    def having(self, policy: Policy) -> Iterator[VllmSampler]:
        """Sample with the weights of `policy.model` (unwrapped; sharded weights are gathered one layer at a time).

        Raises:
            RunError: vLLM has weights that the model does not give it.
        """
        if self.sleeps:
            torch.cuda.empty_cache()
            self.llm.wake_up(tags=["weights"])
        self._load(policy.model)
        self.llm.reset_prefix_cache()  # its keys and values are of the weights before
        if self.sleeps:
            self.llm.wake_up(tags=["kv_cache"])
        try:
            yield VllmSampler(policy, self.settings, self.llm)
        finally:
            if self.sleeps:
                self.llm.sleep(level=2)

    def _load(self, model: nn.Module) -> None:
        (taker,) = self.llm.apply_model(lambda taker: taker)
        needed, loaded = {name for name, _ in taker.named_parameters()}, set[str]()
        load = taker.load_weights

        def noting(weights: Any) -> set[str] | None:
            found = load(weights)
            loaded.update(needed if found is None else found)  # a few architectures do not say
            return found

        taker.load_weights = noting
        try:
            self.llm.collective_rpc(
                "reload_weights", kwargs={"weights_iterator": named_weights(model, self.accelerator)}
            )
        finally:
            del taker.load_weights
        if missing := sorted(needed - loaded):
            raise RunError(
                f"vLLM's model has {len(missing)} weights that the policy does not give it, such as {missing[0]}: "
                "set sampling.engine=transformers"
            )

    def close(self) -> None:
        """End the engine and free its memory."""
        vllm_engine.shut_down(self.llm)
        self.llm = None
        vllm_engine.free_memory()


@torch.no_grad()
def named_weights(model: nn.Module, accelerator: Accelerator) -> Iterator[tuple[str, torch.Tensor]]:
    """The policy's weights under the names of its base's checkpoint, adapters merged, without a value head.

    Adapters are merged into a copy of each layer: merging in place and taking out again would move bfloat16 weights
    a little each time. Those that are switched off (`disable_adapter`) count for nothing.
    """
    for path, module in model.named_modules():
        name = path.removeprefix("base_model.model.")
        if ".base_layer" in path or ".lora_" in path:
            continue
        if isinstance(module, BaseTunerLayer):
            yield from ((f"{name}.{key}", weight) for key, weight in merged(module, accelerator).items())
        elif VALUE_HEAD not in path:
            for key, parameter in module.named_parameters(recurse=False):
                yield (f"{name}.{key}" if name else key), gathered(parameter, accelerator)


def merged(layer: BaseTunerLayer, accelerator: Accelerator) -> dict[str, torch.Tensor]:
    """The weights of a layer with what its active adapters add, in the adapters' precision. (Adapters on several
    parameters of one module, such as a mixture's experts, are layers around each other.)"""
    module: Any = layer
    base = module.get_base_layer()
    weights = {key: gathered(p, accelerator) for key, p in base.named_parameters(recurse=False)}
    while isinstance(module, BaseTunerLayer):
        around: Any = module
        key = getattr(around, "parameter_name", "weight")
        for adapter in [] if around.disable_adapters else around.active_adapters:
            with gathering(accelerator, around.parameters()):
                delta = whole(around.get_delta_weight(adapter))
            weights[key] = weights[key] + delta
        module = around.base_layer
    return weights


def gathered(parameter: nn.Parameter, accelerator: Accelerator) -> torch.Tensor:
    """The whole parameter; vLLM may keep it until its layer is complete."""
    with gathering(accelerator, [parameter]):
        weight = whole(parameter.detach())
        return weight.clone() if zero_3(accelerator) else weight
