"""What this machine can do, which `rlvr check` prints, and whether it has what a config names."""

from __future__ import annotations

import os
import platform
import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import verifiers
from rlvr.config import Config, SamplingConfig
from rlvr.errors import UserError
from rlvr.run import versions
from rlvr.sampling import takes_vllm, vllm_engine
from verifiers import Problem

if TYPE_CHECKING:
    from verifiers.audit import SelfTest


def describe() -> Iterator[str]:
    """One line per fact: packages, torch's build, devices, sandbox, verifiers, shadowed packages, disk."""
    yield from (f"{name:<14}{found}" for name, found in versions().items())
    yield from devices()
    yield f"{'vllm':<14}{vllm_engine.unusable(SamplingConfig()) or vllm_engine.installed()}"
    yield from sandbox()
    for name, target in sorted(verifiers.installed().items()):
        yield f"{'verifier':<14}{name} ({target})"
    yield f"{'shadowed':<14}{verifiers.shadowed() or 'no: the package `verifiers` is ours'}"
    free = shutil.disk_usage(Path.cwd()).free
    yield f"{'disk':<14}{free / 1e9:.1f} GB free in {Path.cwd()}"


def devices() -> Iterator[str]:
    """Torch's build and what it can compute on."""
    import torch

    build = torch.version.cuda or getattr(torch.version, "hip", None)
    yield f"{'torch build':<14}{'CUDA/ROCm ' + build if build else 'CPU only'}"
    yield f"{'device':<14}cpu: {processor()}, {torch.get_num_threads()} threads, {platform.machine()}"
    for i in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(i)
        bf16 = "bfloat16" if torch.cuda.is_bf16_supported() else "no bfloat16"
        yield f"{'device':<14}cuda:{i} {properties.name}, {properties.total_memory / 1e9:.0f} GB, {bf16}"
    if torch.backends.mps.is_available():
        yield f"{'device':<14}mps"


def processor() -> str:
    """The cores that this process may use, and of what: "2 cores of AMD EPYC"."""
    model, cpuinfo = platform.processor() or platform.machine(), Path("/proc/cpuinfo")
    if cpuinfo.exists() and (found := re.search(r"model name\s*: (.*)", cpuinfo.read_text())):
        model = found[1]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{cores} cores of {model}"


def sandbox() -> Iterator[str]:
    """Each isolation layer of the code verifier, tried in a throw-away child."""
    from verifiers.code import sandbox as code

    for layer in code.probe():
        yield f"{'sandbox':<14}{layer.name}: {layer.state}{f' ({layer.reason})' if layer.reason else ''}"
    yield f"{'sandbox':<14}level {code.level()}"
    for attack in code.self_attack():
        outcome = "refused" if attack.held else f"SUCCEEDED: {attack.reason}"
        yield f"{'attack':<14}{attack.name}: {outcome}"


def self_test(config: Config, problems: Sequence[Problem]) -> SelfTest:
    """Does the verifier accept each reference as its own answer, and refuse a neighbour's?"""
    from verifiers.audit import self_test as test

    return test(problems, config.verifier, verifier_options(config))


def check_parts(config: Config) -> None:
    """Refuse what the config names and this machine cannot give, before a model is loaded.

    Raises:
        UserError and the verifiers' own errors.
    """
    from rlvr.policy import check_location

    check_location(config.model)
    verifier = verifiers.load(config.verifier, **verifier_options(config))
    if close := getattr(verifier, "close", None):
        close()
    check_sandbox(config)
    check_engine(config.sampling, training=config.train.steps > 0)
    if config.train.steps and config.train.trl:
        from rlvr.training import arguments

        arguments.check(config.train)


def check_engine(sampling: SamplingConfig, training: bool) -> None:
    """Raises UserError where the engine that was asked for cannot sample with these settings."""
    if sampling.engine == "vllm" and (why := vllm_engine.unusable(sampling)):
        raise UserError(f"sampling.engine: {why}, or sampling.engine=transformers")
    if sampling.vllm.tensor_parallel_size > 1:
        from rlvr.policy import device

        if takes_vllm(sampling, device().type):
            vllm_engine.check_parallel(sampling, training)


def check_sandbox(config: Config) -> None:
    """Refuse to run untrusted programs below isolation level `standard`, unless the config allows it."""
    if sandbox_level(config) == "weak" and not config.sandbox.allow_weak:
        raise UserError(
            "the code verifier's sandbox is at level `weak` on this machine or by verifier_options.level "
            "(see `rlvr check`). "
            "Set sandbox.allow_weak=true to run untrusted programs all the same."
        )


def sandbox_level(config: Config) -> str | None:
    """The isolation level that untrusted programs get here, or that was asked for; None where none are run."""
    if "code" not in config.verifier.split("+"):
        return None
    from verifiers.code import sandbox as code

    wanted = config.verifier_options.get("level", "auto")
    return code.level() if wanted == "auto" else str(wanted)


def verifier_options(config: Config) -> dict[str, Any]:
    """The config's options of the verifier, with the leave to run programs in a weak sandbox where given."""
    weak = {"allow_weak": True} if sandbox_level(config) is not None and config.sandbox.allow_weak else {}
    return weak | config.verifier_options


def warnings(config: Config) -> list[str]:
    """What a reader of the log and of the report must know besides the figures."""
    found = []
    if sandbox_level(config) == "weak":
        found.append(
            "Untrusted programs run in a WEAK sandbox, below level `standard` (sandbox.allow_weak is on)."
        )
    if config.sampling.engine == "auto" and vllm_engine.installed():
        import torch

        if torch.cuda.is_available() and (why := vllm_engine.unusable(config.sampling)):
            found.append(f"transformers samples, although vLLM is installed: {why}")
    return found
