"""Credit assignment: rewards → advantages on the policy's tokens, and what the loss needs besides of the weights that
drew them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from trl.trainer.grpo_config import GRPOConfig

from rlvr.config import TrainConfig
from rlvr.launch.processes import stop_if_asked
from rlvr.training import ppo
from rlvr.training.advantages import advantages, rejection
from rlvr.training.collect import Sampled
from rlvr.training.current_policy import Frozen
from rlvr.training.distill import Distillation
from rlvr.training.forward import Forward
from rlvr.training.head import Selected
from rlvr.training.importance import required
from rlvr.training.objective import Objective, Totals
from rlvr.training.pass_size import PassSize
from rlvr.training.step_batch import MicroStep, StepBatch, TokenGroup, rewards_of


@dataclass(slots=True)
class Credit:
    """Makes of a step's judged groups the batch that is trained on."""

    config: TrainConfig
    args: GRPOConfig
    accelerator: Accelerator
    model: Any
    """The policy's model, prepared."""
    reference: Frozen | None
    """Of the KL term."""
    distillation: Distillation | None
    """Of `algorithm: distill`."""
    forward: Forward
    objective: Objective
    places: range
    """The groups of a step that this process holds."""
    groups_per_micro_step: int
    pass_size: PassSize

    def assign(self, sampled: Sampled) -> StepBatch:
        """Advantages first; then, from the weights that drew the samples, what they are held against in the loss."""
        batch = self.weigh(sampled)
        self.score(batch, sampled)
        return batch

    def weigh(self, sampled: Sampled) -> StepBatch:
        """Rewards → advantages, on the tokens that have a part in the loss."""
        rewards = rewards_of(sampled.groups)
        own = slice(self.places.start, self.places.stop)
        left_out = torch.zeros_like(rewards, dtype=torch.bool)[own]
        weights = torch.zeros_like(rewards)[own]
        if self.config.algorithm == "ppo":
            left_out |= rewards[own].isnan()  # neither return nor advantage; the values come with `score`
        elif self.config.imitates:
            weights = rejection(rewards)[own]
            left_out |= weights == 0  # a sample is accepted, or it is not there
        elif not self.distillation:  # whose advantages are the teacher's, and come with `score`
            weights = advantages(self.config.algorithm, rewards, self.args.scale_rewards)[own]
        if self.args.mask_truncated_completions:
            left_out |= torch.tensor([[not e.complete for e in group.episodes] for group in sampled.groups])
        device = self.accelerator.device
        groups = [
            TokenGroup.of(g, out.tolist(), device) for g, out in zip(sampled.groups, left_out, strict=True)
        ]
        if self.distillation and self.distillation.forward:
            groups = self.distillation.unaided(groups, sampled.groups)
        for group, weight in zip(groups, weights.to(device), strict=True):
            group.advantages = group.per_token(weight)
        tokens = sum(gather_object([len(group.advantages) for group in groups]))
        micro_steps = len(groups) // self.groups_per_micro_step
        totals = Totals(rewards.numel(), tokens, micro_steps, self.accelerator.num_processes)
        return StepBatch(groups, self.groups_per_micro_step, totals)

    @torch.no_grad()
    def score(self, batch: StepBatch, sampled: Sampled) -> None:
        """What the loss needs of the weights that drew the batch, and of the reference: log-probabilities and values,
        without dropout, as they were drawn."""
        self.model.eval()
        several = self.args.num_iterations > 1 and not self.config.imitates
        for micro in batch.micro_steps(self.pass_size.rows):
            if several:  # else the update's own are those of the policy that sampled
                micro.set("old", self.read(self.model, micro).logprobs)
            if self.reference and self.objective.beta:
                with self.reference.weights(self.model) as reference:
                    micro.set("ref", self.read(reference, micro).logprobs)
            if self.config.algorithm == "ppo":
                self.estimate(micro, sampled)
        if self.distillation and not self.distillation.forward:
            self.compare(batch, self.distillation, sampled)

    def read(self, model: Any, micro: MicroStep, logprobs: bool = True) -> Selected:
        """What a model says of the tokens of a micro-step, a pass after the other."""
        answers = []
        for part in micro.passes:
            stop_if_asked()
            answers.append(self.forward(model, part.prompted, logprobs)[0])
        values = [answer.values for answer in answers if answer.values is not None]
        return Selected(
            torch.cat([answer.logprobs for answer in answers]),
            torch.cat([answer.entropies for answer in answers]),
            torch.cat(values) if values else None,
        )

    def compare(self, batch: StepBatch, distillation: Distillation, sampled: Sampled) -> None:
        """Advantages of the policy's own tokens: log p of the teacher, asked with evidence, minus its own."""
        rows, aided = self.pass_size.rows, distillation.aided(batch, sampled.groups)
        for micro, asked in zip(batch.micro_steps(rows), aided.micro_steps(rows), strict=True):
            own = self.read(self.model, micro).logprobs
            with distillation.teacher.weights(self.model) as teacher:
                micro.set("advantages", self.read(teacher, asked).logprobs - own)

    def estimate(self, micro: MicroStep, sampled: Sampled) -> None:
        """PPO's values, advantages and returns."""
        values = required(self.read(self.model, micro, logprobs=False).values, "values")
        lengths = torch.tensor([n for group in micro.groups for n in group.lengths], device=values.device)
        row = torch.arange(len(lengths), device=values.device).repeat_interleave(lengths)
        first = micro.numbers[0] // self.config.group_size
        groups = sampled.groups[first : first + len(micro.groups)]
        rewards = torch.tensor([reward for group in groups for reward in group.rewards], device=values.device)
        weights, returns = ppo.estimate(self.config.ppo, values, row, rewards)
        for name, flat in (("values", values), ("advantages", weights), ("returns", returns)):
            micro.set(name, flat)
