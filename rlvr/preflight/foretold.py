"""A trial that was not made: how long a device takes for each token, from the shape of the model and the device's
figures. docs/scale.md has the formula in one place, and what it was held against."""

from __future__ import annotations

from dataclasses import dataclass

from rlvr.preflight.footprint import SHARDS, Footprint, Job
from rlvr.preflight.trial import Trial


@dataclass(frozen=True, slots=True)
class Reached:
    """What of a device's figures a run gets, and what a decoding step takes besides."""

    update: float
    """Of its FLOP/s, in forward and backward passes."""
    read: float
    """In forward passes over prompts."""
    decode: float
    """In the products of decoding."""
    bandwidth: float
    link: float
    layer: float
    """Seconds that a layer of transformers takes at least, whatever it computes: its kernels are started one by one.
    Of a CPU it is measured (`Starts`)."""
    step: float
    """Seconds of a step of vLLM besides, whose kernels are started at once."""


REACHED = {
    "cuda": Reached(0.40, 0.50, 0.50, 0.60, 0.60, 0.7e-3, 4e-3),
    "cpu": Reached(0.80, 0.80, 0.70, 1.0, 1.0, 0.0, 0.0),
}
"""Assumptions, by the kind of the device; those of a CPU are of what it was measured to do."""


def trial(job: Job, found: Footprint, prompt: float, tokens: float) -> Trial:
    """Seconds of one device of the cluster.

    Args:
        found: its memory, under the sharding that is taken.
        prompt: tokens of a prompt, in the mean.
        tokens: of a completion, in the mean: nothing but a trial could know it, so it is somebody's assumption.
    """
    shape, device, reached = job.shape, job.cluster.device, REACHED[job.cluster.device.kind]
    bandwidth = reached.bandwidth * device.bandwidth
    split = job.config.sampling.vllm.tensor_parallel_size if job.vllm else 1
    context = prompt + tokens / 2
    started = (
        reached.step
        if job.vllm
        else device.starts.step + shape.layers * (reached.layer + device.starts.layer)
    )
    step = job.width * shape.weights / split / bandwidth + started
    products = (shape.forward(context) + 2 * shape.head) / (reached.decode * device.flops)
    row = shape.cache(job.width) * context / bandwidth + products + device.starts.row
    return Trial(
        seconds=0.0,
        rows=1,
        ended=0,
        cut=job.config.sampling.max_new_tokens,
        tokens=tokens,
        batch=max(1, found.batch),
        prompt=prompt,
        read=shape.forward(prompt / 2) / (reached.read * device.flops),
        step=step,
        row=row,
        verdict=0.0,
        update=update(job, found.rows, prompt, tokens) if job.config.train.steps else 0.0,
        exchange=exchange(job, found) if job.config.train.steps else 0.0,
    )


def update(job: Job, rows: int, prompt: float, tokens: float) -> float:
    """Seconds of a token in a forward and backward pass over so many rows: backward is twice the forward, once where
    weights are frozen; with checkpointing the forward is made again. The head's product is made again in any case."""
    group, starts = job.config.train.group_size, job.cluster.device.starts
    shape, rate = job.shape, REACHED[job.cluster.device.kind].update * job.cluster.device.flops
    passes = (3 if job.whole else 2) + job.checkpointing
    predicted = group * tokens / (prompt + group * tokens)
    head = (4 if job.whole else 3) * 2 * shape.head * predicted
    started = starts.update + shape.layers * starts.update_layer
    read = -(-rows // group) * prompt + rows * tokens
    return (passes * shape.forward(prompt + tokens / 2) + head) / rate + started / read


def exchange(job: Job, found: Footprint) -> float:
    """Seconds of a step between devices, and of the optimiser, which reads and writes all that it holds."""
    cluster, sizes, reached = job.cluster, job.sizes, REACHED[job.cluster.device.kind]
    link = reached.link * cluster.link
    held = sizes.gradients + 2 * sizes.optimizer + 2 * sizes.gradients
    seconds = (
        held
        / (cluster.count if SHARDS[found.shard][1] else 1)
        / (reached.bandwidth * cluster.device.bandwidth)
    )
    if cluster.count == 1:
        return seconds
    train = job.config.train
    passes = -(-max(1, train.groups_per_step // cluster.count) * train.group_size // found.rows)
    if SHARDS[found.shard][0]:  # weights are gathered for each forward and backward, gradients scattered
        return seconds + (2 * passes * sizes.own + sizes.gradients + sizes.own) / link
    return seconds + 2 * sizes.gradients / link
