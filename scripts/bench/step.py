"""A training step beside plain TRL's: same weights, prompts and stop rule, in turns (A B A B) in one process.

    python scripts/bench/step.py --model tiny|smollm2|PATH --shape few-shot|long|full --dead 0|0.5 [--json FILE]
    python scripts/bench/step.py --profile --model … --shape …
    python scripts/bench/step.py --scale

    few-shot   8 problems × 8 completions of at most 12 tokens, ended by a newline
    long       4 × 8 of at most 64: worked sums of three numbers, ended by a newline
    full       4 × 8, every one of 64 tokens: the end token is one that is never drawn

In each round TRL samples, ours samples, and both update on the completions that TRL drew, with the same advantages
(`--dead`: that share of the groups has none, as after equal verdicts). TRL gets `--trl-groups` groups per micro-step,
ours `--groups`; ours also updates once with TRL's, which is where memory is compared. The learning rate is zero, so
that every round sees the same weights; the optimiser does its work all the same. The first round also compares the
gradients. TRL runs in float32 without gradient checkpointing; what it stops at are the token ids in the model's
generation config, where every token that holds a stop string counts as an end of text.

Our trainer has glibc keep freed memory (rlvr/training/malloc.py), and in one process TRL gains from that as well; with
`--plain-heap` its turns run under glibc's own settings, as they would by themselves (Linux only).

The bound is the multiply-adds of TRL's step over those that can matter: distinct prompt tokens once, completion tokens
up to their end, logits where a token is drawn or has a loss; forward once for what is sampled, forward and backward
(three times the forward) for what is trained on. Memory is what forward and backward need at their peak above weights,
gradients and optimiser: the resident set on a CPU (Linux only), torch's own count on CUDA.

`--profile` instead runs ours alone under torch's profiler; `--scale` sets the update against group size and prompt
length on a model of random weights: see update.py.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import update
from common import Work, gemm_rate, machine, spread
from trainers import SHAPES, Pair, Shape, contenders, glibc_heap, step_batch, trained, with_advantages

from rlvr.training.malloc import keep_freed_memory
from rlvr.training.step_batch import StepBatch


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="smollm2", help="tiny, smollm2 or a folder")
    parser.add_argument("--shape", default="few-shot", choices=SHAPES)
    parser.add_argument("--dead", type=float, default=0.0, help="share of the groups without variance")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each contender")
    parser.add_argument(
        "--groups", type=int, help="groups per micro-step of ours; all of the step by default"
    )
    parser.add_argument("--trl-groups", type=int, default=1, help="groups per micro-step of TRL")
    parser.add_argument("--plain-heap", action="store_true", help="TRL's turns without our memory setting")
    parser.add_argument("--profile", action="store_true", help="where the time of ours goes")
    parser.add_argument("--scale", action="store_true", help="time against group size and prompt length")
    parser.add_argument("--json", type=Path, help="write the figures there")
    args = parser.parse_args(argv)
    shape: Shape = SHAPES[args.shape]
    args.groups = args.groups or shape.groups
    if not 0 <= args.dead <= 1:
        parser.error(f"--dead: found {args.dead}; expected a share between 0 and 1")
    for name in ("groups", "trl_groups"):
        if shape.groups % getattr(args, name):
            parser.error(f"--{name.replace('_', '-')}: does not divide the {shape.groups} groups of a step")
    if args.scale:
        result = update.scale()
        update.show_scale(result)
    else:
        with contenders(args.model, shape) as pair:
            if args.profile:
                result = update.profile(pair, shape, shape.groups // args.groups, args.dead)
                update.show_profile(result)
            else:
                result = measure(args, shape, pair)
                show(result)
    if args.json:
        args.json.write_text(json.dumps(result, indent=1) + "\n")
    return 0


def measure(args: argparse.Namespace, shape: Shape, pair: Pair) -> dict[str, Any]:
    """The rounds, and what they add up to."""
    ours, trl, work = pair.ours, pair.trl, Work.of(pair.policy)
    if args.plain_heap:
        ours.own_heap, trl.own_heap = keep_freed_memory, glibc_heap
    phases: dict[str, list[dict[str, float]]] = {"ours": [], "trl": []}
    equal, bounds, difference, tokens = [], [], 0.0, []
    rates: dict[str, list[float]] = {"update": [], "long rows": [], "own products": []}
    lengths = [len(ids) for ids in pair.policy.encode([row["prompt"] for row in trl.rows])]
    batch: dict[str, Any] = {}
    for turn in range(args.rounds):
        torch.manual_seed(turn)
        batch, trl_sampling = trl.sample()
        drawn, our_sampling = ours.sample()
        batch["advantages"] = with_advantages(shape, args.dead).to(batch["advantages"].device)
        flat = step_batch(batch, shape.size)
        trl_update = trl.update(batch, shape.groups // args.trl_groups)
        reference = trl.gradient() if turn == 0 else None
        equal_update = ours.update(flat, shape.groups // args.trl_groups)
        our_update = ours.update(flat, shape.groups // args.groups)
        if reference is not None:
            difference = float((ours.gradient() - reference).norm() / reference.norm())
            del reference
        for name, part in (("ours", our_sampling | our_update), ("trl", trl_sampling | trl_update)):
            phases[name].append(part)
            print(f"round {turn + 1}: {name} {sum(part.values()):.2f} s {rounded(part)}", file=sys.stderr)
        equal.append(sum(trl_update.values()) / sum(equal_update.values()))
        counted = multiply_adds(work, shape, batch, drawn)
        bounds.append(counted)
        tokens.append(int(batch["completion_mask"].sum()))
        row = update.row_length(lengths, tokens[-1], shape, args.groups, args.dead)
        rates["update"].append(2 * counted["update"][1] / our_update["forward, backward"])
        rates["long rows"].append(gemm_rate(pair.policy))
        rates["own products"].append(gemm_rate(pair.policy, row, backward=True, repeats=1))

    def share(of: str) -> float:
        return statistics.median(a / b for a, b in zip(rates["update"], rates[of], strict=True))

    flat = step_batch(batch, shape.size)
    memory = {  # behind all that is timed: measuring it gives the process's freed memory back
        "trl": trl.peak(batch, shape.groups // args.trl_groups),
        "ours": ours.peak(flat, shape.groups // args.trl_groups),
        "ours as timed": ours.peak(flat, shape.groups // args.groups),
    }
    result = summary(args, shape, phases, memory, bounds, tokens)
    return result | {
        "update_ratio_at_equal_rows": spread(equal),
        "gradient_difference": difference,
        "mean_completion_tokens": statistics.mean(tokens) / len(lengths),
        "prompt_tokens": max(lengths),
        "update_share_of_gemm": share("long rows"),
        "update_share_of_own_products": share("own products"),
        "machine": machine(pair.policy)
        | {
            "gemm_gflops": statistics.median(rates["long rows"]) / 1e9,
            "own_products_gflops": statistics.median(rates["own products"]) / 1e9,
        },
    }


def rounded(part: dict[str, float]) -> dict[str, float]:
    return {name: round(seconds, 2) for name, seconds in part.items()}


def multiply_adds(
    work: Work, shape: Shape, batch: dict[str, Any], drawn: StepBatch
) -> dict[str, tuple[float, float]]:
    """Phase → (TRL's, those that can matter). Sampling: of TRL's rows padded, and of the rows that ours drew."""
    rows, width = batch["prompt_ids"].shape
    longest = batch["completion_ids"].shape[1]
    made = rows * (work.prompt(width) + work.completion(width, longest))
    needed = sum(
        work.prompt(len(group.prompted.prompt))
        + sum(work.completion(len(group.prompted.prompt), t) for t in group.lengths)
        for group in drawn.groups
    )
    whole = width + longest
    padded = 3 * rows * (whole * work.body + longest * work.head + work.attention * whole * (whole + 1) / 2)
    live = [group for group in step_batch(batch, shape.size).groups if group.live]
    packed = sum(trained(work, len(group.prompted.prompt), group.lengths) for group in live)
    return {"sampling": (made, needed), "update": (padded, packed)}


def summary(
    args: argparse.Namespace,
    shape: Shape,
    phases: dict[str, list[dict[str, float]]],
    memory: dict[str, int],
    bounds: list[dict[str, tuple[float, float]]],
    tokens: list[int],
) -> dict[str, Any]:
    parts = {
        "step": ("sampling", "verifying", "forward, backward", "optimiser"),
        "sampling": ("sampling",),
        "update": ("forward, backward", "optimiser"),
    }

    def ratios(names: Sequence[str]) -> list[float]:
        pairs = zip(phases["trl"], phases["ours"], strict=True)
        return [sum(t[n] for n in names) / sum(o[n] for n in names) for t, o in pairs]

    def bound(names: Sequence[str]) -> float:
        return statistics.median(
            sum(b[n][0] for n in names) / max(1.0, sum(b[n][1] for n in names)) for b in bounds
        )

    ratio = {name: spread(ratios(names)) for name, names in parts.items()}
    limit = {
        "step": bound(["sampling", "update"]),
        "sampling": bound(["sampling"]),
        "update": bound(["update"]),
    }
    return {
        "model": args.model,
        "shape": args.shape,
        "dead": args.dead,
        "rounds": args.rounds,
        "plain_heap": args.plain_heap,
        "groups": shape.groups,
        "group_size": shape.size,
        "max_new_tokens": shape.max_new_tokens,
        "rows_per_micro_step": {"trl": args.trl_groups * shape.size, "ours": args.groups * shape.size},
        "ratio": ratio,
        "bound": limit,
        "share_of_bound": {name: ratio[name]["median"] / limit[name] for name in ratio},
        "seconds": {
            who: {name: statistics.median(p[name] for p in turns) for name in parts["step"]}
            for who, turns in phases.items()
        },
        "memory": memory | {"ratio": memory["trl"] / max(1, memory["ours"])},
        "tokens_per_second": {
            who: statistics.median(n / sum(p.values()) for n, p in zip(tokens, turns, strict=True))
            for who, turns in phases.items()
        },
    }


def show(result: dict[str, Any]) -> None:
    machine = result["machine"]
    print(
        f"{result['model']}, {result['shape']}: {result['groups']} × {result['group_size']}, prompts of at most "
        f"{result['prompt_tokens']} tokens, at most {result['max_new_tokens']} new (mean "
        f"{result['mean_completion_tokens']:.1f}), {result['dead']:.0%} of the groups without variance, "
        f"rows per micro-step: {result['rows_per_micro_step']['trl']} (TRL), {result['rows_per_micro_step']['ours']}; "
        f"{machine['device']}, {machine['dtype']}, {machine['threads']} threads"
    )
    print(f"  {'':20}{'trl':>10}{'ours':>10}")
    for phase, seconds in result["seconds"]["trl"].items():
        print(f"  {phase:20}{seconds:8.2f} s{result['seconds']['ours'][phase]:8.2f} s")
    for name, unit, factor in (("memory", "MB", 1e-6), ("tokens_per_second", "/s", 1)):
        trl, ours = (result[name][who] * factor for who in ("trl", "ours"))
        print(f"  {name.replace('_', ' '):20}{trl:7.0f} {unit}{ours:7.0f} {unit}")
    for name, ratio in result["ratio"].items():
        print(
            f"  {name}: {ratio['median']:.2f} times ({ratio['min']:.2f}–{ratio['max']:.2f}); bound "
            f"{result['bound'][name]:.2f}, of which {result['share_of_bound'][name]:.0%}"
        )
    equal = result["update_ratio_at_equal_rows"]
    print(
        f"  at equal rows per micro-step: update {equal['median']:.2f} times, memory {result['memory']['ratio']:.2f} "
        f"times less; as timed, ours takes {result['memory']['ours as timed'] / 1e6:.0f} MB"
    )
    print(
        f"  forward and backward at {result['update_share_of_gemm']:.0%} of the GEMM rate on long rows "
        f"({machine['gemm_gflops']:.0f} GFLOP/s), {result['update_share_of_own_products']:.0%} of that of the same "
        f"products ({machine['own_products_gflops']:.0f}); gradients differ by {result['gradient_difference']:.1e}"
    )


if __name__ == "__main__":
    sys.exit(main())
