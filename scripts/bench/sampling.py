"""Sampling beside transformers' `generate`: the same weights, prompts and stop rule, in turns in one process.

    python scripts/bench/sampling.py --model tiny|smollm2|PATH [--shape few|eval|PxN] [--json FILE]

    few    8 problems × 16 samples, against one `generate(num_return_sequences=16)`
    eval   100 problems × 64 samples, against `generate(num_return_sequences=64)` problem by problem; of these calls
           only an evenly spread part is made, and their time scaled to all of them
    PxN    P problems × N samples, against one call of N samples each

Prompts are those of the model's recipe (configs/smollm2-chain-sum.yaml; quickstart for tiny), and answers end where
its stop rule ends them: `generate` gets every token that holds a stop string as an end-of-text token. Where vLLM is
installed and there is a GPU, it is a third turn.

The bound is the multiply-adds that the baseline makes (each row's prompt, padding, every row to the end of the call's
longest) over those that can matter (distinct prompt tokens, and completion tokens that are read), with logits at the
positions that a token is drawn from. `decode` sets the decoding steps of ours against the same matrix products alone:
the model's linear layers and head on as many rows as each step had.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from common import MODELS, REPO, Work, gemm_rate, linear_seconds, machine, spread, stop_ids

from rlvr import config as configs
from rlvr.config import SamplingConfig
from rlvr.evaluation import prompt_ids
from rlvr.evidence import Evidence
from rlvr.policy import Policy, load_policy
from rlvr.problems import load_all
from rlvr.sampling import Completion, SampleRequest, takes_vllm
from rlvr.sampling.driver import row_seed
from rlvr.sampling.engine import TransformersSampler
from rlvr.sampling.shared import Decoder

SHAPES = {"few": (8, 16), "eval": (100, 64)}
GRID = (1, 2, 4, 8, 16, 24, 32, 48, 64, 96, 128, 192, 256, 320, 384, 448, 512, 768, 1024)


@dataclass
class Turn:
    """What one turn of one contender did."""

    seconds: float
    tokens: int
    """Completion tokens, the ending one included, of live rows."""
    work: float
    """Multiply-adds of matrix products."""
    scale: float = 1.0
    """Seconds, tokens and work are those measured, times this."""
    decode: dict[str, float] = field(default_factory=dict)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="smollm2", help="tiny, smollm2 or a folder")
    parser.add_argument("--shape", default="few", help="few, eval or PROBLEMSxSAMPLES")
    parser.add_argument("--max-new-tokens", type=int, help="token limit; the recipe's by default")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each contender")
    parser.add_argument(
        "--calls", type=int, default=3, help="baseline calls per round that are made, for eval"
    )
    parser.add_argument("--json", type=Path, help="write the figures there")
    args = parser.parse_args(argv)
    policy, settings, prompts = recipe(args.model, args.shape, args.max_new_tokens)
    samples = shape(args.shape)[1]
    contenders = {
        "ours": lambda turn: ours(policy, settings, prompts, samples, turn),
        "generate": lambda turn: baseline(policy, settings, prompts, samples, turn, args),
    }
    if takes_vllm(settings, policy.device.type):
        contenders["vllm"] = lambda turn: with_vllm(policy, settings, prompts, samples, turn)
    ours(policy, settings, prompts[:2], 2, 0)  # warm up: allocator, threads, the trial of the shared prefix
    call_generate(policy, settings, prompts[:1], 2)
    turns: dict[str, list[Turn]] = {name: [] for name in contenders}
    for turn in range(args.rounds):
        for name, contend in contenders.items():
            turns[name].append(contend(turn))
            print(f"round {turn + 1}: {name} {turns[name][-1].seconds:.2f} s", file=sys.stderr)
    result = summary(policy, args, settings, prompts, turns)
    show(result)
    if args.json:
        args.json.write_text(json.dumps(result, indent=1) + "\n")
    return 0


def shape(text: str) -> tuple[int, int]:
    problems, samples = SHAPES.get(text) or map(int, text.split("x"))
    return problems, samples


def recipe(
    model: str, shape_name: str, max_new_tokens: int | None
) -> tuple[Policy, SamplingConfig, list[list[int]]]:
    name, folder = MODELS.get(model, ("smollm2-chain-sum", model))
    words = [f"problems.heldout.size={shape(shape_name)[0]}"] if name != "quickstart" else []
    file = configs.find(name)
    config = configs.load(file, words + ([f"model={REPO / folder}"] if folder else []))
    problems = load_all(config.problems.train, config.problems.heldout)
    heldout = (list(problems.heldout) * shape(shape_name)[0])[: shape(shape_name)[0]]
    policy = load_policy(config, "base")
    settings = config.sampling.model_copy(update={"engine": "transformers"})
    if max_new_tokens:
        settings = settings.model_copy(update={"max_new_tokens": max_new_tokens})
    evidence = Evidence(config.evidence, problems.train, heldout)
    return policy, settings, prompt_ids(policy, evidence, heldout, settings.max_new_tokens)


# ---------------------------------------------------------------------- contenders


def rows_of(prompts: Sequence[Sequence[int]], samples: int, turn: int) -> list[SampleRequest]:
    return [
        SampleRequest(p, row_seed(turn, "bench", str(p), sample))
        for p in range(len(prompts))
        for sample in range(samples)
    ]


def ours(
    policy: Policy, settings: SamplingConfig, prompts: Sequence[list[int]], samples: int, turn: int
) -> Turn:
    rows = rows_of(prompts, samples, turn)
    sampler = TransformersSampler(policy, settings)
    size = sampler.block_size(prompts)
    done: list[Completion] = []
    with watched() as steps:
        began = time.perf_counter()
        for start in range(0, len(rows), size):  # as an evaluation asks
            done += sampler.generate(prompts, rows[start : start + size])
        seconds = time.perf_counter() - began
    work = Work.of(policy)
    needed = sum(work.prompt(len(p)) for p in prompts)
    needed += sum(
        work.completion(len(prompts[row.prompt]), len(c.token_ids)) for row, c in zip(rows, done, strict=True)
    )
    decode: dict[str, float] = {}
    if steps:
        decode = {
            "seconds": sum(s for _, s in steps),
            "products": products_alone(policy, [n for n, _ in steps]),
            "steps": len(steps),
            "rows_per_step": sum(n for n, _ in steps) / len(steps),
        }
    return Turn(seconds, sum(len(c.token_ids) for c in done), needed, decode=decode)


def baseline(
    policy: Policy,
    settings: SamplingConfig,
    prompts: Sequence[list[int]],
    samples: int,
    turn: int,
    args: argparse.Namespace,
) -> Turn:
    if args.shape != "eval":
        return call_generate(policy, settings, prompts, samples, turn)
    every = len(prompts) / (args.calls * args.rounds)
    chosen = [int((turn + args.rounds * i) * every) for i in range(args.calls)]  # other problems each round
    parts = [call_generate(policy, settings, [prompts[p]], samples, p) for p in chosen]
    scale = len(prompts) / len(chosen)
    return Turn(
        scale * sum(p.seconds for p in parts),
        round(scale * sum(p.tokens for p in parts)),
        scale * sum(p.work for p in parts),
        scale,
    )


@torch.no_grad()
def call_generate(
    policy: Policy, settings: SamplingConfig, prompts: Sequence[list[int]], samples: int, seed: int = 0
) -> Turn:
    torch.manual_seed(seed)
    stop = stop_ids(policy, settings)
    ids = policy.tokenizer.pad({"input_ids": list(prompts)}, return_tensors="pt").to(policy.device)
    began = time.perf_counter()
    model: Any = policy.model
    written = model.generate(
        **ids,
        do_sample=True,
        num_return_sequences=samples,
        max_new_tokens=settings.max_new_tokens,
        temperature=settings.temperature,
        top_k=settings.top_k,
        top_p=settings.top_p,
        eos_token_id=stop,
        pad_token_id=policy.tokenizer.pad_token_id,
    )
    if policy.device.type == "cuda":
        torch.cuda.synchronize()
    seconds = time.perf_counter() - began
    width = ids["input_ids"].shape[1]
    completions = written[:, width:]
    ended = torch.isin(completions, torch.tensor(stop, device=completions.device))
    lengths = torch.where(ended.any(1), ended.int().argmax(1) + 1, completions.shape[1])
    work = Work.of(policy)
    made = len(written) * (work.prompt(width) + work.completion(width, completions.shape[1]))
    return Turn(seconds, int(lengths.sum()), made)


def with_vllm(
    policy: Policy, settings: SamplingConfig, prompts: Sequence[list[int]], samples: int, turn: int
) -> Turn:
    from rlvr.sampling.vllm import from_disk

    rows = rows_of(prompts, samples, turn)
    beside = settings.vllm.model_copy(update={"gpu_memory_utilization": 0.5})  # the policy is on the same GPU
    with closing(from_disk(policy, settings.model_copy(update={"vllm": beside}))) as sampler:
        sampler.generate(prompts[:1], rows[:1])
        began = time.perf_counter()
        done = sampler.generate(prompts, rows)
        return Turn(time.perf_counter() - began, sum(len(c.token_ids) for c in done), float("nan"))


# ---------------------------------------------------------------------- matrix products alone


@contextmanager
def watched() -> Iterator[list[tuple[int, float]]]:
    """(rows, seconds) of each decoding step of ours."""
    steps: list[tuple[int, float]] = []
    step = Decoder.step

    def timed(self: Decoder, tokens: Sequence[int], *args: Any, **kwargs: Any) -> torch.Tensor:
        began = time.perf_counter()
        logits = step(self, tokens, *args, **kwargs)
        if logits.device.type == "cuda":
            torch.cuda.synchronize()
        steps.append((len(tokens), time.perf_counter() - began))
        return logits

    with patch.object(Decoder, "step", timed):
        yield steps


_alone: dict[int, float] = {}


def products_alone(policy: Policy, batches: Sequence[int]) -> float:
    """Seconds of the linear layers and the head by themselves, on as many rows as each step had."""
    sizes = [n for n in GRID if n <= max(batches)] + [n for n in GRID if n > max(batches)][:1]
    for n in sizes:
        if n not in _alone:
            _alone[n] = linear_seconds(policy, n)
    return float(np.interp(batches, sizes, [_alone[n] for n in sizes]).sum())


# ---------------------------------------------------------------------- figures


def summary(
    policy: Policy,
    args: argparse.Namespace,
    settings: SamplingConfig,
    prompts: Sequence[list[int]],
    turns: dict[str, list[Turn]],
) -> dict[str, Any]:
    mine = turns["ours"]
    gemm = gemm_rate(policy)
    result: dict[str, Any] = {
        "model": args.model,
        "shape": args.shape,
        "problems": len(prompts),
        "samples": shape(args.shape)[1],
        "prompt_tokens": [min(map(len, prompts)), max(map(len, prompts))],
        "max_new_tokens": settings.max_new_tokens,
        "mean_completion_tokens": sum(t.tokens for t in mine)
        / len(mine)
        / len(prompts)
        / shape(args.shape)[1],
        "baseline_scaled_by": turns["generate"][0].scale,
        "gemm_gflops": gemm / 1e9,
        "contenders": {
            name: {
                "seconds": [t.seconds for t in those],
                "tokens_per_second": statistics.median(t.tokens / t.seconds for t in those),
                "share_of_gemm": statistics.median(2 * t.work / t.seconds for t in those) / gemm,
            }
            for name, those in turns.items()
        },
        "ratio": {
            name: spread([theirs.seconds / my.seconds for theirs, my in zip(those, mine, strict=True)])
            for name, those in turns.items()
            if name != "ours"
        },
        "bound": statistics.median(
            theirs.work / my.work for theirs, my in zip(turns["generate"], mine, strict=True)
        ),
        "decode": {key: statistics.median(t.decode[key] for t in mine) for key in mine[0].decode},
        "machine": machine(policy),
    }
    result["share_of_bound"] = result["ratio"]["generate"]["median"] / result["bound"]
    return result


def show(result: dict[str, Any]) -> None:
    print(
        f"{result['model']}, {result['problems']} problems × {result['samples']} samples, prompts of "
        f"{result['prompt_tokens'][0]}–{result['prompt_tokens'][1]} tokens, at most {result['max_new_tokens']} new "
        f"(mean {result['mean_completion_tokens']:.1f}); {result['machine']['device']}, "
        f"{result['machine']['dtype']}, {result['machine']['threads']} threads"
    )
    if result["baseline_scaled_by"] != 1:
        print(f"generate: an evenly spread part of the calls, times {result['baseline_scaled_by']:.1f}")
    for name, figures in result["contenders"].items():
        seconds = spread(figures["seconds"])
        print(
            f"  {name:9} {seconds['median']:8.2f} s ({seconds['min']:.2f}–{seconds['max']:.2f})  "
            f"{figures['tokens_per_second']:8.0f} tokens/s  {figures['share_of_gemm']:5.0%} of the GEMM rate "
            f"({result['gemm_gflops']:.0f} GFLOP/s)"
        )
    for name, ratio in result["ratio"].items():
        print(f"  {name} / ours: {ratio['median']:.2f} ({ratio['min']:.2f}–{ratio['max']:.2f})")
    print(f"  bound {result['bound']:.2f}; ours reaches {result['share_of_bound']:.0%} of it")
    if not (decode := result["decode"]):
        print("  rows have a copy of their prompt each: this model's attention cannot share it")
        return
    print(
        f"  decode: {decode['steps']:.0f} steps of {decode['rows_per_step']:.0f} rows, {decode['seconds']:.2f} s; "
        f"the same matrix products alone {decode['products']:.2f} s: "
        f"{decode['seconds'] / decode['products']:.2f} times"
    )


if __name__ == "__main__":
    sys.exit(main())
