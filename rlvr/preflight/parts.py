"""Checks of what a config names: folder, model, verifier, engine. No data, no model is read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import verifiers
from rlvr import hub, machine
from rlvr.config import Config, SamplingConfig
from rlvr.environments.worker import EnvironmentPool
from rlvr.errors import UserError
from rlvr.launch import engine as launched
from rlvr.launch.processes import by_main, processes
from rlvr.policy import place_of
from rlvr.preflight.state import Preflight
from rlvr.run import Run, check_folder
from rlvr.sampling import http, load_served, takes_vllm, vllm_engine
from rlvr.soft_prompt import is_one
from rlvr.source_verifiers import verifiers_of


def launch(state: Preflight) -> Iterator[str]:
    """The processes of the launch have joined, under the engine that was asked for."""
    for line in launched.warnings():
        state.say(line)
    found = launched.in_force()
    if processes().num_processes > 1 and state.folder is None:  # a run says it in its log
        state.say(f"Processes: {found}")
    if state.steps > 0 and trained(state) is None:
        launched.check_loading()
    return
    yield


def folder(state: Preflight) -> Iterator[str]:
    """The output folder is free, or holds this run; and can be written to."""
    if state.folder is None:
        return
    state.begun = check_folder(state.config, state.folder)
    place = existing(state.folder)
    if not place.is_dir():
        raise UserError(f"--output {state.folder}: Not a directory: {place}")
    if not os.access(place, os.W_OK | os.X_OK):
        readonly = os.statvfs(place).f_flag & os.ST_RDONLY
        raise UserError(
            f"--output {state.folder}: {'Read-only file system' if readonly else 'Permission denied'}: {place}"
        )
    yield f"output folder {state.folder}: {'holds this run, which would continue' if state.begun else 'free'}"


def existing(path: Path) -> Path:
    """The path, or the nearest of its parents that is there."""
    return next(place for place in (path.absolute(), *path.absolute().parents) if place.exists())


def model_location(state: Preflight) -> Iterator[str]:
    """There is such a folder, or such a name on the Hub."""
    name = state.config.model
    place = place_of(state.config)
    if state.config.base_model and not place.adapter:
        raise UserError(f"base_model={state.config.base_model}: {name} is no adapter, so it needs no base")
    if (asked := state.config.sampling.engine) in ("vllm", "http") and place.adapter:
        export = "" if is_one(place.adapter) else f"`rlvr export {place.adapter}` writes one, or "
        raise UserError(
            f"sampling.engine: {'vLLM' if asked == 'vllm' else 'a server'} reads whole models, and {place.adapter} is "
            f"an adapter: {export}sampling.engine=transformers"
        )
    if state.trains and state.config.revision and (name == "tiny" or Path(name).is_dir()):
        raise UserError(f"revision: {state.config.revision!r} is of a Hub name, and model {name} is a folder")
    if (
        name != "tiny"
        and not Path(name).is_dir()
        and (why := hub.missing(name, "model", state.config.revision))
    ):
        raise UserError(f"model {name}: no such folder, and {why}{hub.hint(name)}")
    if place.adapter or place.model != name:
        yield f"model {name}: {place}"


def verifier(state: Preflight) -> Iterator[str]:
    """The verifier of each source, and the further terms of the reward, load with their options."""
    config = state.config
    state.verifiers = {
        source: replace(asked, pass_mark=float(getattr(machine.loaded(config, asked), "pass_mark", 1.0)))
        for source, asked in verifiers_of(config).items()
    }
    for term in config.train.rewards if state.steps else ():
        machine.close_verifier(verifiers.load(term.verifier, **(config.marks_option | term.verifier_options)))
    return
    yield


def environment(state: Preflight) -> Iterator[str]:
    """The environment is there, and takes its options."""
    config = state.config
    if config.environment is not None:
        limits = config.verification
        state.environment = EnvironmentPool(
            config.environment,
            config.environment_options,
            workers=limits.workers or None,
            deadline=limits.deadline,
            memory_mb=limits.memory_mb,
        )
        yield f"environment {config.environment}: answers each turn of the policy"


def sandbox(state: Preflight) -> Iterator[str]:
    """Untrusted programs run at isolation level `standard` or above, unless the config allows less."""
    config = state.config
    if machine.sandbox_level(config) == "weak" and not config.sandbox.allow_weak:
        raise UserError(
            "the sandbox of programs is at level `weak`, on this machine or by verifier_options.level "
            "(`rlvr check` shows the layers). Set sandbox.allow_weak=true to run untrusted programs anyway."
        )
    return
    yield


def engine(state: Preflight) -> Iterator[str]:
    """The engine that is asked for can sample with these settings."""
    training = state.steps > 0 and trained(state) is None
    check_engine(state.config.sampling, training, state.trainers, state.config.environment is not None)
    return
    yield


def trained(state: Preflight) -> Path | None:
    """The model of a run whose training is over."""
    model = Run(state.folder).model if state.folder else None
    return model if model and model.is_dir() else None


def check_engine(sampling: SamplingConfig, training: bool, count: int = 1, answered: bool = False) -> None:
    """Raises UserError where the engine that was asked for cannot sample with these settings.

    Args:
        count: of processes that train, or of the launch.
        answered: an environment answers the policy.
    """
    if sampling.engine == "vllm" and (why := vllm_engine.unusable(sampling)):
        raise UserError(f"sampling.engine: {why}, or sampling.engine=transformers")
    if sampling.engine == "http" and (why := http.unusable(sampling)):
        raise UserError(f"sampling.engine: {why}")
    if sampling.engine == "http" and training:
        raise UserError(
            "sampling.engine: servers have the weights of a file, and training samples from those in memory: train "
            "with another engine; `rlvr eval`, `rlvr compare`, and `rlvr run` once the run is trained take http"
        )
    if sampling.vllm.tensor_parallel_size > 1:
        from rlvr.policy import device

        if takes_vllm(sampling, device().type):
            vllm_engine.check_parallel(sampling, training, count, answered)


def servers(state: Preflight) -> Iterator[str]:
    """The servers that are to sample have the model, and say what rollout rows need."""
    if state.config.sampling.engine != "http":
        return
    tuned = trained(state) if state.trains else None
    for model in filter(None, (state.config.model, tuned)):
        with closing(load_served(state.config, "policy", model)) as sampler:
            urls = [server.url for server in sampler.fleet.servers]
            scored = f"; {sampler.why_unscored}" if state.trains and sampler.why_unscored else ""
            yield f"servers of {model}: {', '.join(urls)}{scored}"


def checkpoint(state: Preflight) -> Iterator[str]:
    """The checkpoint that `resume` names is whole."""
    if names_checkpoint(state.config):
        by_main(lambda: check_checkpoint(state))
    return
    yield


def check_checkpoint(state: Preflight) -> None:
    """Raises UserError: there is none, it is damaged, or of another kind of training."""
    from rlvr.training import adapter_check, checkpoints

    found = checkpoints.given(Path(state.config.resume))
    if state.steps:
        adapter_check.check_resume(state.config, found.path)


def names_checkpoint(config: Config) -> bool:
    return config.resume not in ("auto", "never")
