"""Policy → episodes. `driver` is the one place that rolls out; `engine` samples with transformers, `vllm` with vLLM;
`score` gives log-probabilities of what was written."""

from __future__ import annotations

from pathlib import Path

from rlvr.config import Config, SamplingConfig
from rlvr.sampling.types import Completion, Sampler, SampleRequest

__all__ = ["Completion", "SampleRequest", "Sampler", "load_sampler", "takes_vllm"]


def takes_vllm(settings: SamplingConfig, device: str) -> bool:
    """Whether vLLM samples: `sampling.engine` asks for it, or is `auto` on a GPU where vLLM can."""
    from rlvr.sampling.vllm_engine import unusable

    return settings.engine == "vllm" or (
        settings.engine == "auto" and device == "cuda" and unusable(settings) is None
    )


def load_sampler(config: Config, name: str, source: str | Path | None = None) -> Sampler:
    """The policy at `source` (the config's model where None), in the engine that `sampling.engine` names: vLLM reads
    whole models, so an adapter is merged in memory and sampled from by transformers. All processes call it.

    Raises:
        PolicyError: the policy cannot be loaded.
        ConfigError: vLLM is asked for and cannot sample with these settings.
    """
    from rlvr.policy import device, load_policy, place_of

    if takes_vllm(config.sampling, device().type) and not place_of(config, source).adapter:
        from rlvr.sampling import vllm

        return vllm.from_disk(load_policy(config, name, source, weights=False), config.sampling)
    from rlvr.sampling.engine import TransformersSampler

    return TransformersSampler(load_policy(config, name, source), config.sampling)
