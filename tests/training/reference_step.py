"""A step that all implementations of the update are given, and what the loop and TRL's `GRPOTrainer` make of it.

The loop's way is a real `StepBatch` through `Loop.backward`: forward pass, losses, micro-steps. TRL's trainer is a
plain one that is handed the same episodes by a `rollout_func`; masks, token counts and truncation are its own reading
of them.
"""

import copy
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from datasets import Dataset
from trl.trainer.grpo_trainer import GRPOTrainer

from rlvr.adapters import Lora
from rlvr.policy import load_policy
from rlvr.training.collect import Sampled
from rlvr.training.loop import Loop
from rlvr.training.packing import Prompted, Sample
from rlvr.training.step_batch import StepBatch
from tests.conftest import quickstart_config
from tests.training.handles import distance, gradient_of, row_by_row

GROUPS, G, LIMIT = 4, 4, 20
ROWS, DEAD = GROUPS * G, 1
TOLERANCE = 1e-4
Found = dict[str, tuple[float, torch.Tensor]]
"""Loss and gradient by implementation."""


@dataclass
class Step:
    """What a step sampled, and numbers of other policies on it, (N,) over the policy's tokens of whole samples."""

    sampled: Sampled
    advantages: torch.Tensor
    """(groups, G)"""
    old: torch.Tensor
    ref: torch.Tensor


def awkward(loop: Loop, sampled: Sampled) -> Step:
    generator = torch.Generator().manual_seed(0)
    whole = [
        Prompted(group.episodes[0].prompt_ids, [Sample.of(e.token_ids, e.mask) for e in group.episodes])
        for group in sampled.groups
    ]
    with torch.no_grad():
        now, _ = row_by_row(loop.plain, whole)
    advantages = torch.randn(GROUPS, G, generator=generator)
    advantages[DEAD] = 0
    return Step(
        sampled,
        advantages - advantages.mean(1, keepdim=True),
        now + 0.3 * torch.randn(now.shape, generator=generator),
        now + 0.2 * torch.randn(now.shape, generator=generator),
    )


def episodes_of(step: Step) -> list[Any]:
    return [episode for group in step.sampled.groups for episode in group.episodes]


def per_row(step: Step, values: torch.Tensor) -> list[torch.Tensor]:
    return list(values.split([episode.tokens for episode in episodes_of(step)]))


def batch_of(loop: Loop, step: Step) -> StepBatch:
    """The loop's batch with the step's numbers."""
    batch = loop.credit.weigh(step.sampled)
    old, ref = per_row(step, step.old), per_row(step, step.ref)
    for number, group in enumerate(batch.groups):
        kept = [number * G + i for i, length in enumerate(group.lengths) if length]
        group.advantages = group.per_token(step.advantages[number])
        group.old = torch.cat([old[row] for row in kept])
        group.ref = torch.cat([ref[row] for row in kept]) if loop.objective.beta else None
    return batch


def by_loop(loop: Loop, batch: StepBatch) -> tuple[float, torch.Tensor]:
    figures = loop.backward(batch, fresh=False)
    return figures["loss"], gradient_of(loop.plain)


def trl_of(loop: Loop, step: Step) -> GRPOTrainer:
    """TRL's own trainer with the loop's arguments and weights, which is handed the step's episodes."""
    episodes = episodes_of(step)

    def rollouts(prompts: list[str], trainer: Any) -> dict[str, Any]:
        return {
            "prompt_ids": [e.prompt_ids for e in episodes],
            "completion_ids": [e.token_ids for e in episodes],
            "logprobs": [[0.0] * len(e.token_ids) for e in episodes],
            "env_mask": [list(map(int, e.mask)) for e in episodes],
        }

    rewards: list[float | None] = [reward for group in step.sampled.groups for reward in group.rewards]
    source = loop.policy.source
    model: Any = load_policy(quickstart_config(train=loop.config), "policy", source, for_training=True).model
    trainer = GRPOTrainer(
        model=model,
        reward_funcs=[lambda completions, **_: rewards],
        args=copy.deepcopy(loop.args),
        train_dataset=Dataset.from_dict({"prompt": ["a"] * ROWS}),
        processing_class=loop.policy.tokenizer,
        rollout_func=rollouts,
        peft_config=loop.adapter.config(model) if isinstance(loop.adapter, Lora) else None,
    )
    assert trainer.model is not None
    trainer.model.load_state_dict(loop.plain.state_dict())
    trainer.model.train()
    return trainer


def scored(trainer: GRPOTrainer) -> dict[str, Any]:
    """What TRL's loss is given."""
    return trainer._generate_and_score_completions([{"prompt": "a"}] * ROWS)  # type: ignore[arg-type]


def with_numbers(inputs: dict[str, Any], step: Step, beta: float) -> dict[str, Any]:
    """TRL's inputs with the step's numbers."""
    written = torch.zeros(inputs["completion_ids"].shape, dtype=torch.bool)
    for row, episode in enumerate(episodes_of(step)):
        written[row, : len(episode.token_ids)] = torch.tensor(episode.mask)

    def padded(values: torch.Tensor) -> torch.Tensor:
        return torch.zeros(written.shape).masked_scatter(written, values)

    numbers = {"advantages": step.advantages.flatten(), "old_per_token_logps": padded(step.old)}
    return inputs | numbers | ({"ref_per_token_logps": padded(step.ref)} if beta else {})


def by_trl(trainer: GRPOTrainer, inputs: dict[str, Any]) -> tuple[float, torch.Tensor]:
    """Over the micro-steps of its arguments."""
    parts = trainer.current_gradient_accumulation_steps = trainer.args.gradient_accumulation_steps
    model: Any = trainer.model
    model.zero_grad()
    total = 0.0
    for part in range(parts):
        rows = slice(part * ROWS // parts, (part + 1) * ROWS // parts)
        value = trainer._compute_loss(model, {k: v[rows] if v.dim() else v for k, v in inputs.items()})
        value.backward()
        total += value.item()
    return total, gradient_of(model)


def assert_agree(results: Found, reference: str = "from scratch") -> None:
    expected_loss, expected = results[reference]
    for name, (loss, found) in results.items():
        assert loss == pytest.approx(expected_loss, rel=TOLERANCE, abs=1e-6), name
        assert distance(found, expected) < TOLERANCE, name
