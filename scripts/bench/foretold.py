"""What `rlvr check --on here` foretells of a training step, beside what the step takes: time and peak memory.

    python scripts/bench/foretold.py [--json FILE]

Three models of random weights (but for the embedded one), each with 4 groups of 4 completions, of which those of random
weights hardly end before their limit: the groups are sampled, and one forward and backward pass is made over each, as a
step does. Time is that of one thread's CPU, which other processes take no part of, the least of three turns, against
the formula with what this machine was measured to do just before. Memory is what a group's pass holds at its peak
beside the gradients, counted tensor by tensor, against layers' activations and head.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from common import machine, spread
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig

from rlvr.config import Config
from rlvr.model_files import TINY
from rlvr.policy import load_policy
from rlvr.preflight import footprint, foretold
from rlvr.preflight.devices import parse
from rlvr.preflight.footprint import Job
from rlvr.preflight.shape import Shape
from rlvr.preflight.trial import sample
from rlvr.training import rehearsal
from rlvr.training.memory import LiveBytes

GROUPS, GROUP, ROUNDS = 4, 4, 3
CASES = {  # layers, width, heads, key heads, inner, vocabulary; tokens of prompt and completion
    "embedded": (None, 16, 32),
    "small, 8 layers of 256": ((8, 256, 8, 4, 768, 8192), 64, 64),
    "SmolLM2-135M's shape": ((30, 576, 9, 3, 1536, 49152), 64, 64),
}


def folder_of(shape: tuple[int, ...] | None, into: Path) -> Path:
    if shape is None:
        return TINY
    layers, width, heads, keys, inner, vocabulary = shape
    config = LlamaConfig(
        num_hidden_layers=layers, hidden_size=width, num_attention_heads=heads, num_key_value_heads=keys,
        intermediate_size=inner, vocab_size=vocabulary, tie_word_embeddings=True, bos_token_id=None, eos_token_id=1,
    )  # fmt: skip
    AutoModelForCausalLM.from_config(config).save_pretrained(into)
    AutoTokenizer.from_pretrained(TINY).save_pretrained(into)
    return into


def compared(name: str) -> dict[str, Any]:
    shape, prompt, tokens = CASES[name]
    with tempfile.TemporaryDirectory() as made:
        config = Config.model_validate(
            {
                "model": str(folder_of(shape, Path(made))),
                "problems": {"heldout": {"world": "heldout"}},
                "sampling": {"max_new_tokens": tokens, "engine": "transformers"},
                "train": {
                    "steps": 1,
                    "groups_per_step": GROUPS,
                    "group_size": GROUP,
                    "rows_per_micro_step": GROUP,
                },
            }
        )
        policy = load_policy(config, "policy", for_training=True)
    cluster = parse("here")
    sizes = rehearsal.sizes(config, policy, *rehearsal.arguments(config, Path("checkpoints")))
    job = Job(config, Shape.of(policy.model), cluster, sizes, prompt, False)
    trial = foretold.trial(job, footprint.training(job, "ddp"), prompt, tokens)
    prompts = [[2 + (i + g) % 9 for i in range(prompt)] for g in range(GROUPS)]
    drawn: list[list[int]] = [[2 + i % 9 for i in range(tokens)]] * GROUP
    update = rehearsal.update(config, policy, prompts[0], drawn)
    update()  # what is done once is not measured
    took = {"sampling": [], "update": []}
    mean = longest = float(tokens)
    for _ in range(ROUNDS):
        began = time.process_time()
        _, found = sample(policy, config, prompts, GROUPS * GROUP, tokens)
        took["sampling"].append(time.process_time() - began)
        lengths = [len(c.token_ids) for c in found]  # a model that is trained ends before the limit
        mean, longest = sum(lengths) / len(lengths), max(lengths)
        began = time.process_time()
        for _ in range(GROUPS):
            update()
        took["update"].append(time.process_time() - began)
    for (
        weight
    ) in policy.model.parameters():  # gradients are there already in a step; the counter makes new ones
        weight.register_post_accumulate_grad_hook(lambda found: setattr(found, "grad", None))
    with LiveBytes() as live:
        update()
    held = live.peak - sizes.own  # the counter sees the weights too, by their transposes
    read = prompt + GROUP * tokens
    expected = {
        "sampling": GROUPS * prompt * trial.read + longest * trial.step + GROUPS * GROUP * mean * trial.row,
        "update": GROUPS * read * trial.update,
    }
    measured = {part: min(seconds) for part, seconds in took.items()}
    memory = job.shape.activations(read, job.precision, False) + footprint.head(job, GROUP * tokens)
    return {
        "model": name, "tokens": mean, "longest": longest,
        "gflops": cluster.device.flops / 1e9, "gb_per_s": cluster.device.bandwidth / 1e9,
        "measured": measured, "spread": {part: spread(seconds) for part, seconds in took.items()},
        "foretold": expected,
        "ratio": {part: expected[part] / measured[part] for part in measured}
        | {"step": sum(expected.values()) / sum(measured.values()), "memory": memory / held},
        "bytes": {"measured": held, "foretold": memory}, "machine": machine(policy),
    }  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", type=Path, metavar="FILE")
    args = parser.parse_args(argv)
    torch.set_num_threads(1)
    found = []
    for name in CASES:
        found.append(row := compared(name))
        parts = ", ".join(
            f"{part} {row['measured'][part]:.2f} s (foretold {row['foretold'][part]:.2f})"
            for part in row["measured"]
        )
        ratios = ", ".join(f"{part} {ratio:.2f}" for part, ratio in row["ratio"].items())
        print(
            f"{name}: {parts}; {row['bytes']['measured'] / 1e6:.0f} MB (foretold {row['bytes']['foretold'] / 1e6:.0f})"
        )
        print(f"  foretold / measured: {ratios}; {row['gflops']:.0f} GFLOP/s, {row['gb_per_s']:.1f} GB/s")
    if args.json:
        args.json.write_text(json.dumps(found, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
