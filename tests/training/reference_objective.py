"""A step's loss by TRL and by ours, on numbers that are given, in float64.

TRL's trainer is a real one whose forward passes return given tensors. What it makes of them while it scores a batch
(masks, token count, importance weights of the sampler's engine) and in its loss is its own code.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from datasets import Dataset
from torch import Tensor
from trl.trainer.grpo_config import GRPOConfig
from trl.trainer.grpo_trainer import GRPOTrainer

from rlvr.policy import Policy, load_policy
from rlvr.training.entropy import entropy_threshold
from rlvr.training.objective import Objective, Tokens, Totals, loss
from tests.conftest import quickstart_config

LENGTHS = [6, 3, 7, 5, 4, 7, 2, 6]  # what an environment wrote included
HOLES = {1: [1], 5: [2, 3], 7: [0, 4]}  # row → places that an environment wrote
TRUNCATED = 2  # the row without an end: all of it is masked
ROWS, T, LIMIT = len(LENGTHS), max(LENGTHS), 9
TOLERANCE = 1e-9


@dataclass
class Batch:
    """The numbers of a step, (ROWS, T), also where nothing may read them."""

    mask: Tensor
    advantages: Tensor
    logp: Tensor
    entropy: Tensor
    old: Tensor | None
    ref: Tensor
    sampler: Tensor

    def leaves(self) -> "Batch":
        """The same, with gradients of its own."""
        logp, entropy = self.logp.clone().requires_grad_(), self.entropy.clone().requires_grad_()
        return replace(self, logp=logp, entropy=entropy)

    def map(self, change: Callable[[Tensor], Tensor]) -> "Batch":
        values: dict[str, Any] = {k: None if v is None else change(v) for k, v in vars(self).items()}
        return Batch(**values)


def draw() -> Batch:
    """Ratios far enough from one that every clip acts, for both signs of the advantage."""
    generator = torch.Generator().manual_seed(0)

    def noise(scale: float) -> Tensor:
        return scale * torch.randn(ROWS, T, generator=generator, dtype=torch.float64)

    mask = torch.arange(T) < torch.tensor(LENGTHS)[:, None]
    mask[TRUNCATED] = False
    for row, places in HOLES.items():
        mask[row, places] = False
    advantages = torch.tensor([1.1, -0.7, 0.4, -1.3, -0.6, 0.9, -0.2, 1.6], dtype=torch.float64)
    logp = -noise(1.0).abs() - 0.1
    old = logp + noise(0.4)
    sampler = (old + noise(0.3)).float().double()  # TRL holds an engine's numbers in float32
    sampler[3, 1] = math.nan  # the engine gave no number
    return Batch(mask, advantages, logp, noise(1.0).abs() + 0.05, old, logp + noise(0.3), sampler)


# ------------------------------------------------------------------ a step by TRL, and by us


class Reference(GRPOTrainer):
    """TRL's trainer with a batch in the place of its forward passes and of its engine."""

    batch: Batch
    part: slice

    def _get_per_token_logps_and_entropies(self, model, *_, **__):
        if torch.is_grad_enabled():
            return self.batch.logp[self.part], self.batch.entropy[self.part], None
        old = self.batch.logp if self.batch.old is None else self.batch.old
        return (self.batch.ref if model is self.ref_model else old), None, None

    def rollouts(self) -> dict[str, Any]:
        end = next(iter(self.eos_token_ids))
        drawn: dict[str, Any] = {"prompt_ids": [[4]] * ROWS}
        drawn |= {"completion_ids": [], "logprobs": [], "env_mask": []}
        for row, n in enumerate(LENGTHS):
            drawn["completion_ids"].append([5] * (n - 1) + [5 if row == TRUNCATED else end])
            drawn["env_mask"].append([int(t not in HOLES.get(row, ())) for t in range(n)])
            numbers = self.batch.sampler[row, :n].tolist()
            drawn["logprobs"].append([None if math.isnan(x) else x for x in numbers])
        return drawn

    def inputs(self, batch: Batch) -> dict:
        """What TRL's loss is given for `batch`; its advantages and old log-probabilities are the batch's."""
        self.batch = batch
        scored = self._generate_and_score_completions([{"prompt": "a"}] * ROWS)
        scored.pop("old_per_token_logps", None)
        old = {} if batch.old is None else {"old_per_token_logps": batch.old}
        mask = scored["completion_mask"] * scored["tool_mask"]
        assert mask.bool().equal(batch.mask)
        return scored | old | {"advantages": batch.advantages}

    def step_loss(self, inputs: dict[str, Any], parts: int, processes: int = 1) -> Tensor:
        """The mean over `processes` of their micro-steps' losses, whose gradient DDP gives."""
        self.current_gradient_accumulation_steps = parts // processes
        total = torch.zeros((), dtype=torch.float64)
        for part in range(parts):
            self.part = slice(part * ROWS // parts, (part + 1) * ROWS // parts)
            self.accelerator.gradient_state._set_sync_gradients(part == parts - 1)
            per_row = {k: v[self.part] if v.dim() else v for k, v in inputs.items()}
            total = total + self._compute_loss(self.model, per_row) / processes
        return total


@dataclass
class Result:
    loss: float
    gradient: Tensor
    """(2, ROWS, T) in the log-probabilities and the entropies."""
    metrics: dict[str, float]


def arguments(folder, **settings) -> GRPOConfig:
    defaults = {
        "max_completion_length": LIMIT,
        "num_generations": 2,
        "per_device_train_batch_size": 2,
        "mask_truncated_completions": True,
        "vllm_importance_sampling_mode": "token_truncate",
        "report_to": "none",
    }
    return GRPOConfig(output_dir=str(folder), use_cpu=True, bf16=False, **(defaults | settings))


@cache
def policy() -> Policy:
    return load_policy(quickstart_config(), "policy")


def trainer(args: GRPOConfig, other_engine: bool = False) -> Reference:
    """TRL's trainer for some arguments."""

    def rollouts(prompts: list[str], trainer: Any) -> dict[str, Any]:
        return trainer.rollouts()

    built = Reference(
        model=policy().model,
        reward_funcs=[lambda completions, **_: [0.0] * len(completions)],
        args=args,
        train_dataset=Dataset.from_dict({"prompt": ["a"] * ROWS}),
        processing_class=policy().tokenizer,
        rollout_func=rollouts,
    )
    policy().model.train()
    built.use_vllm, built._last_loaded_step = other_engine, 0  # its constructor would start an engine
    return built


def trl(
    args: GRPOConfig, batch: Batch, parts: int = 1, processes: int = 1, other_engine: bool = False
) -> Result:
    """A step as TRL takes it, cut into `parts` micro-steps in all."""
    reference, leaves = trainer(args, other_engine), batch.leaves()
    inputs = reference.inputs(leaves)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Accelerator, "num_processes", processes)
        total = reference.step_loss(inputs, parts, processes)
    metrics = {name: values[-1] for name, values in reference._metrics["train"].items() if values}
    return result(total, leaves, metrics)


def result(total: Tensor, leaves: Batch, metrics: dict[str, float]) -> Result:
    total.backward()
    grads = [torch.zeros_like(x) if x.grad is None else x.grad for x in (leaves.logp, leaves.entropy)]
    return Result(total.item(), torch.stack(grads), metrics)


def flat(batch: Batch, rows: Sequence[int]) -> tuple[Tokens, Tensor, Tensor]:
    """The policy's tokens of some rows, their log-probabilities and entropies."""
    part = batch.map(lambda values: values[list(rows)])
    row = part.mask.nonzero()[:, 0]
    advantages = part.advantages[row] if part.advantages.dim() == 1 else part.advantages[part.mask]
    old = None if part.old is None else part.old[part.mask]
    tokens = Tokens(row, len(rows), advantages, old, part.ref[part.mask], part.sampler[part.mask])
    return tokens, part.logp[part.mask], part.entropy[part.mask]


def ours(
    objective: Objective, batch: Batch, parts: int = 1, processes: int = 1, left_out: Sequence[int] = ()
) -> Result:
    """A step as the training loop takes it; rows `left_out` have no forward pass."""
    leaves, size = batch.leaves(), ROWS // parts
    totals = Totals(ROWS, int(batch.mask.sum()), parts // processes, processes)
    total = torch.zeros((), dtype=torch.float64)
    sums: dict[str, Tensor] = {}
    for first in range(0, ROWS, size):
        kept = [row for row in range(first, first + size) if row not in left_out]
        tokens, logp, entropy = flat(leaves, kept)
        threshold = entropy_threshold(objective.top_entropy_quantile, entropy.detach())
        count = int(batch.mask[first : first + size].sum())
        value, metrics = loss(objective, tokens, logp, entropy, totals, count, threshold)
        total = total + value / processes
        for name, pair in metrics.items():
            assert not pair[0].requires_grad
            assert not pair[1].requires_grad
            sums[name] = sums.get(name, torch.zeros(2)) + torch.stack(pair)
    return result(total, leaves, {name: (s / count).item() for name, (s, count) in sums.items()})


def assert_agree(found: Result, expected: Result) -> None:
    assert expected.gradient[0].norm() > 1e-3
    assert found.loss == pytest.approx(expected.loss, rel=TOLERANCE, abs=1e-12)
    assert (found.gradient - expected.gradient).norm() / expected.gradient.norm() < TOLERANCE
