"""Policy → episodes. `driver` is the one place that rolls out; `engine` samples with transformers, `vllm` with vLLM;
`score` gives log-probabilities of what was written."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from rlvr.config import SamplingConfig
from rlvr.sampling.types import Completion, Sampler, SampleRequest

if TYPE_CHECKING:
    from rlvr.policy import Policy

__all__ = ["Completion", "SampleRequest", "Sampler", "sampler", "takes_vllm"]


def takes_vllm(settings: SamplingConfig, device: str) -> bool:
    """Whether `sampling.engine` asks for vLLM; `auto` does where it is installed and there is a GPU."""
    return settings.engine == "vllm" or (
        settings.engine == "auto" and device == "cuda" and find_spec("vllm") is not None
    )


def sampler(policy: Policy, settings: SamplingConfig) -> Sampler:
    """The engine that `sampling.engine` names, with the policy's weights.

    vLLM loads its own copy of the weights from the files at `policy.source`. For weights that memory alone holds,
    training keeps an engine that is given them (`training/current_policy.py`).
    """
    if takes_vllm(settings, policy.device.type) and policy.weights == "disk":
        from rlvr.sampling.vllm import VllmSampler

        return VllmSampler(policy, settings)
    from rlvr.sampling.engine import TransformersSampler

    return TransformersSampler(policy, settings)
