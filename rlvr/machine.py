"""What this machine can do, which `rlvr check` prints, and what it makes of a config's sandbox and engine."""

from __future__ import annotations

import os
import platform
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import verifiers
from rlvr.config import Config, SamplingConfig
from rlvr.run import versions
from rlvr.sampling import vllm_engine
from rlvr.source_verifiers import SourceVerifier, verifiers_of
from verifiers import Verifier


def describe() -> Iterator[str]:
    """One line per fact: packages, torch's build, devices, sandbox, verifiers, shadowed packages, disk."""
    yield from (f"{name:<14}{found}" for name, found in versions().items())
    yield from devices()
    yield f"{'vllm':<14}{vllm_engine.unusable(SamplingConfig()) or vllm_engine.installed()}"
    yield from sandbox()
    for name, target in sorted(verifiers.installed().items()):
        yield f"{'verifier':<14}{name} ({target})"
    yield f"{'shadowed':<14}{verifiers.shadowed() or 'no: no other package named `verifiers` is installed'}"
    free = shutil.disk_usage(Path.cwd()).free
    yield f"{'disk':<14}{free / 1e9:.1f} GB free in {Path.cwd()}"


def devices() -> Iterator[str]:
    """Torch's build and the devices it can use."""
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
    """The cores that this process may use: "2 cores of AMD EPYC"."""
    model, cpuinfo = platform.processor() or platform.machine(), Path("/proc/cpuinfo")
    if cpuinfo.exists() and (found := re.search(r"model name\s*: (.*)", cpuinfo.read_text())):
        model = found[1]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{cores} cores of {model}"


def measured_on() -> dict[str, Any]:
    """What a measurement was made on, for the file of its figures: processor, load of the last minute, versions."""
    return {"processor": processor(), "load": round(os.getloadavg()[0], 1), **versions()}


def sandbox() -> Iterator[str]:
    """Each isolation layer of the code verifier, tried in a throw-away process."""
    from verifiers.code import attacks
    from verifiers.code import sandbox as code

    for layer in code.probe():
        yield f"{'sandbox':<14}{layer.name}: {layer.state}{f' ({layer.reason})' if layer.reason else ''}"
    yield f"{'sandbox':<14}level {code.level()}"
    for attack in attacks.self_attack():
        outcome = "refused" if attack.held else f"SUCCEEDED: {attack.reason}"
        yield f"{'attack':<14}{attack.name}: {outcome}"


def sandbox_level(config: Config) -> str | None:
    """The lowest isolation level of untrusted programs, as configured or as this machine has it; None if none are
    run."""
    runners = [v.options for v in verifiers_of(config).values() if runs_programs(v)]
    runners += [config.environment_options] if config.environment == "python" else []
    wanted = {str(options.get("level", "auto")) for options in runners}
    if not wanted:
        return None
    from verifiers.code import sandbox as code

    levels = [code.level() if level == "auto" else level for level in wanted]
    return "weak" if "weak" in levels else next(iter(levels), None)


def loaded(config: Config, asked: SourceVerifier) -> Verifier:
    """The verifier, to look at it: it is closed already."""
    verifier = verifiers.load(asked.name, **verifier_options(config, asked))
    close_verifier(verifier)
    return verifier


def close_verifier(verifier: Verifier) -> None:
    """A verifier that was loaded to look at it."""
    if close := getattr(verifier, "close", None):
        close()


def runs_programs(verifier: SourceVerifier) -> bool:
    return "code" in verifier.name.split("+")


def verifier_options(config: Config, verifier: SourceVerifier) -> dict[str, Any]:
    """The verifier's options, with the permission to use a weak sandbox if the config gives it."""
    weak = {"allow_weak": True} if runs_programs(verifier) and config.sandbox.allow_weak else {}
    return weak | dict(verifier.options)


def warnings(config: Config) -> list[str]:
    """What a reader of the log and the report must know besides the figures."""
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
