"""Policy → traces. `engine` samples with transformers, `vllm` with vLLM; `score` gives log-probabilities."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rlvr.config import Config
from rlvr.sampling.types import Completion, Row, Sampler

if TYPE_CHECKING:
    from rlvr.policy import Policy

__all__ = ["Completion", "Row", "Sampler", "sampler"]


def sampler(policy: Policy, config: Config) -> Sampler:
    """The engine that `sampling.engine` names; `auto` takes vLLM where it is installed and there is a GPU."""
    from importlib.util import find_spec

    engine = config.sampling.engine
    if engine == "vllm" or (engine == "auto" and policy.device.type == "cuda" and find_spec("vllm")):
        from rlvr.sampling.vllm import VllmSampler

        return VllmSampler(policy, config.sampling)
    from rlvr.sampling.engine import TransformersSampler

    return TransformersSampler(policy, config.sampling)
