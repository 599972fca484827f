"""Two contenders on the same weights, prompts and stop rule, whose phases are called one by one: our loop, and TRL's
GRPOTrainer as it is."""

from __future__ import annotations

import ctypes
import gc
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

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
from rlvr.run import open_run
from rlvr.terminal import Terminal
from rlvr.training import arguments
from rlvr.training.build import build
from rlvr.training.checkpoints import Checkpoints
from rlvr.training.loop import Loop
from rlvr.training.objective import Totals
from rlvr.training.packing import Prompted, Sample
from rlvr.training.step_batch import StepBatch, TokenGroup
from verifiers import Problem
from verifiers.pool import VerifierPool

Batch = TypeVar("Batch")


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


class Contender(ABC, Generic[Batch]):
    """A training step whose phases are called and timed one by one. Its learning rate is zero."""

    def __init__(self, model: Any, optimizer: torch.optim.Optimizer) -> None:
        self.model: Any = model.train()
        self.optimizer = optimizer
        for group in optimizer.param_groups:
            group["lr"] = 0.0
        self.own_heap: Callable[[], None] | None = None
        """Sets how this contender has freed memory handled, at the start of each turn; None: it is not touched."""
        for parameter in self.model.parameters():
            parameter.grad = torch.zeros_like(parameter)
        optimizer.step()  # its state is there before anything is measured

    def sample(self) -> tuple[Batch, dict[str, float]]:
        """A step's batch, and the seconds that it took."""
        if self.own_heap:
            self.own_heap()
        began = now(self.model.device)
        batch, verifying = self._sample()
        return batch, {"sampling": now(self.model.device) - began - verifying, "verifying": verifying}

    def update(self, batch: Batch, micro_steps: int) -> dict[str, float]:
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

    def peak(self, batch: Batch, micro_steps: int) -> int:
        """Bytes that forward and backward of the first micro-step need at their peak."""
        self.optimizer.zero_grad(set_to_none=False)
        gc.collect()
        peak = Peak(self.model.device)
        self._accumulate(batch, micro_steps, 1)
        return peak.bytes()

    def gradient(self) -> torch.Tensor:
        return torch.cat([p.grad.flatten() for p in self.model.parameters() if p.grad is not None])

    @abstractmethod
    def _sample(self) -> tuple[Batch, float]:
        """A step's batch, and the seconds spent waiting for verdicts."""

    @abstractmethod
    def _accumulate(self, batch: Batch, micro_steps: int, first: int) -> None:
        """Add the gradients of the first ones of so many micro-steps to those that are there."""


class Ours(Contender[StepBatch]):
    """The loop, by its own `sample` and `backward`."""

    def __init__(self, loop: Loop) -> None:
        self.loop, self.step = loop, 0
        optimizer: Any = loop.optimizer
        super().__init__(loop.model, optimizer.optimizer)
        # Both contenders add to gradients that are there, since memory is measured above them: zeroed in `update`.
        optimizer.zero_grad = lambda: None

    def _sample(self) -> tuple[StepBatch, float]:
        self.step += 1
        batch = self.loop.sample(self.step)
        return batch, batch.metrics["seconds/verifying"]

    def _accumulate(self, batch: StepBatch, micro_steps: int, first: int) -> None:
        groups = len(batch.groups) // micro_steps
        totals = replace(batch.totals, micro_steps=micro_steps)
        self.loop.backward(StepBatch(batch.groups[: first * groups], groups, totals), fresh=True)
        if self.loop.finite.should_skip(max(self.step, 1), 0.0):
            raise SystemExit("ours: a log-probability or the loss is not finite")


class Trl(Contender[dict[str, Any]]):
    """TRL's trainer, by the methods that its own loop calls.

    Args:
        rows: what a step asks, G neighbouring rows per problem.
    """

    def __init__(self, policy: Policy, args: Any, pool: VerifierPool, rows: list[dict[str, Any]]) -> None:
        self.pool, self.rows, self.verifying = pool, rows, 0.0
        self.trainer = GRPOTrainer(
            model=policy.model,
            reward_funcs=[self._judge],
            args=args,
            train_dataset=Dataset.from_dict({"prompt": [""] * args.generation_batch_size}),
            processing_class=policy.tokenizer,
        )
        super().__init__(self.trainer.model, self.trainer.create_optimizer())

    def _sample(self) -> tuple[dict[str, Any], float]:
        with self.trainer.accelerator.autocast():
            batch = self.trainer._generate_and_score_completions(self.rows)
        return batch, self.verifying

    def _judge(self, completions: list[str], problem: list[Any], **_: Any) -> list[float | None]:
        """The reward function: the same verifier."""
        began = time.perf_counter()
        judging = [self.pool.submit(p, text) for p, text in zip(problem, completions, strict=True)]
        scores: list[float | None] = [verdict.result().score for verdict in judging]
        self.verifying = time.perf_counter() - began
        return scores

    def _accumulate(self, batch: dict[str, Any], micro_steps: int, first: int) -> None:
        settings: Any = self.trainer.args
        settings.steps_per_generation = self.trainer.current_gradient_accumulation_steps = micro_steps
        for part in parts_of(batch, micro_steps)[:first]:
            with self.trainer.accelerator.autocast():
                loss = self.trainer._compute_loss(self.model, part)
            self.trainer.accelerator.backward(loss)


def parts_of(batch: dict[str, Any], parts: int) -> list[dict[str, Any]]:
    """TRL's batch in `parts` of neighbouring rows. What is not per row (a token count) goes to every part."""
    rows = len(batch["completion_ids"])

    def part(value: Any, index: int) -> Any:
        per_row = isinstance(value, torch.Tensor) and value.dim() > 0 and len(value) == rows
        return value.chunk(parts)[index] if per_row else value

    return [{key: part(value, index) for key, value in batch.items()} for index in range(parts)]


def step_batch(batch: dict[str, Any], size: int) -> StepBatch:
    """TRL's batch of groups of `size` rows, as our update reads it."""
    device = batch["completion_ids"].device
    lengths = batch["completion_mask"].sum(1).tolist()
    written = [ids[:n] for ids, n in zip(batch["completion_ids"].tolist(), lengths, strict=True)]
    groups = []
    for first in range(0, len(written), size):
        prompt = batch["prompt_ids"][first][batch["prompt_mask"][first].bool()].tolist()
        samples = [Sample.of(ids, [True] * len(ids)) for ids in written[first : first + size]]
        own = sum(lengths[first : first + size])
        group = TokenGroup(Prompted(prompt, samples), torch.zeros(own, device=device), sampler=None)
        group.advantages = group.per_token(batch["advantages"][first : first + size])
        groups.append(group)
    return StepBatch(groups, len(groups), Totals(len(written), sum(lengths), micro_steps=1, processes=1))


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
    """The two contenders. TRL's weights are in a model of their own."""

    ours: Ours
    trl: Trl
    policy: Policy
    """TRL's, which is plain: nothing of ours is installed in it."""


@dataclass(frozen=True)
class Asked:
    """A recipe with the problems that every step asks, and the loop before its first step."""

    config: Config
    problems: Sequence[Problem]
    evidence: Evidence
    pool: VerifierPool
    folder: Path
    loop: Loop


@contextmanager
def asked_of(model: str, shape: Shape) -> Iterator[Asked]:
    """The recipe of a model with the step of that shape."""
    config = recipe(model, shape)
    problems = load_all(config.problems.train, config.problems.heldout)
    asked = problems.train[-shape.groups :]  # few-shot examples come from the front
    evidence = Evidence(config.evidence, problems.train, problems.heldout)
    with (
        tempfile.TemporaryDirectory() as name,
        VerifierPool(config.verifier, workers=1, options=config.verifier_options) as pool,
    ):
        folder, evaluator = Path(name), Evaluator(config, evidence, pool, Terminal(quiet=True))
        pool.submit(asked[0], "0").result()  # starts the worker
        loop = loop_of(config, asked, evaluator, folder / "ours")
        yield Asked(config, asked, evidence, pool, folder, loop)


@contextmanager
def contenders(model: str, shape: Shape) -> Iterator[Pair]:
    """Both contenders, each with the model loaded for itself."""
    with asked_of(model, shape) as given:
        config, pool, loop = given.config, given.pool, given.loop
        policy = load_policy(config, "policy", for_training=True)
        rows = [
            {"prompt": prompt, "problem": problem}
            for problem in given.problems
            for prompt in [render(given.evidence, problem, policy.tokenizer)]
            for _ in range(shape.size)
        ]
        ends = stop_ids(policy, config.sampling.model_copy(update={"stop": shape.stop or []}))
        if shape.stop is None:
            ends = [never(policy, rows[0]["prompt"])]
        for each in (policy, loop.policy):
            generation: Any = each.model.generation_config
            generation.eos_token_id = ends
            if shape.stop is None:
                each.tokenizer.eos_token = each.tokenizer.convert_ids_to_tokens(ends[0])
        args = arguments.grpo_config(config, given.folder / "trl", longest_prompt=10)
        yield Pair(Ours(loop), Trl(policy, args, pool, rows), policy)


def recipe(model: str, shape: Shape) -> Config:
    """The model's recipe, with the step of that shape in one micro-step."""
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
            "rows_per_micro_step": shape.groups * shape.size,
            "group_size": shape.size,
            "trl": {"gradient_checkpointing": False},
        }
    )
    return config.model_copy(update={"sampling": sampling, "train": train})


def loop_of(config: Config, problems: Sequence[Problem], evaluator: Evaluator, folder: Path) -> Loop:
    """The loop before its first step, every step of which asks all of `problems`."""
    run = open_run(config, folder)
    checkpoints = Checkpoints(run.checkpoints, 1, evaluator.terminal.say)
    return build(
        config,
        problems,
        evaluator,
        run,
        checkpoints,
        due=lambda step: False,
        evaluate=lambda sampler, step: {},
        advance=lambda *_, **__: None,
    )


@torch.no_grad()
def never(policy: Policy, prompt: str) -> int:
    """The token that is least likely after `prompt`."""
    ids = torch.tensor(policy.encode([prompt]), device=policy.device)
    return int(policy.model(input_ids=ids).logits[0, -1].argmin())


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
