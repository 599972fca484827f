"""`rlvr check CONFIG --on 8xH100-80GB`: memory by part, what fits, time and cost by phase, before any of it is paid."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from rlvr.config import Config
from rlvr.errors import UserError
from rlvr.evaluation import prompt_ids
from rlvr.launch.engine import Shard
from rlvr.preflight import CHECKS, Preflight, cost, footprint, foretold, go, parts, training
from rlvr.preflight.devices import Cluster
from rlvr.preflight.footprint import SHARDS, Footprint, Job
from rlvr.preflight.shape import Shape
from rlvr.preflight.state import some_of
from rlvr.terminal import Terminal

OF_THIS_MACHINE = (
    parts.launch,
    parts.folder,
    parts.sandbox,
    parts.engine,
    parts.servers,
    training.memory,
    training.disk,
)
"""Checks of what this machine can do, which is not where the run would be."""
SOME = 64
"""Problems whose prompts' mean length stands for all."""
GB = 1e9


def plan(
    config: Config,
    cluster: Cluster,
    terminal: Terminal,
    folder: Path,
    base: Path | None = None,
    tokens: float | None = None,
    shard: Shard | None = None,
) -> None:
    """Check what does not depend on this machine, and show what the run would take on those devices.

    Args:
        tokens: of a completion, in the mean; None: half of the most.
        shard: how the training is sharded; None: as little as fits.

    Raises:
        UserError: the first thing that would stop the run; no weights are read.
    """
    config = as_there(config, cluster)
    state = Preflight(config, folder, base, True, terminal.say)
    go(state, [check for check in CHECKS if check not in OF_THIS_MACHINE], terminal.show)
    shape = Shape.of(state.policy.model)
    some = some_of(state.problems.heldout, SOME)
    most = config.sampling.max_new_tokens
    lengths = [len(ids) for ids in prompt_ids(state.policy, state.evidence, some, most)]
    checkpointing = bool(state.arguments and state.arguments.activation_checkpointing)
    job = Job(config, shape, cluster, state.sizes, state.longest or max(lengths), checkpointing)
    mean = tokens or most / 2
    if mean > most:
        raise UserError(f"--tokens {tokens:g}: found more than sampling.max_new_tokens ({most})")
    for line in lines(job, cost_of(state, sum(lengths) / len(lengths), mean), shard, mean, tokens is None):
        terminal.show(line)


def as_there(config: Config, cluster: Cluster) -> Config:
    """With the precision that `auto` would be on those devices: a blueprint takes this machine's otherwise."""
    trains_all = config.train.steps > 0 and config.train.adapter.kind == "full"
    if config.dtype != "auto" or trains_all or cluster.device.kind != "cuda":
        return config
    return config.model_copy(update={"dtype": "bfloat16"})


def cost_of(state: Preflight, prompt: float, tokens: float) -> Callable[[Job, Footprint], list[cost.Phase]]:
    """The phases of the run, by the formula of a trial that was made (`cost.phases`), with one that is foretold."""

    def phases(job: Job, found: Footprint) -> list[cost.Phase]:
        trial = foretold.trial(job, found, prompt, tokens)
        return cost.phases(state.config, state.problems, trial, job.cluster.count)

    return phases


def lines(
    job: Job,
    phases: Callable[[Job, Footprint], list[cost.Phase]],
    shard: Shard | None,
    tokens: float,
    assumed: bool,
) -> Iterator[str]:
    """What a person reads."""
    device, count = job.cluster.device, job.cluster.count
    yield (
        f"on {job.cluster}: each {device.memory / GB:.0f} GB, {device.flops / 1e12:.3g} TFLOP/s, "
        f"{device.bandwidth / GB:.4g} GB/s"
    )
    rate = "half of the most, an assumption: --tokens says yours" if assumed else "as you say"
    yield f"completions of {tokens:g} tokens in the mean ({rate}); {engine(job)}"
    alone = footprint.evaluation(job)
    found = alone
    if job.sizes is not None:
        ways = [footprint.training(job, name) for name in (SHARDS if count > 1 else ("ddp",))]
        yield from table(ways, job)
        fitting = [way for way in ways if way.fits and shard in (None, way.shard)]
        yield from advice(job, ways, fitting)
        if not fitting:
            return
        found = fitting[0]
    yield f"evaluation: {alone.total / GB:.1f} GB, {alone.batch} rows at once{'' if alone.fits else ': does not fit'}"
    if alone.fits:
        yield from times(job, phases(job, found), found)


def engine(job: Job) -> str:
    sampler = "vLLM" if job.vllm else "transformers"
    return f"{sampler} samples, {job.config.train.adapter.kind} training, {job.precision}"


def table(ways: Sequence[Footprint], job: Job) -> Iterator[str]:
    """Memory of a device, a column for each way of sharding."""
    names = list(dict.fromkeys(name for way in ways for name in (*way.parts, *way.sampling, *way.update)))
    yield f"memory of a device in training, in GB of {ways[0].memory / GB:.1f} that can be used:"
    yield f"  {'':<28}" + "".join(f"{way.shard:>9}" for way in ways)
    for name in names:
        cells = [{**way.parts, **way.sampling, **way.update}.get(name, 0.0) for way in ways]
        if any(cells):
            yield f"  {name:<28}" + "".join(f"{cell / GB:>9.2f}" for cell in cells)
    yield f"  {'together, at its highest':<28}" + "".join(f"{way.total / GB:>9.2f}" for way in ways)
    yield f"  {'':<28}" + "".join(f"{'fits' if way.fits else 'too much':>9}" for way in ways)
    rows = "".join(f"{way.rows:>9}" for way in ways)
    yield f"  {'samples of a pass':<28}{rows}   of {job.longest} tokens each"


def advice(job: Job, ways: Sequence[Footprint], fitting: Sequence[Footprint]) -> Iterator[str]:
    """What to set, in one line: nothing where it fits as it is."""
    if fitting:
        way = fitting[0]
        flag = f" --shard {way.shard}" if way.shard != "ddp" else ""
        start = f" with --processes {job.cluster.count}{flag}" if job.cluster.count > 1 else ""
        yield f"fits{start}"
        return
    saved = [footprint.training(replace(job, checkpointing=True), way.shard) for way in ways]
    names = [way.shard for way in saved if way.fits]
    if not job.checkpointing and names:
        yield f"does not fit as it is; with train.trl.activation_checkpointing=true it does ({', '.join(names)})"
        return
    least = min(ways, key=lambda way: way.total)
    yield (
        f"does not fit: at the least {least.total / GB:.1f} GB ({least.shard}); take more or larger devices, "
        "train.adapter.kind=lora, a smaller sampling.max_new_tokens"
        + (", a larger sampling.vllm.gpu_memory_utilization" if job.vllm and not least.batch else "")
    )


def times(job: Job, phases: Sequence[cost.Phase], found: Footprint) -> Iterator[str]:
    """Hours and cost by phase, tokens a second, and what takes the most."""
    device, count = job.cluster.device, job.cluster.count
    yield f"time{f' under {found.shard}' if count > 1 and job.sizes is not None else ''}:"
    yield from cost.rows_of(phases, job.config.sampling.max_new_tokens)
    seconds = sum(phase.seconds[1] for phase in phases)
    drawn = [phase for phase in phases if phase.rows]
    rate = sum(p.tokens[0] for p in drawn) / max(1e-9, sum(p.seconds[1] for p in drawn))
    yield f"sampling: {rate:,.0f} tokens a second, {rate / count:,.0f} of each device"
    worst = max(phases, key=lambda phase: phase.seconds[1])
    yield f"bottleneck: {worst.name}, {worst.seconds[1] / max(1e-9, seconds):.0%} of the time"
    if device.price:
        hours = seconds / 3600 * count
        each = ", ".join(f"{p.name} ${p.seconds[1] / 3600 * count * device.price:,.2f}" for p in phases)
        yield f"cost: about ${hours * device.price:,.2f} ({each})"
        yield f"  {hours:,.1f} hours of a device at ${device.price:.2f} an hour: an assumption, --price says yours"
