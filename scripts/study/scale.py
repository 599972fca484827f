"""The formula of `rlvr check --on` held against published runs, and what it says of clusters (docs/scale.md).

    python scripts/study/scale.py [--json FILE]

Each published run is written as a config of ours with the same rows, lengths and devices; the passes that its system
makes besides (log-probabilities of the sampler's weights, of a reference) are counted as forward passes.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from rlvr.config import Config, find, load
from rlvr.preflight import cost, footprint, foretold
from rlvr.preflight.devices import parse
from rlvr.preflight.footprint import Footprint, Job
from rlvr.preflight.shape import Shape
from rlvr.problems import Problems

# layers, width, queries, keys, inner, gated, vocabulary, weights, body: from the models' config.json
SHAPES = {
    "SmolLM2-360M": Shape(32, 960, 960, 320, 2560, True, 49152, 361_821_120, 314_572_800),
    "Qwen2.5-0.5B": Shape(24, 896, 896, 128, 4864, True, 151936, 494_032_768, 357_826_560),
    "Qwen2.5-1.5B": Shape(28, 1536, 1536, 256, 8960, True, 151936, 1_543_714_304, 1_310_000_000),
    "Qwen2.5-7B": Shape(28, 3584, 3584, 512, 18944, True, 152064, 7_615_616_512, 6_525_000_000),
    "Qwen2.5-32B": Shape(64, 5120, 5120, 1024, 27648, True, 152064, 32_763_876_352, 31_206_000_000),
    "Llama-3.1-8B": Shape(32, 4096, 4096, 1024, 14336, True, 128256, 8_030_261_248, 6_979_000_000),
    "Qwen3-32B": Shape(64, 5120, 8192, 1024, 25600, True, 151936, 32_762_123_264, 31_206_000_000),
    "Qwen3-30B-A3B": Shape(48, 2048, 4096, 512, 8 * 768, True, 151936, 30_532_122_624, 2_720_000_000),
}


@dataclass(frozen=True, slots=True)
class Stage:
    """Steps of one length on the same devices."""

    devices: str
    groups: int
    group: int
    most: int
    tokens: float
    """Of a completion, in the mean."""
    prompt: float
    steps: int
    forwards: int
    """Passes besides the update's."""
    tensor_parallel: int = 1


@dataclass(frozen=True, slots=True)
class Published:
    """What a source says of a run."""

    name: str
    source: str
    shape: str
    device_hours: float
    stages: tuple[Stage, ...]
    assumed: str
    """Of the inputs, what the source does not say."""


NEMO = "https://github.com/NVIDIA-NeMo/RL/blob/main/docs/about/performance-summary.md"
RUNS = (
    Published(
        "NeMo RL 0.4, GRPO", NEMO, "Llama-3.1-8B", 16 * 97.7 / 3600,
        (Stage("16xH100-80GB", 64, 32, 4096, 960, 100, 1, 2),), "100 of the 1,060 tokens are the prompt's",
    ),
    Published(
        "NeMo RL 0.4, GRPO", NEMO, "Qwen3-32B", 32 * 393 / 3600,
        (Stage("32xH100-80GB", 64, 32, 4096, 3106, 100, 1, 2, 4),), "100 of the 3,206 tokens are the prompt's",
    ),
    Published(
        "NeMo RL 0.4, GRPO", NEMO, "Qwen3-30B-A3B", 32 * 225 / 3600,
        (Stage("32xH100-80GB", 64, 32, 4096, 3054, 100, 1, 2, 4),), "100 of the 3,154 tokens are the prompt's",
    ),
    Published(
        "Miles, GRPO", "https://github.com/lm-sys/lm-sys.github.io/blob/main/blog/2026-03-17-rocm-miles-rl-amd.md",
        "Qwen3-30B-A3B", 8 * 388.5 / 3600, (Stage("8xMI300X-192GB", 32, 8, 8192, 5730, 100, 1, 1, 4),),
        "5,730 tokens: 1,200 a second and device in 152.8 s of sampling; prompts of 100",
    ),
    Published(
        "DeepScaleR", "https://huggingface.co/agentica-org/DeepScaleR-1.5B-Preview", "Qwen2.5-1.5B", 3800,
        (
            Stage("8xA100-80GB", 128, 8, 8192, 4500, 100, 1040, 2),
            Stage("32xA100-80GB", 128, 16, 16384, 4500, 100, 480, 2),
            Stage("32xA100-80GB", 128, 16, 24576, 5500, 100, 230, 2),
        ),
        "4,500 is the middle of the 5,500 to 3,500 reported at 8k; 4,500 and 5,500 at 16k and 24k; prompts of 100",
    ),
    Published(
        "SimpleRL-Zoo", "https://github.com/hkust-nlp/simpleRL-reason", "Qwen2.5-7B", 16 * 15,
        (Stage("16xH100-80GB", 1024, 8, 8192, 700, 150, 100, 2, 2),),
        "700 tokens, prompts of 150; evaluations on the way are in the hours",
    ),
    Published(
        "SimpleRL-Zoo", "https://github.com/hkust-nlp/simpleRL-reason", "Qwen2.5-32B", 64 * 36,
        (Stage("64xH100-80GB", 1024, 8, 8192, 700, 150, 100, 2, 8),),
        "700 tokens, prompts of 150; evaluations on the way are in the hours",
    ),
)  # fmt: skip


RECIPES = {
    "smollm2-360m-gsm8k": ("SmolLM2-360M", "L4-24GB", 120, 150),
    "qwen2.5-0.5b-gsm8k": ("Qwen2.5-0.5B", "H100-80GB", 120, 200),
    "qwen2.5-1.5b-gsm8k": ("Qwen2.5-1.5B", "H100-80GB", 120, 250),
    "qwen2.5-math-1.5b-math": ("Qwen2.5-1.5B", "8xH100-80GB", 130, 900),
    "qwen2.5-math-7b-math": ("Qwen2.5-7B", "8xH100-80GB", 130, 900),
    "r1-distill-1.5b-8k": ("Qwen2.5-1.5B", "8xH100-80GB", 130, 4500),
    "qwen2.5-coder-1.5b-code": ("Qwen2.5-1.5B", "H100-80GB", 400, 400),
}
"""Of configs/: shape, devices, and tokens of a prompt and of a completion in the mean, which are assumed."""
HELD_OUT = {
    "qwen2.5-math-1.5b-math": 500,
    "qwen2.5-math-7b-math": 500,
    "r1-distill-1.5b-8k": 30,
    "qwen2.5-coder-1.5b-code": 164,
}


def config_of(
    groups: int,
    group: int,
    most: int,
    steps: int,
    tensor_parallel: int,
    heldout: dict[str, int] | None = None,
) -> Config:
    asked = heldout or {"samples": 8}
    return Config.model_validate(
        {
            "problems": {"heldout": {"world": "heldout"}},
            "sampling": {
                "engine": "vllm",
                "max_new_tokens": most,
                "vllm": {
                    "tensor_parallel_size": tensor_parallel,
                    "gpu_memory_utilization": 0.6,
                    "sleep": True,
                },
                **asked,
            },
            "train": {"steps": steps, "groups_per_step": groups, "group_size": group},
        }
    )


def recipe(name: str, adapter: str | None = None) -> dict[str, Any]:
    """What the header of a recipe says that it takes: the first way of sharding that fits."""
    shape_name, devices, prompt, tokens = RECIPES[name]
    shape, config = (
        SHAPES[shape_name],
        load(find(name), [f"train.adapter={{kind: {adapter}}}"] if adapter else []),
    )
    lora = config.train.adapter.kind == "lora"
    # an adapter on every linear layer: r for each of its rows and columns
    sides = 4 * shape.width + 2 * shape.queries + 2 * shape.keys + 3 * shape.inner + 2 * shape.width
    trained = shape.layers * sides * (config.train.adapter.r or 16) if lora else shape.weights
    own = (2 if lora else 4) * shape.weights
    beta = float(config.train.trl.get("beta", 0)) > 0
    sizes = SimpleNamespace(
        own=own, reference=own if beta and not lora else 0, gradients=4 * trained, optimizer=8 * trained
    )
    checkpointing = bool(config.train.trl.get("activation_checkpointing"))
    job = Job(config, shape, parse(devices), sizes, 2 * prompt, checkpointing)
    ways = [
        footprint.training(job, shard) for shard in (footprint.SHARDS if job.cluster.count > 1 else ("ddp",))
    ]
    found = next((way for way in ways if way.fits), ways[-1])
    trial = foretold.trial(job, found, prompt, tokens)
    problems: Any = Problems([], [None] * HELD_OUT.get(name, 200))  # type: ignore[list-item]
    hours = sum(phase.seconds[1] for phase in cost.phases(config, problems, trial, job.cluster.count)) / 3600
    return {
        "recipe": name, "training": config.train.adapter.kind, "devices": devices, "shard": found.shard,
        "fits": found.fits, "gb": found.total / 1e9, "rows_of_a_pass": found.rows, "hours": hours,
        "dollars": hours * job.cluster.count * job.cluster.device.price,
    }  # fmt: skip


def job_of(config: Config, shape: Shape, devices: str, prompt: float) -> Job:
    """All weights trained by AdamW in float32, with checkpointing, sharded."""
    own = 4 * shape.weights
    sizes = SimpleNamespace(own=own, reference=0, gradients=own, optimizer=2 * own)
    return Job(config, shape, parse(devices), sizes, int(prompt), True)


def phases(
    job: Job, prompt: float, tokens: float, forwards: int, heldout: int = 0
) -> tuple[list[cost.Phase], Footprint]:
    found = footprint.training(job, "fsdp2")
    trial = foretold.trial(job, found, prompt, tokens)
    trial = replace(trial, update=trial.update * (1 + forwards / 4))  # an update is four forward passes
    problems: Any = Problems([], [None] * heldout)  # type: ignore[list-item]
    return cost.phases(job.config, problems, trial, job.cluster.count), found


def against(run: Published) -> dict[str, Any]:
    """Hours of a device, ours beside the published."""
    of = {"sampling": 0.0, "update": 0.0}
    for stage in run.stages:
        config = config_of(stage.groups, stage.group, stage.most, stage.steps, stage.tensor_parallel)
        job = job_of(config, SHAPES[run.shape], stage.devices, stage.prompt)
        for phase in phases(job, stage.prompt, stage.tokens, stage.forwards)[0]:
            if phase.name in of:
                of[phase.name] += phase.seconds[1] / 3600 * job.cluster.count
    ours = sum(of.values())
    first = run.stages[0]
    return {
        "run": run.name, "source": run.source, "model": run.shape, "assumed": run.assumed,
        "devices": ", ".join(dict.fromkeys(stage.devices for stage in run.stages)), "rows": first.groups * first.group,
        "tokens": first.tokens, "steps": sum(stage.steps for stage in run.stages),
        "published": run.device_hours, "estimated": ours, "sampling": of["sampling"] / ours,
        "ratio": ours / run.device_hours,
    }  # fmt: skip


def clusters() -> list[dict[str, Any]]:
    """7B on MATH, 4,096 tokens at the most, and 32B; 256 groups of 16 a step, and a group for each
    device where there are more."""
    rows = []
    for shape, tokens, most in (("Qwen2.5-7B", 1000, 4096), ("Qwen2.5-32B", 4000, 16384)):
        for count in (8, 64, 512, 4096):
            groups = max(256, count)  # a group is never split between processes
            config = config_of(groups, 16, most, 200, 1 if shape == "Qwen2.5-7B" else 8, {"samples": 256})
            job = job_of(config, SHAPES[shape], f"{count}xH100-80GB", 150)
            listed, found = phases(job, 150, tokens, 0, heldout=500)
            total = sum(phase.seconds[1] for phase in listed)
            rows.append(
                {
                    "model": shape,
                    "devices": count,
                    "groups_per_step": groups,
                    "fits": found.fits,
                    "hours": total / 3600,
                }
                | {phase.name: phase.seconds[1] / total for phase in listed}
                | {"dollars": total / 3600 * count * job.cluster.device.price}
            )
    return rows


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", type=Path, metavar="FILE")
    args = parser.parse_args(argv)
    published, scaled = [against(run) for run in RUNS], clusters()
    recipes = [recipe(name) for name in RECIPES]
    recipes += [recipe(name, "full") for name in ("qwen2.5-0.5b-gsm8k", "qwen2.5-1.5b-gsm8k")]
    for row in published:
        print(
            f"{row['run']:<18} {row['model']:<14} {row['devices']:<26} {row['rows']:>5} rows of {row['tokens']:g}, "
            f"{row['steps']} steps: {row['published']:.4g} device hours, ours {row['estimated']:.4g} "
            f"(sampling {row['sampling']:.0%}), ratio {row['ratio']:.2f}"
        )
    for row in scaled:
        shares = ", ".join(
            f"{name} {row[name]:.0%}" for name in ("base", "sampling", "update", "tuned", "rescore")
        )
        print(
            f"{row['model']:<12} {row['devices']:>5} H100, {row['groups_per_step']} groups: {row['hours']:.2f} h, "
            f"${row['dollars']:,.0f}, {'fits' if row['fits'] else 'does not fit'}: {shares}"
        )
    for row in recipes:
        print(
            f"{row['recipe']:<24} {row['training']:<5} {row['devices']:<12} {row['shard']:<6} {row['gb']:.1f} GB, "
            f"{'fits' if row['fits'] else 'does not fit'}, {row['rows_of_a_pass']} samples a pass, "
            f"{row['hours']:.1f} h, ${row['dollars']:,.0f}"
        )
    if args.json:
        args.json.write_text(
            json.dumps({"published": published, "scaled": scaled, "recipes": recipes}, indent=1) + "\n"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
