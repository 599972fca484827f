"""Two trainers on the same weights, prompts and stop rule, whose phases are called one by one: ours and plain TRL's."""

from __future__ import annotations

import copy
import ctypes
import gc
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from common import MODELS, REPO, Work, now, stop_ids
from datasets import Dataset
from trl.trainer.grpo_trainer import GRPOTrainer

from rlvr import config as configs
from rlvr.config import Config
from rlvr.evaluation import Evaluator
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
    worked: bool = False
    """Sums of three numbers, whose examples show the steps; not for the tiny model, which knows no words."""


SHAPES = {
    "few-shot": Shape(8, 8, 12, ["\n"]),
    "long": Shape(4, 8, 64, ["\n"], worked=True),
    "full": Shape(4, 8, 64, None),
}
WORKED = [
    "problems.train.parameters={min_terms: 3, max_terms: 3, min_digits: 2, max_digits: 2}",
    "problems.heldout.parameters={min_terms: 3, max_terms: 3, min_digits: 2, max_digits: 2}",
    """evidence={template: plain, examples: [
    {prompt: "State the final answer to the following arithmetic problem: 41 - 13 + 75 =",
     answer: "41 - 13 = 28. 28 + 75 = 103. The answer is 103."},
    {prompt: "State the final answer to the following arithmetic problem: 32 + 59 - 24 =",
     answer: "32 + 59 = 91. 91 - 24 = 67. The answer is 67."}]}""",
]


class Contender:
    """A trainer whose phases are called and timed one by one."""

    def __init__(self, trainer: GRPOTrainer) -> None:
        self.trainer = trainer
        assert trainer.model is not None
        self.model: Any = trainer.model.train()
        self.optimizer = trainer.create_optimizer()
        for group in self.optimizer.param_groups:
            group["lr"] = 0.0
        self.verifying = 0.0
        self.own_heap: Callable[[], None] | None = None
        """Sets how this contender has freed memory handled, at the start of each turn; None: it is not touched."""
        for parameter in self.model.parameters():
            parameter.grad = torch.zeros_like(parameter)
        self.optimizer.step()  # its state is there before anything is measured

    def sample(self, rows: list[dict[str, Any]]) -> tuple[dict[str, Any], dict[str, float]]:
        """A step's batch, and the seconds that it took."""
        if self.own_heap:
            self.own_heap()
        began = now(self.model.device)
        self.verifying = 0.0
        with self.trainer.accelerator.autocast():
            batch = self.trainer._generate_and_score_completions(rows)
        seconds = now(self.model.device) - began
        if isinstance(self.trainer, Trainer):
            assert self.trainer._sampled is not None
            self.verifying = self.trainer._sampled.seconds["verifying"]
        return batch, {"sampling": seconds - self.verifying, "verifying": self.verifying}

    def update(self, batch: dict[str, Any], micro_steps: int) -> dict[str, float]:
        """Seconds of an update on `batch`."""
        if self.own_heap:
            self.own_heap()
        self.optimizer.zero_grad(set_to_none=False)
        began = now(self.model.device)
        self._accumulate(batch, micro_steps, micro_steps)
        between = now(self.model.device)
        torch.nn.utils.clip_grad_norm_(
            self.model.parameters(), 1e30
        )  # the norm alone: gradients are compared
        self.optimizer.step()
        return {"forward, backward": between - began, "optimiser": now(self.model.device) - between}

    def peak(self, batch: dict[str, Any], micro_steps: int) -> int:
        """Bytes that forward and backward of the first micro-step need at their peak."""
        self.optimizer.zero_grad(set_to_none=False)
        gc.collect()
        peak = Peak(self.model.device)
        self._accumulate(batch, micro_steps, 1)
        return peak.bytes()

    def _accumulate(self, batch: dict[str, Any], micro_steps: int, first: int) -> None:
        """Gradients of the first ones of so many micro-steps."""
        settings: Any = self.trainer.args
        settings.steps_per_generation = self.trainer.current_gradient_accumulation_steps = micro_steps
        for part in split_groups(batch, micro_steps)[:first]:
            with self.trainer.accelerator.autocast():
                loss = self.trainer._compute_loss(self.model, part)
            self.trainer.accelerator.backward(loss)

    def gradient(self) -> torch.Tensor:
        return torch.cat([p.grad.flatten() for p in self.model.parameters() if p.grad is not None])


def glibc_heap() -> None:
    """glibc's own handling of freed memory, with the thresholds that it settles on when large blocks are freed."""
    libc = ctypes.CDLL(None)
    most_mapped, map_from, trim_from = (-4, 65536), (-3, 32 << 20), (-1, 64 << 20)  # <malloc.h>
    for option, value in (most_mapped, map_from, trim_from):
        if not libc.mallopt(option, value):
            raise SystemExit("--plain-heap: this C library's mallopt refuses its own settings")


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


@dataclass(frozen=True)
class Pair:
    """The two contenders, and what both are asked."""

    policy: Policy
    ours: Contender
    theirs: Contender
    rows: list[dict[str, Any]]


@contextmanager
def contenders(model: str, shape: Shape) -> Iterator[Pair]:
    """Both trainers, each on a copy of the model."""
    config = recipe(model, shape)
    problems = load_all(config.problems.train, config.problems.heldout)
    policy = load_policy(config, "policy", for_training=True)
    examples = Evidence(config.evidence, problems.train, problems.heldout)
    with (
        tempfile.TemporaryDirectory() as name,
        VerifierPool(config.verifier, workers=1, options=config.verifier_options) as pool,
    ):
        folder = Path(name)
        evaluator = Evaluator(config, examples, pool, Terminal(quiet=True))
        rows = prompts_of(config, policy, problems.train, evaluator)
        ends = stop_ids(policy, config.sampling.model_copy(update={"stop": shape.stop or []}))
        if shape.stop is None:
            ends = [never(policy, rows[0]["prompt"])]
            policy.tokenizer.eos_token = policy.tokenizer.convert_ids_to_tokens(ends[0])
        generation: Any = policy.model.generation_config
        generation.eos_token_id = ends
        (folder / "rollouts").mkdir()
        pool.submit(problems.train[0], "0").result()  # starts the worker
        twin = replace(policy, model=copy.deepcopy(policy.model))
        grpo = arguments.grpo_config(config, folder / "trainer", longest_prompt=10)
        ours = Contender(Trainer(policy, problems.train, config, evaluator, grpo, folder / "rollouts"))
        theirs = Contender(plain_trl(twin, grpo, pool, lambda seconds: setattr(theirs, "verifying", seconds)))
        yield Pair(policy, ours, theirs, rows)


def recipe(model: str, shape: Shape) -> Config:
    name, folder = MODELS.get(model, ("smollm2-chain-sum", model))
    words = [f"model={REPO / folder}"] if folder else []
    words += WORKED if shape.worked and name != "quickstart" else []
    config = configs.load(configs.find(name), words)
    sampling = config.sampling.model_copy(
        update={"max_new_tokens": shape.max_new_tokens, "stop": [], "engine": "transformers"}
    )
    train = config.train.model_copy(
        update={
            "groups_per_step": shape.groups,
            "group_size": shape.size,
            "trl": {"gradient_checkpointing": False},
        }
    )
    return config.model_copy(update={"sampling": sampling, "train": train})


def prompts_of(config: Config, policy: Policy, problems: Sequence[Any], evaluator: Evaluator) -> list[Any]:
    """The rows of a step as both trainers take them: G neighbours per problem."""
    groups = config.train.groups_per_step
    return [
        {"prompt": prompt, "problem": problem, "index": i, "place": i, "sample": sample}
        for i, problem in enumerate(problems[-groups:])  # few-shot examples come from the front
        for prompt in [render(evaluator.evidence, problem, policy.tokenizer)]
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


def with_advantages(shape: Shape, dead: float) -> torch.Tensor:
    """(rows,) Made up, the same each time: that share of the groups has none, spread over the micro-steps."""
    every = torch.randn(shape.groups, shape.size, generator=torch.Generator().manual_seed(0))
    every -= every.mean(1, keepdim=True)
    for group in range(shape.groups):
        if int((group + 1) * dead) > int(group * dead):
            every[group] = 0
    return every.flatten()


def trained(work: Work, prompt: int, lengths: Sequence[int]) -> float:
    """Forward and backward of a group: its prompt once, each completion on top of it."""
    shared = prompt * work.body + work.attention * prompt * (prompt + 1) / 2
    own = sum(t * (work.body + work.head) + work.attention * (t * prompt + t * (t + 1) / 2) for t in lengths)
    return 3 * (shared + own)
