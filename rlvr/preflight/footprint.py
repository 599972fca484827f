"""Memory of each device, by part: of training under each way of sharding, and of evaluation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rlvr.config import Config
from rlvr.launch.engine import Shard
from rlvr.preflight.devices import Cluster
from rlvr.preflight.shape import Precision, Shape

USABLE = 0.92
"""Of a device's memory: the rest is the driver's, and lost between blocks."""
VLLM_ROWS = 256
"""That vLLM decodes at once, where `sampling.vllm.max_num_seqs` does not say."""
SHARDS: dict[Shard, tuple[bool, bool]] = {
    "ddp": (False, False),
    "fsdp2": (True, True),
    "zero2": (False, True),
    "zero3": (True, True),
}
"""Whether each process holds a part of the weights; of gradients and optimiser."""


@dataclass(frozen=True, slots=True)
class Job:
    """What the memory and the time of a run follow from."""

    config: Config
    shape: Shape
    cluster: Cluster
    sizes: Any
    """`training.rehearsal.Sizes`; None where nothing is trained."""
    prompt: int
    """Tokens of the longest."""
    checkpointing: bool

    @property
    def on_gpu(self) -> bool:
        return self.cluster.device.kind == "cuda"

    @property
    def vllm(self) -> bool:
        """`auto` takes it on GPUs."""
        return self.config.sampling.engine in ("vllm", "http") or (
            self.config.sampling.engine == "auto" and self.on_gpu
        )

    @property
    def whole(self) -> bool:
        """Weights are trained whole, and so stay in float32."""
        return self.config.train.steps > 0 and self.config.train.adapter.kind == "full"

    @property
    def half(self) -> bool:
        """Numbers of two bytes in evaluation, and in the cache; also in training, unless weights are trained whole."""
        return self.config.dtype in ("bfloat16", "float16") or (self.on_gpu and self.config.dtype == "auto")

    @property
    def precision(self) -> Precision:
        if self.half and not (self.whole and self.config.dtype == "auto"):
            return "bfloat16"
        return "autocast" if self.on_gpu else "float32"

    @property
    def width(self) -> int:
        """Bytes of a number in evaluation, and of the cache."""
        return 2 if self.half else 4

    @property
    def memory(self) -> float:
        return USABLE * self.cluster.device.memory

    @property
    def longest(self) -> int:
        return self.prompt + self.config.sampling.max_new_tokens


@dataclass(frozen=True, slots=True)
class Footprint:
    """Of one way of sharding, in bytes."""

    shard: Shard
    parts: dict[str, float]
    """That are held all the time."""
    sampling: dict[str, float]
    update: dict[str, float]
    """Beside them, in turns."""
    rows: int
    """Of a pass of the update."""
    batch: int
    """Rows that are decoded at once, at the most."""
    memory: float

    @property
    def total(self) -> float:
        return sum(self.parts.values()) + max(sum(self.sampling.values()), sum(self.update.values()))

    @property
    def fits(self) -> bool:
        return self.total <= self.memory and self.batch > 0


def training(job: Job, shard: Shard) -> Footprint:
    """Of each device in training. As many rows of a pass as fit, as the run itself would find out by trial."""
    from rlvr.training.pass_size import candidates

    train, shape, sizes, count = job.config.train, job.shape, job.sizes, job.cluster.count
    of_weights, of_rest = (count if split else 1 for split in SHARDS[shard])
    autocast = job.precision == "autocast"
    parts = {
        "weights": sizes.own / of_weights,
        "reference": float(sizes.reference),  # a whole copy beside the sharded weights
        "gradients": sizes.gradients / of_rest,
        "optimiser": sizes.optimizer / of_rest,
    }
    if of_weights > 1 and not job.vllm:
        parts["whole copy to sample from"] = float(sizes.own)
    vllm = engine(job, shape, beside=True) if job.vllm else None
    if vllm and not job.config.sampling.vllm.sleep:
        parts["vLLM, weights and cache"] = vllm[0]
    # bfloat16 copies that autocast makes of the weights; of sharded weights one layer is whole at a time, and the next
    copies = 2.0 * shape.body if autocast and of_weights == 1 else 0.0
    gathered = 2 * 4.0 * shape.body / shape.layers if of_weights > 1 else 0.0
    groups = max(1, train.groups_per_step // count)
    free = job.memory - sum(parts.values())

    def update(rows: int) -> dict[str, float]:
        read = -(-rows // train.group_size) * job.prompt + rows * job.config.sampling.max_new_tokens
        predicted = rows * job.config.sampling.max_new_tokens
        return {
            "bfloat16 copies": copies + gathered,
            "activations": shape.activations(read, job.precision, job.checkpointing),
            "head": head(job, predicted),
        }

    most = candidates(groups, train.group_size)
    given = [min(train.rows_per_micro_step, most[0])] if train.rows_per_micro_step else most
    rows = next((n for n in given if sum(update(n).values()) <= free), given[-1])
    if vllm:
        sampling, batch = (
            ({"vLLM, weights and cache": vllm[0]} if job.config.sampling.vllm.sleep else {}),
            vllm[1],
        )
    else:
        batch = decoded(job, free - copies)
        sampling = {"bfloat16 copies": copies, "cache and logits": float(batch * row(job))}
    return Footprint(shard, parts, sampling, update(rows), rows, batch, job.memory)


def evaluation(job: Job) -> Footprint:
    """Of each device where nothing is trained."""
    weights = float(job.width * job.shape.weights)
    if job.vllm:
        held, batch = engine(job, job.shape, beside=False)
        return Footprint(
            "ddp", {"vLLM, weights and cache": held}, {}, {}, 0, batch, job.cluster.device.memory
        )
    batch = decoded(job, job.memory - weights)
    return Footprint(
        "ddp", {"weights": weights}, {"cache and logits": float(batch * row(job))}, {}, 0, batch, job.memory
    )


def row(job: Job) -> int:
    """Bytes of a row that transformers decodes: its cache at its longest, and its logits twice in float32."""
    return job.shape.cache(job.width) * job.longest + 8 * job.shape.vocabulary


def decoded(job: Job, free: float) -> int:
    """Rows that transformers decodes at once in so many free bytes; 0 where not even its least fits."""
    from rlvr.sampling.engine import CPU_BUDGET, GPU_SHARE, LEAST_ROWS, rows_within

    asked = job.config.sampling.batch_size
    rows = asked or rows_within(int(GPU_SHARE * max(0.0, free)) if job.on_gpu else CPU_BUDGET, row(job))
    return rows if min(rows, asked or LEAST_ROWS) * row(job) <= free else 0


def engine(job: Job, shape: Shape, beside: bool) -> tuple[float, int]:
    """(bytes that vLLM takes, rows of half their longest that a device has, 0 where its share is too small). An engine
    on several devices has a part of the weights and of each row on every one, and the rows of all."""
    from rlvr.sampling.vllm_engine import ALONE, BESIDE_A_TRAINER

    asked = job.config.sampling.vllm
    held = (
        asked.gpu_memory_utilization or (BESIDE_A_TRAINER if beside else ALONE)
    ) * job.cluster.device.memory
    split = asked.tensor_parallel_size
    free = held - job.width * shape.weights / split
    of_a_row = shape.cache(job.width) * (job.prompt + job.config.sampling.max_new_tokens / 2)
    return held, max(0, min((asked.max_num_seqs or VLLM_ROWS) // split, int(free / of_a_row)))


def head(job: Job, tokens: float) -> float:
    """Bytes of the log-probabilities of so many tokens: their hidden states with the gradients, the tile of logits that
    is held at once, with its gradient, and the gradient of the head before it is added to the others."""
    from rlvr.training.head import GPU_TILE, GPU_TOKENS, TILE

    held, columns = (min(tokens, GPU_TOKENS), GPU_TILE) if job.on_gpu else (min(tokens, TILE), TILE)
    gradient = 4 * job.shape.head if job.whole else 0
    return gradient + 2 * 4 * (tokens * job.shape.width + held * min(columns, job.shape.vocabulary))
