"""The training loop, from top to bottom: which problems, what the policy writes, what the verifier says of it, the
update.

One step samples a group of completions for each of its problems, turns verdicts into advantages, and takes one
optimiser step on the groups that teach something (`num_iterations` steps share a batch). What a step draws is a
function of the seed, the step and earlier verdicts, never of time: a run that goes on from a checkpoint ends as one
that was never stopped.
"""

from __future__ import annotations

import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from trl.trainer.grpo_config import GRPOConfig

from rlvr.adapters import Kind
from rlvr.config import TrainConfig
from rlvr.errors import RunError
from rlvr.launch import signals
from rlvr.launch.processes import stop_if_asked
from rlvr.policy import Policy
from rlvr.training import ppo
from rlvr.training.checkpoint_policy import CheckpointPolicy
from rlvr.training.collect import Collector
from rlvr.training.credit import Credit
from rlvr.training.current_policy import Frozen
from rlvr.training.distill import Distillation
from rlvr.training.entropy import EntropyControl, entropy_threshold
from rlvr.training.finite import FiniteCheck
from rlvr.training.forward import Forward
from rlvr.training.importance import required
from rlvr.training.metrics_log import MetricsLog, Sums
from rlvr.training.objective import Objective, Totals, loss
from rlvr.training.optimizer import Movement, clip, no_gradient
from rlvr.training.pass_size import PassSize
from rlvr.training.sharding import deepspeed_steps, gathering
from rlvr.training.step_batch import MicroStep, Pass, StepBatch, used_again


@dataclass
class Loop:
    """Everything a step works with; `training.build` puts it together."""

    config: TrainConfig
    args: GRPOConfig
    """`train.trl`, with TRL's names, and a default for what it leaves open."""
    accelerator: Accelerator
    policy: Policy
    adapter: Kind
    """What is trained: all weights, or an adapter."""
    model: Any
    """The policy's model, prepared: wrapped by DDP, FSDP or DeepSpeed where there are several processes."""
    reference: Frozen | None
    """Of the KL term."""
    forward: Forward
    pass_size: PassSize
    collector: Collector
    credit: Credit
    distillation: Distillation | None
    """Of `algorithm: distill`."""
    objective: Objective
    entropy: EntropyControl | None
    router_coefficient: float
    optimizer: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.LRScheduler
    movement: Movement
    finite: FiniteCheck
    log: MetricsLog
    checkpoints: CheckpointPolicy | None = None
    """Set by whoever builds the loop; it saves the loop."""
    done: int = 0
    """Steps that are committed."""
    batch: StepBatch | None = None

    def run(self) -> None:
        """Train to the last step, or until something stops the run: then a checkpoint holds the last committed one."""
        assert self.checkpoints
        signals.hold()
        try:
            if self.log.pending:
                self.log.finish()  # the evaluation in which the last launch was stopped
                self.checkpoints.save_if_due(self.done)  # the checkpoint that it left has no score
            for step in range(self.done + 1, self.config.steps + 1):
                if self.log.held_out.stopped:
                    break
                began = time.perf_counter()
                fresh = (step - 1) % self.args.num_iterations == 0
                with signals.free():  # a signal may end the step anywhere in here: nothing of it is kept
                    stop_if_asked()
                    self.batch = self.sample(step) if fresh or self.batch is None else used_again(self.batch)
                    figures = self.pass_size.fitting(partial(self.backward, self.batch, fresh))
                    norm = clip(self.accelerator, self.model, self.args.max_grad_norm)
                skip = self.finite.should_skip(step, norm)
                if self.entropy:
                    self.entropy.observe(figures)
                figures |= self.finite.figures | {"gradient_norm": norm} | self.update(step, skip)
                self.done = step
                self.checkpoints.step_ended()
                self.log.write(step, self.batch.metrics | figures, time.perf_counter() - began)
                self.log.finish()  # evaluate where that is due, and commit the step
                self.checkpoints.save_if_due(step)
                self.finite.stop_after_too_many(step)
            signals.release()  # a signal that came while the last step was committed
        except (signals.Interrupted, RunError):
            self.checkpoints.save_now()
            raise
        finally:
            signals.reset()

    def sample(self, step: int) -> StepBatch:
        """Draw the groups of a step, and make a batch of them."""
        sampled = self.collector.sample(step, draw=(step - 1) // self.args.num_iterations)
        batch = self.pass_size.fitting(lambda: self.credit.assign(sampled))
        self.collector.record(step, sampled, batch)
        return batch

    # ------------------------------------------------------------------ the update

    def backward(self, batch: StepBatch, fresh: bool) -> dict[str, float]:
        """The gradient of the step's loss, a pass after the other, and what the loss says of itself.

        A group whose advantages are all zero has no gradient where nothing else in the loss needs it: it is left out of
        the forward pass, and still counts in every denominator.

        Args:
            fresh: the weights are those that drew the batch.
        """
        self.model.train()
        self.optimizer.zero_grad()
        self.finite.begin()
        objective = self.objective
        if self.entropy:
            objective = replace(objective, entropy_coefficient=self.entropy.bonus)
        everything = objective.needs_all_groups or self.router_coefficient or self.config.algorithm == "ppo"
        rows, at_least_one = self.pass_size.rows, deepspeed_steps(self.accelerator)
        micro_steps = batch.micro_steps(rows) if everything else batch.live_micro_steps(rows, at_least_one)
        passes = [(micro, part) for micro in micro_steps for part in micro.passes]
        sums, entropies = Sums(), None
        for number, (micro, part) in enumerate(passes, 1):
            stop_if_asked()
            if part is micro.passes[0]:
                entropies = self.entropies(micro)
            with self.reducing(last=number == len(passes)):
                answer, row = self.forward(self.model, part.prompted)
                tokens = part.tokens(row)
                every = answer.entropies if entropies is None else entropies
                threshold = self.threshold(every)
                value, metrics = loss(
                    objective,
                    tokens,
                    answer.logprobs,
                    answer.entropies,
                    batch.totals,
                    micro.counted,
                    threshold,
                    micro.tokens if threshold is None else (every >= threshold).sum(),
                )
                value = value + self.side_losses(answer, micro, part, batch.totals, sums)
                self.accelerator.backward(value)
            sums.add(loss=(value.detach(), 1 / len(passes)))
            if not part.filler:
                sums.add(**metrics)
                if self.distillation:
                    sums.add(**self.distillation.kl(tokens, answer.logprobs))
            comparable = fresh and not self.config.imitates and not part.filler
            self.finite.see(
                part.numbers, tokens, answer.logprobs, value, tokens.sampler if comparable else None
            )
        if not passes:
            no_gradient(self.model)
        return {"loss": 0.0} | sums.result()

    @torch.no_grad()
    def entropies(self, micro: MicroStep) -> torch.Tensor | None:
        """(N,) of all tokens of a micro-step, where a threshold is taken over more than one pass; None: not needed."""
        if self.objective.top_entropy_quantile == 1 or len(micro.passes) == 1:
            return None
        return torch.cat([self.forward(self.model, part.prompted)[0].entropies for part in micro.passes])

    def threshold(self, entropies: torch.Tensor) -> torch.Tensor | None:
        """The least entropy of the tokens that are trained on, over the micro-steps of all processes."""
        if self.objective.top_entropy_quantile == 1:
            return None
        every = torch.tensor(gather_object(entropies.detach().tolist()), device=entropies.device)
        return entropy_threshold(self.objective.top_entropy_quantile, every)

    def side_losses(
        self, answer: Any, micro: MicroStep, part: Pass, totals: Totals, sums: Sums
    ) -> torch.Tensor | float:
        """PPO's value loss, and the load balance of a mixture of experts, which is one of each pass."""
        value: torch.Tensor | float = 0.0
        share = 1 / (totals.micro_steps * len(micro.passes))
        if self.config.algorithm == "ppo":
            value_loss = ppo.value_loss(
                self.config.ppo,
                required(answer.values, "values"),
                part.flat("values"),
                part.flat("returns"),
                totals,
            )
            sums.add(value_loss=(value_loss.detach(), share))
            value = value + self.config.ppo.value_coefficient * value_loss
        if answer.router_loss is not None:
            sums.add(router_loss=(answer.router_loss.detach(), 1))
            value = value + self.router_coefficient * answer.router_loss * share
        return value

    def reducing(self, last: bool) -> AbstractContextManager[Any]:
        """Gradients are reduced over the processes with the last micro-step's (DeepSpeed: with each)."""
        if last or deepspeed_steps(self.accelerator):
            self.accelerator.gradient_state._set_sync_gradients(last)
            return nullcontext()
        return self.accelerator.no_sync(self.model)

    def update(self, step: int, skip: bool) -> dict[str, float]:
        """The optimiser's step, unless the gradient is not finite: the learning rate that it was taken with, and what
        it moved."""
        if skip and self.accelerator.scaler is None:  # fp16's scaler passes over such a step by itself
            self.optimizer.zero_grad()  # to None: the optimiser passes over them, and its own state stays too
        rate = float(self.schedule.get_last_lr()[0])
        before = [] if skip or not rate else self.movement.look()
        self.optimizer.step()
        if not self.accelerator.optimizer_step_was_skipped:
            self.schedule.step()
        if self.moves_reference and step % self.args.ref_model_sync_steps == 0 and self.reference:
            with gathering(self.accelerator, self.plain.parameters()):
                self.reference.move_towards(self.plain, self.args.ref_model_mixup_alpha)
        return {"learning_rate": rate} | self.movement.since(before)

    @property
    def plain(self) -> Any:
        """The model without what wraps it for several processes."""
        return self.accelerator.unwrap_model(self.model)

    @property
    def moves_reference(self) -> bool:
        """Whether the reference follows the policy from time to time."""
        return self.args.sync_ref_model
