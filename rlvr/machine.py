"""What this machine can do, which `rlvr check` prints, and whether it has what a config needs."""

from __future__ import annotations

import os
import platform
import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import verifiers
from rlvr.config import Config, SamplingConfig
from rlvr.errors import UserError
from rlvr.launch.processes import processes
from rlvr.run import versions
from rlvr.sampling import takes_vllm, vllm_engine
from rlvr.source_verifiers import SourceVerifier, verifiers_of
from verifiers import Problem, Verifier

if TYPE_CHECKING:
    from verifiers.self_test import SelfTest


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


def self_test(config: Config, verifier: SourceVerifier, problems: Sequence[Problem]) -> SelfTest:
    """Whether the verifier accepts each reference as the answer to its problem, and refuses that of another one."""
    from verifiers.self_test import self_test as test

    return test(problems, verifier.name, verifier_options(config, verifier))


def check_references(tested: SelfTest, most: float, source: str = "") -> None:
    """Raises UserError if more than the share `most` of the problems (of the source of this name) can get no
    verdict."""
    if tested.share_unverifiable > most:
        what = "references" if tested.gold == "reference" else "problems"
        why = (
            "can be equalled by no answer" if tested.gold == "reference" else "have tests that cannot be used"
        )
        raise UserError(
            f"{_of(source)}{len(tested.unverifiable)} {what} ({tested.share_unverifiable:.0%}) {why}, "
            f"first that of {tested.unverifiable[0][0]}; verification.max_unverifiable allows {most:.0%}. Leave such "
            "problems out (`where` of the source), or allow more of them"
        )


def check_answers(tested: SelfTest, least: float, source: str = "") -> None:
    """Raises UserError if the verifier accepts less than the share `least` of the data's own answers, or more than the
    rest of the programs that are wrong on purpose."""
    if tested.share_accepted < least:
        raise UserError(
            f"{_of(source)}the verifier accepts {tested.share_accepted:.0%} of the data's own {tested.gold}s as "
            f"answers to their problems, first refused {tested.own_refused[0][0]}; verification.min_accepted asks for "
            f"{least:.0%}. Mend what refuses them (columns, format, verifier_options), leave these problems out, or "
            "ask for less"
        )
    if tested.share_wrong_accepted > 1 - least:
        raise UserError(
            f"{_of(source)}{tested.share_wrong_accepted:.0%} of the programs that are wrong on purpose are accepted, "
            f"first for {tested.wrong_accepted[0][0]}; verification.min_accepted = {least:g} allows {1 - least:.0%}"
        )


def _of(source: str) -> str:
    return f"source {source}: " if source else ""


FUZZ, FUZZ_OF_SERVICE = 200, 8
"""Hostile texts that a verifier of one's own is tried with; a call of a service costs time and perhaps money."""


def conformance(config: Config, asked: SourceVerifier, problems: Sequence[Problem]) -> str | None:
    """What a verifier of one's own does with hostile texts as responses to the run's problems; None for a built-in one.

    Raises:
        UserError: it fails, hangs, contradicts itself, or gives one text two verdicts.
    """
    from verifiers import conformance as properties
    from verifiers.judging import is_built_in, is_service

    verifier = loaded(config, asked)
    if is_built_in(verifier):
        return None
    service = is_service(verifier)
    report = properties.check(
        asked.name,
        options=verifier_options(config, asked),
        fuzz=FUZZ_OF_SERVICE if service else FUZZ,
        deadline=config.verification.deadline,
        only=("total", "bounded") if service else ("total", "bounded", "deterministic"),
        problems=problems[:FUZZ],
    )
    if not report.ok:
        raise UserError(f"verifier {asked.name} does not conform: {report}")
    return f"{', '.join(report.passed)}: holds on {FUZZ_OF_SERVICE if service else FUZZ} hostile texts"


def check_parts(config: Config) -> dict[str, SourceVerifier]:
    """Refuse what the config needs and this machine does not have, before a model is loaded.

    Returns:
        The verifier of each source, with its pass mark, as `verifiers_of`.

    Raises:
        UserError and the verifiers' own errors.
    """
    from rlvr.policy import check_location

    check_location(config.model)
    asked = {
        source: replace(verifier, pass_mark=float(getattr(loaded(config, verifier), "pass_mark", 1.0)))
        for source, verifier in verifiers_of(config).items()
    }
    if config.train.steps:
        for term in config.train.rewards:
            close_verifier(verifiers.load(term.verifier, **(config.marks_option | term.verifier_options)))
    check_sandbox(config)
    check_engine(config.sampling, training=config.train.steps > 0)
    if config.resume not in ("auto", "never") and processes().is_main_process:
        from rlvr.training import checkpoints

        checkpoints.given(Path(config.resume))
    if config.train.steps and config.train.hooks:
        from rlvr.training.metrics_log import hook_classes

        hook_classes(config.train.hooks)
    if config.train.steps and config.train.trl:
        from rlvr.training import arguments

        arguments.check(config.train)
        arguments.trackers(config.train.trl.get("report_to"))
    return asked


def loaded(config: Config, asked: SourceVerifier) -> Verifier:
    """The verifier, to look at it: it is closed already."""
    verifier = verifiers.load(asked.name, **verifier_options(config, asked))
    close_verifier(verifier)
    return verifier


def close_verifier(verifier: Verifier) -> None:
    """A verifier that was loaded to look at it."""
    if close := getattr(verifier, "close", None):
        close()


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
            "the code verifier's sandbox is at level `weak`, on this machine or by verifier_options.level "
            "(`rlvr check` shows the layers). Set sandbox.allow_weak=true to run untrusted programs anyway."
        )


def sandbox_level(config: Config) -> str | None:
    """The lowest isolation level of untrusted programs, as configured or as this machine has it; None if none are
    run."""
    wanted = {str(v.options.get("level", "auto")) for v in verifiers_of(config).values() if runs_programs(v)}
    if not wanted:
        return None
    from verifiers.code import sandbox as code

    levels = [code.level() if level == "auto" else level for level in wanted]
    return "weak" if "weak" in levels else next(iter(levels), None)


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
