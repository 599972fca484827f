"""Starting and ending a vLLM engine: which versions and settings it takes, on which GPU, with which options."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import packages_distributions
from importlib.metadata import version as version_of
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Literal

from packaging.specifiers import SpecifierSet

from rlvr.config import ConfigError, SamplingConfig
from rlvr.launch.processes import place, processes

if TYPE_CHECKING:
    from rlvr.policy import Policy

VERSIONS = ">=0.28,<0.31"
"""Those that take the versions of torch and transformers that rlvr is pinned to; the extra `vllm` says the same."""
ALONE, BESIDE_A_TRAINER = 0.9, 0.3
"""Share of a GPU's memory for the engine: alone, and where weights, gradients and optimiser need the rest."""


def unusable(settings: SamplingConfig) -> str | None:
    """Why vLLM cannot sample with these settings on this machine; None where it can."""
    found = installed()
    if found is None:
        return "vLLM is not installed: pip install 'rlvr[vllm]'"
    if not SpecifierSet(VERSIONS).contains(found, prereleases=True):
        return f"vLLM {found} is installed, and rlvr works with {VERSIONS}: pip install 'rlvr[vllm]'"
    return refused(settings)


def installed() -> str | None:
    """vLLM's version, whatever the name of its distribution (builds for CPUs have names of their own)."""
    if find_spec("vllm") is None:
        return None
    return version_of(packages_distributions().get("vllm", ["vllm"])[0])


def refused(settings: SamplingConfig) -> str | None:
    """Why vLLM would draw from another distribution than transformers, or not record its log-probabilities."""
    if settings.min_p and settings.top_p < 1:
        return "vLLM and transformers apply min_p and top_p in different orders: set one of them"
    if settings.temperature not in (0, 1) and truncates(settings):
        return (
            f"with temperature {settings.temperature} and top_p, top_k or min_p vLLM does not give the log-probability "
            "before truncation, which rollout rows record: set temperature to 1"
        )
    return None


def truncates(settings: SamplingConfig) -> bool:
    return settings.top_p < 1 or bool(settings.top_k) or bool(settings.min_p)


def nats_of(settings: SamplingConfig) -> Literal["raw", "processed"]:
    """Which log-probability vLLM gives of each token: of the policy (raw), or after temperature and truncation
    (processed). A rollout row wants it after the temperature and before truncation."""
    return "raw" if settings.temperature in (0, 1) else "processed"


def check_parallel(settings: SamplingConfig, training: bool, count: int, answered: bool = False) -> None:
    """Raises ConfigError where the processes cannot be put together to engines of `tensor_parallel_size` GPUs, or would
    not call one that they share as often as each other: where an environment answers, episodes have as many turns as
    they need.

    A launch of one process may evaluate with several GPUs, whose workers vLLM starts itself; an engine that weights are
    synced to has its workers in the processes that train.

    Args:
        count: of processes in the launch.
        answered: an environment answers the policy.
    """
    size = settings.vllm.tensor_parallel_size
    if size > 1 and (training or count > 1) and count % size:
        raise ConfigError(
            f"sampling.vllm.tensor_parallel_size: {size} does not divide the {count} processes of this launch"
        )
    if size > 1 and count > 1 and answered:
        raise ConfigError(
            f"sampling.vllm.tensor_parallel_size: {size} processes would share an engine and each ask it for another "
            "number of turns, which the environment decides: set it to 1, or start one process for its GPUs"
        )


def check_gpus(settings: SamplingConfig) -> None:
    """Raises ConfigError where this process sees fewer GPUs than an engine of its own has: a worker sees its share."""
    import torch

    size, seen, (_, workers) = settings.vllm.tensor_parallel_size, torch.cuda.device_count(), place()
    if not 0 < seen < size:
        return
    several = f", its share among {workers} workers" if workers > 1 else ""
    instead = f"; start --processes {fits}" if (fits := workers * seen // size) and workers > 1 else ""
    raise ConfigError(
        f"sampling.vllm.tensor_parallel_size: an engine has {size} GPUs, and this process sees {seen}{several}{instead}"
    )


def start(
    policy: Policy,
    settings: SamplingConfig,
    dtype: str,
    load_format: Literal["auto", "dummy"] = "auto",
    in_process: bool = False,
) -> Any:
    """A `vllm.LLM` of the policy's architecture.

    Args:
        dtype: of its weights and activations.
        load_format: `auto` reads the weights at `policy.source`; `dummy` makes random ones, to be replaced.
        in_process: the engine works in this process, on its GPU, and not in processes of its own on the first one.

    Raises:
        ConfigError: vLLM cannot sample with these settings.
    """
    if why := unusable(settings):
        raise ConfigError(f"sampling.engine: {why}")
    if not in_process:
        check_gpus(settings)
    import torch
    from vllm import LLM  # type: ignore[import-not-found]

    chosen, synced = settings.vllm, load_format == "dummy"
    share = chosen.gpu_memory_utilization or (BESIDE_A_TRAINER if synced else ALONE)
    gpus = list(range(torch.cuda.device_count()))
    if gpus:
        torch.cuda.empty_cache()  # vLLM counts what torch caches as taken
    with environment(), torch.random.fork_rng(gpus):  # in this process vLLM seeds the generators
        if in_process:
            os.environ.update(launched())
        return LLM(
            model=policy.source,
            revision=policy.revision,
            tokenizer_revision=policy.revision,
            trust_remote_code=policy.trust_remote_code,
            dtype=dtype,
            load_format=load_format,
            distributed_executor_backend="external_launcher" if in_process else None,
            tensor_parallel_size=chosen.tensor_parallel_size,
            gpu_memory_utilization=share,
            max_model_len=chosen.max_model_len or -1,  # -1: as much as the memory allows
            max_num_seqs=chosen.max_num_seqs,
            max_num_batched_tokens=chosen.max_num_batched_tokens,
            enforce_eager=chosen.enforce_eager,
            enable_sleep_mode=synced and chosen.sleep,
            logprobs_mode=f"{nats_of(settings)}_logprobs",
            seed=0,  # rows have seeds of their own
            disable_log_stats=True,
        )


def launched() -> dict[str, str]:
    """What `torchrun` sets, which vLLM reads to find its place among the processes and its GPU."""
    from vllm.utils.network_utils import get_open_port  # type: ignore[import-not-found]

    state = processes()
    place = {
        "RANK": str(state.process_index),
        "LOCAL_RANK": str(state.local_process_index),
        "WORLD_SIZE": str(state.num_processes),
    }
    if state.num_processes > 1:  # whose process group vLLM takes
        return place
    return place | {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(get_open_port())}


@contextmanager
def environment() -> Iterator[None]:
    """Undo what the block changes in os.environ: vLLM leaves variables there that would reach processes that are
    started later (verifiers, and the next engine)."""
    before = dict(os.environ)
    try:
        yield
    finally:
        for name in os.environ.keys() - before.keys():
            del os.environ[name]
        os.environ.update(before)


def works_in_process(llm: Any) -> bool:
    return hasattr(llm.llm_engine.engine_core, "engine_core")


def shut_down(llm: Any) -> None:
    """End the engine's processes, or, where it works in this one, take it out of it: the trainer's process group stays,
    which vLLM's own `shutdown` would destroy."""
    core = llm.llm_engine.engine_core
    if not works_in_process(llm):
        core.shutdown()
        return
    from vllm.distributed import parallel_state  # type: ignore[import-not-found]

    core.engine_core.model_executor.shutdown()
    core.engine_core.scheduler.shutdown()
    parallel_state.destroy_model_parallel()
    if processes().num_processes == 1:  # then the group is vLLM's
        parallel_state.destroy_distributed_environment()


def free_memory() -> None:
    """Collect what a dropped engine leaves in cycles, and give torch's cached memory back."""
    import gc

    import torch

    gc.unfreeze()  # an engine in this process froze all objects that were alive when it started
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
