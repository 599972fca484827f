"""Policy → episodes. `driver` is the one place that rolls out; `engine` samples with transformers, `vllm` with vLLM,
`http` by servers; `score` gives log-probabilities of what was written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from rlvr.config import Config, SamplingConfig
from rlvr.sampling.types import Completion, Sampler, SampleRequest, Score

if TYPE_CHECKING:
    from rlvr.policy import Policy
    from rlvr.sampling.http import HttpSampler

__all__ = [
    "Completion",
    "SampleRequest",
    "Sampler",
    "gpus_of_an_engine",
    "load_sampler",
    "load_scorer",
    "load_served",
    "takes_vllm",
]


def takes_vllm(settings: SamplingConfig, device: str) -> bool:
    """Whether vLLM samples: `sampling.engine` asks for it, or is `auto` on a GPU where vLLM can."""
    from rlvr.sampling.vllm_engine import unusable

    return settings.engine == "vllm" or (
        settings.engine == "auto" and device == "cuda" and unusable(settings) is None
    )


def gpus_of_an_engine(config: Config) -> int:
    """How many GPUs one engine has: as many as `sampling.vllm.tensor_parallel_size` says, where vLLM samples."""
    from rlvr.policy import device

    return config.sampling.vllm.tensor_parallel_size if takes_vllm(config.sampling, device().type) else 1


def load_sampler(config: Config, name: str, source: str | Path | None = None) -> Sampler:
    """The policy at `source` (the config's model where None), in the engine that `sampling.engine` names: vLLM reads
    whole models, so an adapter is merged in memory and sampled from by transformers. All processes call it.

    Raises:
        PolicyError: the policy cannot be loaded.
        ConfigError: vLLM or servers are asked for and cannot sample with these settings.
    """
    from rlvr.policy import device, load_policy, place_of

    if config.sampling.engine == "http":
        return load_served(config, name, source)
    if takes_vllm(config.sampling, device().type) and not place_of(config, source).adapter:
        from rlvr.sampling import vllm

        return vllm.from_disk(load_policy(config, name, source, weights=False), config.sampling)
    from rlvr.sampling.engine import TransformersSampler

    return TransformersSampler(load_policy(config, name, source), config.sampling)


def load_served(config: Config, name: str, source: str | Path | None = None) -> HttpSampler:
    """The policy at `source`, by the servers that have it; its weights are not read here. Raises ConfigError."""
    from rlvr.policy import blueprint
    from rlvr.sampling import http

    if source not in (None, config.model):
        config = config.model_copy(update={"model": str(source), "base_model": None, "revision": None})
    return http.from_servers(replace(blueprint(config), name=name), config.sampling)


def load_scorer(
    config: Config, name: str, source: str | Path, say: Callable[[str], None]
) -> tuple[Policy, Score | None]:
    """The policy at `source`, and the servers' log-probabilities under it, where they sample and can say them; None:
    the policy has its weights here.

    Args:
        say: told where the servers cannot.
    """
    from rlvr.policy import load_policy

    if config.sampling.engine == "http":
        sampler = load_served(config, name, source)
        if sampler.why_unscored is None:
            return sampler.policy, sampler.logprobs
        say(f"{sampler.why_unscored}: transformers scores here, under the {name} policy")
        sampler.close()
    return load_policy(config, name, source), None
