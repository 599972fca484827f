"""Where the time of our update goes, and what it grows with. Run by `step.py --profile` and `--scale`.

The profile is torch's own, of one update after two that warm up: each operation's own seconds, summed by what it
belongs to. It costs a few per cent itself.

The scale is one group of G completions of 16 tokens on a prompt of P, sampled and updated on, on a Llama of random
weights that is small enough for G × P = 65,536 tokens, beside `generate` and TRL's update. Ours should grow with the
P + 16 G distinct tokens, TRL's with G (P + 16).
"""

from __future__ import annotations

import resource
import statistics
import tempfile
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import torch
from common import REPO, Work, gemm_rate, machine
from sampling import call_generate, ours
from torch.profiler import ProfilerActivity
from trainers import Pair, Shape, contenders, step_batch, trained, with_advantages
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

from rlvr.config import SamplingConfig

GROUP_SIZES = (4, 8, 16, 32, 64)
PROMPT_LENGTHS = (64, 128, 256, 512, 1024)
NEW_TOKENS = 16
ROWS = 16
"""Rows of a micro-step of TRL's, at most: 64 rows of 1,040 tokens do not fit into 8 GB."""
REPEATS = 3

LINEAR, ATTENTION, HEAD = "linear layers", "attention", "vocabulary head"
ELEMENTWISE, GRADIENTS, OPTIMISER = "norms, activations, rotary", "gradient accumulation", "optimiser, norm"
UNTIMED = "zeroing gradients"
BY_ANCESTOR = {
    "LogProb": HEAD,
    "SplitAttention": ATTENTION,
    "Optimizer.step": OPTIMISER,
    "_foreach_norm": OPTIMISER,
    "_foreach_mul_": OPTIMISER,
    "Optimizer.zero_grad": UNTIMED,
    "torch::autograd::AccumulateGrad": GRADIENTS,
    "EmbeddingBackward0": "embedding",
    "aten::embedding": "embedding",
}
PRODUCTS = ("aten::mm", "aten::addmm", "aten::addmm_", "aten::bmm")


# ---------------------------------------------------------------------- profile


def profile(pair: Pair, shape: Shape, micro_steps: int, dead: float) -> dict[str, Any]:
    """Seconds of our update by what they were spent on."""
    batch, _ = pair.ours.sample()
    for group, weights in zip(batch.groups, with_advantages(shape, dead).split(shape.size), strict=True):
        group.advantages = group.per_token(weights.to(group.advantages.device))
    for _ in range(2):
        pair.ours.update(batch, micro_steps)
    before = resource.getrusage(resource.RUSAGE_SELF)
    with torch.profiler.profile(activities=[ProfilerActivity.CPU]) as profiler:
        seconds = pair.ours.update(batch, micro_steps)
    after, whole = resource.getrusage(resource.RUSAGE_SELF), sum(seconds.values())
    spent: dict[str, float] = defaultdict(float)
    for event in profiler.events() or ():
        spent[kind(event)] += event.self_cpu_time_total / 1e6
    spent.pop(UNTIMED, None)
    spent["between operations"] = max(0.0, whole - sum(spent.values()))
    work = Work.of(pair.policy)
    prompts = [len(group.prompted.prompt) for group in batch.groups]
    live = [group for group in batch.groups if group.live]
    needed = 2 * sum(trained(work, len(group.prompted.prompt), group.lengths) for group in live)
    row = row_length(prompts, batch.totals.tokens, shape, shape.groups // micro_steps, dead)
    return {
        "seconds": dict(sorted(spent.items(), key=lambda item: -item[1])),
        "update": whole,
        "row_tokens": row,
        "kernel_seconds": after.ru_stime - before.ru_stime,
        "page_faults": after.ru_minflt - before.ru_minflt,
        "useful_gflops": needed / seconds["forward, backward"] / 1e9,
        "gemm_gflops": gemm_rate(pair.policy) / 1e9,
        "own_products_gflops": gemm_rate(pair.policy, row, backward=True) / 1e9,
        "machine": machine(pair.policy),
    }


def kind(event: Any) -> str:
    """What an operation belongs to: by the nearest thing around it that has a name here."""
    found, products = ELEMENTWISE, event.name in PRODUCTS
    node = event
    while node is not None:
        for name, belongs in BY_ANCESTOR.items():
            if name in node.name:
                return f"{belongs}, products" if belongs == HEAD and products else belongs
        node = node.cpu_parent
    return LINEAR if products else found


def row_length(prompts: Sequence[int], tokens: int, shape: Shape, groups: int, dead: float) -> int:
    """Tokens of a packed row of so many groups, on average."""
    step = shape.groups * (statistics.mean(prompts) - 1) + tokens
    return max(1, round(step * (1 - dead) * groups / shape.groups))


def show_profile(result: dict[str, Any]) -> None:
    whole = sum(result["seconds"].values())
    print(f"an update of {result['update']:.2f} s, packed rows of {result['row_tokens']} tokens")
    for name, seconds in result["seconds"].items():
        print(f"  {name:30}{seconds:8.2f} s{seconds / whole:6.0%}")
    print(f"  in the kernel: {result['kernel_seconds']:.2f} s, {result['page_faults']} page faults")
    print(
        f"  {result['useful_gflops']:.0f} GFLOP/s; matrix products alone: {result['gemm_gflops']:.0f} on long rows, "
        f"{result['own_products_gflops']:.0f} forward and backward on rows of this length"
    )


# ---------------------------------------------------------------------- scale


def scale(sizes: Sequence[int] = GROUP_SIZES, prompts: Sequence[int] = PROMPT_LENGTHS) -> dict[str, Any]:
    """Seconds of one group's sampling and update against its size and its prompt's length."""
    with tempfile.TemporaryDirectory() as folder:
        tokenizer = AutoTokenizer.from_pretrained(REPO / "rlvr" / "worlds" / "tiny")
        tokenizer.save_pretrained(folder)
        torch.manual_seed(0)
        LlamaForCausalLM(
            LlamaConfig(
                vocab_size=4096,
                hidden_size=256,
                intermediate_size=768,
                num_hidden_layers=4,
                num_attention_heads=8,
                num_key_value_heads=4,
                max_position_embeddings=2048,
                eos_token_id=tokenizer.eos_token_id,
                pad_token_id=tokenizer.pad_token_id,
            )
        ).save_pretrained(folder)
        with contenders(folder, Shape(1, max(sizes), NEW_TOKENS, ["\n"])) as pair:
            cell(pair, sizes[0], prompts[0])  # warms up
            cells = [cell(pair, size, prompt) for prompt in prompts for size in sizes]
            return {"cells": cells, "new_tokens": NEW_TOKENS, "machine": machine(pair.policy)}


def cell(pair: Pair, size: int, prompt: int) -> dict[str, Any]:
    """Seconds for one group of `size` completions: ours the median of three, the others once, as they take minutes."""
    ids = torch.randint(5, 4096, (size, prompt + NEW_TOKENS), generator=torch.Generator().manual_seed(0))
    ids[:, :prompt] = ids[0, :prompt]
    batch = {
        "prompt_ids": ids[:, :prompt],
        "completion_ids": ids[:, prompt:],
        "prompt_mask": torch.ones_like(ids[:, :prompt]),
        "completion_mask": torch.ones_like(ids[:, prompt:]),
        "advantages": torch.randn(size, generator=torch.Generator().manual_seed(0)),
        "num_items_in_batch": torch.tensor(size * NEW_TOKENS),
    }
    batch = {name: value.to(pair.policy.device) for name, value in batch.items()}
    flat = step_batch(batch, size)
    settings = SamplingConfig(max_new_tokens=NEW_TOKENS, stop=[], engine="transformers")
    prompts = [ids[0, :prompt].tolist()]
    parts: dict[str, Callable[[int], float]] = {
        "ours_sampling": lambda turn: ours(pair.policy, settings, prompts, size, turn).seconds,
        "trl_sampling": lambda turn: call_generate(pair.policy, settings, prompts, size, turn).seconds,
        "ours_update": lambda _: pair.ours.update(flat, 1)["forward, backward"],
        "trl_update": lambda _: pair.trl.update(batch, max(1, size // ROWS))["forward, backward"],
    }
    seconds = {
        name: statistics.median(part(turn) for turn in range(REPEATS if name.startswith("ours") else 1))
        for name, part in parts.items()
    }
    return {
        "group_size": size,
        "prompt": prompt,
        "distinct": prompt + size * NEW_TOKENS,
        "padded": size * (prompt + NEW_TOKENS),
    } | seconds


def show_scale(result: dict[str, Any]) -> None:
    cells = {(c["prompt"], c["group_size"]): c for c in result["cells"]}
    prompts, sizes = (sorted({key[i] for key in cells}) for i in (0, 1))
    for who, tokens in (("ours", "distinct"), ("trl", "padded")):
        print(f"{who}: milliseconds of sampling + update (microseconds per {tokens} token)")
        print("  prompt  " + "".join(f"G = {size}".rjust(22) for size in sizes))
        for prompt in prompts:
            row = [cells[prompt, size] for size in sizes]
            both = [(c[f"{who}_sampling"], c[f"{who}_update"], c[tokens]) for c in row]
            texts = [f"{1e3 * s:.0f} + {1e3 * u:.0f} ({1e6 * (s + u) / n:.0f})" for s, u, n in both]
            print(f"  {prompt:6}  " + "".join(text.rjust(22) for text in texts))
