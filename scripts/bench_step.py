"""A training step beside plain TRL's: same weights, prompts and stop rule, in turns (A B A B) in one process.

    python scripts/bench_step.py --model tiny|smollm2|PATH --shape few-shot|long|full --dead 0|0.5 [--json FILE]

    few-shot   8 problems × 8 completions of at most 12 tokens, ended by a newline
    long       4 × 8 of at most 64, ended by an empty line
    full       4 × 8, every one of 64 tokens: the end token is one that is never drawn

In each round TRL samples, ours samples, and both update on the completions that TRL drew, with the same advantages
(`--dead`: that share of the groups has none, as after equal verdicts) and equal rows per micro-step. The learning rate
is zero, so that every round sees the same weights; the optimiser does its work all the same. The first round also
compares the two gradients. TRL runs in float32 without gradient checkpointing; what it stops at are the token ids in
the model's generation config, where every token that holds a stop string counts as an end of text.

The bound is the multiply-adds of TRL's step over those that can matter: distinct prompt tokens once, completion tokens
up to their end, logits where a token is drawn or has a loss; forward once for what is sampled, forward and backward
(three times the forward) for what is trained on. Memory is what forward and backward need at their peak above weights,
gradients and optimiser: the resident set on a CPU (Linux only), torch's own count on CUDA.
"""

from __future__ import annotations

import argparse
import copy
import ctypes
import gc
import json
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from bench_sampling import MODELS, REPO, Work, linear_seconds_body, spread, stop_ids
from datasets import Dataset
from trl.trainer.grpo_trainer import GRPOTrainer

from rlvr import config as configs
from rlvr.config import Config
from rlvr.evaluation import Examiner
from rlvr.evidence import Evidence, render
from rlvr.policy import Policy, load_policy
from rlvr.problems import load_all
from rlvr.terminal import Terminal
from rlvr.training import arguments
from rlvr.training.batch import split_groups
from rlvr.training.trainer import Trainer
from verifiers.pool import VerifierPool


@dataclass(frozen=True)
class Shape:
    """What a step looks like."""

    groups: int
    size: int
    max_new_tokens: int
    stop: list[str] | None
    """None: nothing ends a completion."""


SHAPES = {
    "few-shot": Shape(8, 8, 12, ["\n"]),
    "long": Shape(4, 8, 64, ["\n\n"]),
    "full": Shape(4, 8, 64, None),
}


class Contender:
    """A trainer whose phases are called and timed one by one."""

    def __init__(self, trainer: GRPOTrainer) -> None:
        self.trainer = trainer
        assert trainer.model is not None
        self.model: Any = trainer.model.train()
        self.optimizer = trainer.create_optimizer()
        for group in self.optimizer.param_groups:
            group["lr"] = 0.0
        self.parts = trainer.args.gradient_accumulation_steps
        trainer.current_gradient_accumulation_steps = self.parts
        self.verifying = 0.0
        for parameter in self.model.parameters():
            parameter.grad = torch.zeros_like(parameter)
        self.optimizer.step()  # its state is there before anything is measured

    def sample(self, rows: list[dict[str, Any]]) -> tuple[dict[str, Any], dict[str, float]]:
        """A step's batch, and the seconds that it took."""
        began = now(self.model)
        self.verifying = 0.0
        with self.trainer.accelerator.autocast():
            batch = self.trainer._generate_and_score_completions(rows)
        seconds = now(self.model) - began
        if isinstance(self.trainer, Trainer):
            assert self.trainer._sampled is not None
            self.verifying = self.trainer._sampled.seconds["verifying"]
        return batch, {"sampling": seconds - self.verifying, "verifying": self.verifying}

    def update(self, batch: dict[str, Any]) -> tuple[dict[str, float], int]:
        """Seconds of an update on `batch`, and the bytes that its forward and backward needed at their peak."""
        self.optimizer.zero_grad(set_to_none=False)
        gc.collect()
        peak = Peak(self.model.device)
        began = now(self.model)
        for part in split_groups(batch, self.parts):
            with self.trainer.accelerator.autocast():
                loss = self.trainer._compute_loss(self.model, part)
            self.trainer.accelerator.backward(loss)
        between = now(self.model)
        needed = peak.bytes()
        torch.nn.utils.clip_grad_norm_(
            self.model.parameters(), 1e30
        )  # the norm alone: gradients are compared
        self.optimizer.step()
        return {"forward, backward": between - began, "optimiser": now(self.model) - between}, needed

    def gradient(self) -> torch.Tensor:
        return torch.cat([p.grad.flatten() for p in self.model.parameters() if p.grad is not None])


class Peak:
    """Memory above what was held when this began."""

    def __init__(self, device: torch.device) -> None:
        self.cuda = device.type == "cuda"
        if self.cuda:
            torch.cuda.reset_peak_memory_stats()
            self.before = torch.cuda.memory_allocated()
        else:
            ctypes.CDLL(None).malloc_trim(0)  # glibc keeps freed pages, which would hide what is needed next
            Path("/proc/self/clear_refs").write_text("5")  # proc(5): the high-water mark starts anew
            self.before = resident("VmRSS")

    def bytes(self) -> int:
        return (torch.cuda.max_memory_allocated() if self.cuda else resident("VmHWM")) - self.before


def resident(key: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(key))


def now(model: Any) -> float:
    if model.device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="smollm2", help="tiny, smollm2 or a folder")
    parser.add_argument("--shape", default="few-shot", choices=SHAPES)
    parser.add_argument("--dead", type=float, default=0.0, help="share of the groups without variance")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each contender")
    parser.add_argument("--groups-per-micro-step", type=int, default=2)
    parser.add_argument("--json", type=Path, help="write the figures there")
    args = parser.parse_args(argv)
    if not 0 <= args.dead <= 1:
        parser.error(f"--dead: found {args.dead}; expected a share between 0 and 1")
    with tempfile.TemporaryDirectory() as folder:
        result = bench(args, SHAPES[args.shape], Path(folder))
    show(result)
    if args.json:
        args.json.write_text(json.dumps(result, indent=1) + "\n")
    return 0


def bench(args: argparse.Namespace, shape: Shape, folder: Path) -> dict[str, Any]:
    config = recipe(args, shape)
    problems = load_all(config.problems.train, config.problems.heldout)
    policy = load_policy(config, "policy", for_training=True)
    model: Any = policy.model
    examples = Evidence(config.evidence, problems.train, problems.heldout)
    with VerifierPool(config.verifier, workers=1, options=config.verifier_options) as pool:
        examiner = Examiner(config, examples, pool, Terminal(quiet=True))
        rows = prompts_of(config, policy, problems.train, examiner)
        ends = stop_ids(policy, config.sampling.model_copy(update={"stop": shape.stop or []}))
        if shape.stop is None:
            ends = [never(policy, rows[0]["prompt"])]
            policy.tokenizer.eos_token = policy.tokenizer.convert_ids_to_tokens(ends[0])
        model.generation_config.eos_token_id = ends
        (folder / "rollouts").mkdir()
        pool.submit(problems.train[0], "0").result()  # starts the worker
        twin = replace(policy, model=copy.deepcopy(policy.model))
        grpo = arguments.grpo_config(config, folder / "trainer", longest_prompt=10)
        ours = Contender(Trainer(policy, problems.train, config, examiner, grpo, folder / "rollouts"))
        theirs = Contender(plain_trl(twin, grpo, pool, lambda seconds: setattr(theirs, "verifying", seconds)))
        return measure(args, shape, ours, theirs, rows, policy)


def recipe(args: argparse.Namespace, shape: Shape) -> Config:
    name, folder = MODELS.get(args.model, ("smollm2-chain-sum", args.model))
    config = configs.load(configs.find(name), [f"model={REPO / folder}"] if folder else [])
    sampling = config.sampling.model_copy(
        update={"max_new_tokens": shape.max_new_tokens, "stop": [], "engine": "transformers"}
    )
    train = config.train.model_copy(
        update={
            "groups_per_step": shape.groups,
            "group_size": shape.size,
            "groups_per_micro_step": args.groups_per_micro_step,
            "trl": {"gradient_checkpointing": False},
        }
    )
    return config.model_copy(update={"sampling": sampling, "train": train})


def prompts_of(config: Config, policy: Policy, problems: Sequence[Any], examiner: Examiner) -> list[Any]:
    """The rows of a step as both trainers take them: G neighbours per problem."""
    groups = config.train.groups_per_step
    return [
        {"prompt": prompt, "problem": problem, "index": i, "place": i, "sample": sample}
        for i, problem in enumerate(problems[-groups:])  # few-shot examples come from the front
        for prompt in [render(examiner.evidence, problem, policy.tokenizer)]
        for sample in range(config.train.group_size)
    ]


@torch.no_grad()
def never(policy: Policy, prompt: str) -> int:
    """The token that is least likely after `prompt`."""
    ids = torch.tensor(policy.encode([prompt]), device=policy.device)
    return int(policy.model(input_ids=ids).logits[0, -1].argmin())


def plain_trl(policy: Policy, args: Any, pool: VerifierPool, took: Callable[[float], None]) -> GRPOTrainer:
    """TRL's own trainer, with the same verifier."""

    def judge(completions: list[str], problem: list[Any], **_: Any) -> list[float | None]:
        began = time.perf_counter()
        judging = [pool.submit(p, text) for p, text in zip(problem, completions, strict=True)]
        scores: list[float | None] = [verdict.result().score for verdict in judging]
        took(time.perf_counter() - began)
        return scores

    return GRPOTrainer(
        model=policy.model,
        reward_funcs=[judge],
        args=args,
        train_dataset=Dataset.from_dict({"prompt": [""] * args.generation_batch_size}),
        processing_class=policy.tokenizer,
    )


def measure(
    args: argparse.Namespace,
    shape: Shape,
    ours: Contender,
    theirs: Contender,
    rows: list[dict[str, Any]],
    policy: Policy,
) -> dict[str, Any]:
    """The rounds, and what they add up to."""
    work = Work.of(policy)
    phases: dict[str, list[dict[str, float]]] = {"ours": [], "trl": []}
    memory: dict[str, list[int]] = {"ours": [], "trl": []}
    bounds, difference, tokens, useful = [], 0.0, [], []
    for turn in range(args.rounds):
        torch.manual_seed(turn)
        batch, their_sampling = theirs.sample(rows)
        drawn, our_sampling = ours.sample(rows)
        batch["advantages"] = with_advantages(shape, args.dead).to(batch["advantages"].device)
        their_update, their_peak = theirs.update(batch)
        reference = theirs.gradient() if turn == 0 else None
        our_update, our_peak = ours.update(batch)
        if reference is not None:
            difference = float((ours.gradient() - reference).norm() / reference.norm())
            del reference
        for name, part in (("ours", our_sampling | our_update), ("trl", their_sampling | their_update)):
            phases[name].append(part)
            print(f"round {turn + 1}: {name} {sum(part.values()):.2f} s {rounded(part)}", file=sys.stderr)
        memory["ours"].append(our_peak)
        memory["trl"].append(their_peak)
        counted = multiply_adds(work, shape, batch, drawn)
        bounds.append(counted)
        useful.append(2 * counted["update"][1] / our_update["forward, backward"])
        tokens.append(int(batch["completion_mask"].sum()))
    gemm = 2 * work.body * 1024 / linear_seconds_body(policy, 1024)
    return summary(args, shape, phases, memory, bounds, tokens) | {
        "gradient_difference": difference,
        "mean_completion_tokens": statistics.mean(tokens) / len(rows),
        "prompt_tokens": max(len(ids) for ids in policy.encode([row["prompt"] for row in rows])),
        "update_share_of_gemm": statistics.median(useful) / gemm,
        "machine": {
            "device": str(policy.device),
            "dtype": str(policy.model.dtype),
            "threads": torch.get_num_threads(),
            "processor": platform.processor() or platform.machine(),
            "torch": torch.__version__,
            "gemm_gflops": gemm / 1e9,
        },
    }


def rounded(part: dict[str, float]) -> dict[str, float]:
    return {name: round(seconds, 2) for name, seconds in part.items()}


def with_advantages(shape: Shape, dead: float) -> torch.Tensor:
    """(rows,) Made up, the same each time: that share of the groups has none, spread over the micro-steps."""
    every = torch.randn(shape.groups, shape.size, generator=torch.Generator().manual_seed(0))
    every -= every.mean(1, keepdim=True)
    for group in range(shape.groups):
        if int((group + 1) * dead) > int(group * dead):
            every[group] = 0
    return every.flatten()


def multiply_adds(
    work: Work, shape: Shape, batch: dict[str, Any], drawn: dict[str, Any]
) -> dict[str, tuple[float, float]]:
    """Phase → (TRL's, those that can matter). Sampling: of TRL's rows padded, and of the rows that ours drew."""
    rows, width = batch["prompt_ids"].shape
    longest = batch["completion_ids"].shape[1]
    prompts = batch["prompt_mask"].sum(1)[:: shape.size].tolist()
    mine = drawn["completion_mask"].sum(1).view(-1, shape.size).tolist()
    made = rows * (work.prompt(width) + work.completion(width, longest))
    needed = sum(
        work.prompt(p) + sum(work.completion(p, t) for t in g) for p, g in zip(prompts, mine, strict=True)
    )
    whole = width + longest
    padded = 3 * rows * (whole * work.body + longest * work.head + work.attention * whole * (whole + 1) / 2)
    live = (batch["advantages"].view(-1, shape.size) != 0).any(1).tolist()
    theirs = batch["completion_mask"].sum(1).view(-1, shape.size).tolist()
    packed = sum(trained(work, p, g) for p, g, on in zip(prompts, theirs, live, strict=True) if on)
    return {"sampling": (made, needed), "update": (padded, packed)}


def trained(work: Work, prompt: int, lengths: Sequence[int]) -> float:
    """Forward and backward of a group: its prompt once, each completion on top of it."""
    shared = prompt * work.body + work.attention * prompt * (prompt + 1) / 2
    own = sum(t * (work.body + work.head) + work.attention * (t * prompt + t * (t + 1) / 2) for t in lengths)
    return 3 * (shared + own)


def summary(
    args: argparse.Namespace,
    shape: Shape,
    phases: dict[str, list[dict[str, float]]],
    memory: dict[str, list[int]],
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
        "groups": shape.groups,
        "group_size": shape.size,
        "max_new_tokens": shape.max_new_tokens,
        "rows_per_micro_step": args.groups_per_micro_step * shape.size,
        "ratio": ratio,
        "bound": limit,
        "share_of_bound": {name: ratio[name]["median"] / limit[name] for name in ratio},
        "seconds": {
            who: {name: statistics.median(p[name] for p in turns) for name in parts["step"]}
            for who, turns in phases.items()
        },
        "memory": {who: statistics.median(peaks) for who, peaks in memory.items()}
        | {"ratio": statistics.median(memory["trl"]) / max(1, statistics.median(memory["ours"]))},
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
        f"{result['rows_per_micro_step']} rows per micro-step; {machine['device']}, {machine['dtype']}, "
        f"{machine['threads']} threads"
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
    print(
        f"  forward and backward at {result['update_share_of_gemm']:.0%} of the GEMM rate "
        f"({machine['gemm_gflops']:.0f} GFLOP/s); gradients differ by {result['gradient_difference']:.1e}"
    )


if __name__ == "__main__":
    sys.exit(main())
