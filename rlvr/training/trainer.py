"""The trainer: TRL's GRPOTrainer with our problems, sampler, verdicts and advantages.

TRL keeps what it does well: the loss and its variants, the reference model, accelerate, optimiser, trackers and
checkpoints. Overridden is what decides which samples are trained on, and how they are judged:

- `_prepare_inputs`: problems are a function of the step, and a group is never split between micro-steps.
- `_tokenize_prompts`, `_generate_single_turn`: the same prompts and the same engine as in evaluations.
- `_generate_and_score_completions`: verdicts from the verifier pool, advantages from `advantages`, truncation as
  the engine saw it (TRL takes an end by stop string for a truncation).
"""

from __future__ import annotations

import copy
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import gather_object
from datasets import Dataset
from peft import PeftModel
from transformers import PrinterCallback
from trl.models.utils import unwrap_model_for_generation
from trl.trainer.grpo_config import GRPOConfig
from trl.trainer.grpo_trainer import GRPOTrainer

from rlvr import files, rollouts
from rlvr.config import Config
from rlvr.evaluation import Evaluator, row_seed
from rlvr.evidence import render
from rlvr.launch.processes import independently, stop_if_asked
from rlvr.policy import Policy
from rlvr.sampling import Completion, Row
from rlvr.sampling.engine import TransformersSampler
from rlvr.training import arguments, ppo
from rlvr.training.advantages import advantages, zero_variance
from rlvr.training.batch import Sampled, measure, outcomes, split_groups, used_again
from rlvr.training.curriculum import Curriculum, levels_of
from rlvr.training.guard import padded
from rlvr.training.keeper import Keeper
from rlvr.training.update import PackedTrainer
from rlvr.verdict_health import PROBLEMS, UnjudgedMonitor, outcome
from verifiers import Problem


class Trainer(PackedTrainer):
    """GRPO on verified traces.

    Args:
        policy: what is trained; its model is changed in place.
        problems: the training problems.
        evaluator: evidence and verifier pool, as the evaluations use them.
        rollouts_to: folder of `train-000001.jsonl`, …: every sample that was trained on.
    """

    def __init__(
        self,
        policy: Policy,
        problems: Sequence[Problem],
        config: Config,
        evaluator: Evaluator,
        args: GRPOConfig,
        rollouts_to: Path,
    ) -> None:
        self.policy, self.problems, self.evaluator, self.our = policy, problems, evaluator, config
        self.group_size = config.train.group_size
        self.rollouts_to = rollouts_to
        self.args = args
        self.base: Policy | None = None
        """The frozen copy that rejection sampling draws from; None where the policy samples for itself."""
        if config.train.algorithm == "rejection":
            self.base = replace(policy, name="base", model=copy.deepcopy(policy.model).requires_grad_(False))
        self.ppo = config.train.ppo if config.train.algorithm == "ppo" else None
        if self.ppo:
            ppo.add_value_head(policy.model)
        levels = levels_of(problems, config.train.curriculum.level)
        self.curriculum = Curriculum(
            config.train.curriculum, levels, config.seed, clock=lambda: self.state.global_step
        )
        self._sampled: Sampled | None = None
        self.sampled_metrics: dict[str, float] = {}
        self.keeper: Keeper | None = None
        self.watch = UnjudgedMonitor(
            config.verification.max_unjudged,
            least=PROBLEMS * self.group_size,
            blocks=-(-PROBLEMS // config.train.groups_per_step),
        )
        rows = max(1, config.train.steps * config.train.groups_per_step)
        super().__init__(
            model=policy.model,
            reward_funcs=[self.verdict_reward],
            args=args,
            # rows only drive TRL's loop; the problems come from `_draw`
            train_dataset=Dataset.from_dict({"prompt": [""] * rows}),
            processing_class=policy.tokenizer,
            peft_config=arguments.lora_config(config.train),
        )
        self.remove_callback(PrinterCallback)
        # TRL recognises truncation by the last token, which an end by stop string is not: masked below instead
        self._mask_truncated, self.mask_truncated_completions = self.mask_truncated_completions, False
        self.choose_update(evaluator.terminal.say)

    # ------------------------------------------------------------------ which samples

    def _prepare_inputs(self, generation_batch: Any) -> dict[str, Any]:
        """The next micro-step's tensors; samples anew when the buffer has been used `num_iterations` times."""
        assert self.model is not None
        if not self.model.training:
            return super()._prepare_inputs(generation_batch)
        stop_if_asked()
        micro_steps = self.args.steps_per_generation or 1
        if self._step % (micro_steps * self.num_iterations) == 0 or self._buffered_inputs is None:
            batch = self._generate_and_score_completions(self._draw())
            self._buffered_inputs = split_groups(batch, micro_steps)
        elif self._step % micro_steps == 0:
            self.sampled_metrics = used_again(self.sampled_metrics)
        return self._buffered_inputs[self._step % micro_steps]

    def _candidates(self) -> tuple[list[int], list[int]]:
        """The problems of the step, and those that a refill may take, in order."""
        number = self.state.global_step // self.num_iterations
        return self.curriculum.draw(number, self.our.train.groups_per_step)

    def _draw(self) -> list[dict[str, Any]]:
        """This process's rows of the step: G neighbouring rows per problem."""
        return self._rows(dict(enumerate(self._candidates()[0])))

    def _rows(self, chosen: dict[int, int]) -> list[dict[str, Any]]:
        """The rows of the places that are this process's. `chosen`: place in the step → index of its problem."""
        indices = list(chosen.values())
        return [
            {
                "prompt": prompt,
                "problem": problem,
                "index": index,
                "place": place,
                "sample": sample + self.group_size * indices[:earlier].count(index),  # it may come twice
            }
            for earlier, (place, index) in enumerate(chosen.items())
            if place in self._places
            for problem in [self.problems[index]]
            for prompt in [render(self.evaluator.evidence, problem, self.policy.tokenizer)]  # once per group
            for sample in range(self.group_size)
        ]

    @property
    def _places(self) -> range:
        """The groups of a step that this process holds."""
        share = self.our.train.groups_per_step // self.accelerator.num_processes
        first = self.accelerator.process_index * share
        return range(first, first + share)

    def _tokenize_prompts(self, prompts: list[str]) -> tuple[list[list[int]], None, dict[str, Any]]:
        distinct = list(dict.fromkeys(prompts))  # a group's rows share their prompt
        ids = dict(zip(distinct, self.policy.encode(distinct), strict=True)) if distinct else {}
        return [ids[prompt] for prompt in prompts], None, {}

    # ------------------------------------------------------------------ sampling

    def _generate_single_turn(
        self,
        prompt_ids: list[list[int]],
        images: Any,
        multimodal_fields: Any,
        num_generations: int,
        has_tool_images: bool = False,
    ) -> tuple[list[list[int]], list[list[float]] | None]:
        assert self._sampled is not None
        if not self.use_vllm:  # drawn by `_sample` already
            return [c.token_ids for c in self._sampled.completions], None
        ids, logprobs = super()._generate_single_turn(prompt_ids, images, multimodal_fields, num_generations)
        completions = [self._from_vllm(row) for row in ids]
        for row, completion in enumerate(completions):
            self._judge(self._sampled, row, completion)
        self._sampled.drawn(completions)
        return ids, logprobs

    def _begin(self, inputs: list[dict[str, Any]]) -> Sampled:
        """Rows to be drawn, each with its seed."""
        step, seed = self.state.global_step + 1, self.our.seed
        streams = [(f"train-{step}-{r['place']}", r["problem"].id, r["sample"]) for r in inputs]
        return Sampled(inputs, [row_seed(seed, *stream) for stream in streams])

    def _sample(self, inputs: list[dict[str, Any]]) -> Sampled:
        """Draw a completion for each row. All processes take part, also those that have no row to draw."""
        sampled = self._begin(inputs)
        prompts, _, _ = self._tokenize_prompts([row["prompt"] for row in inputs[:: self.group_size]])
        rows = [Row(i // self.group_size, seed) for i, seed in enumerate(sampled.seeds)]
        with self._sampling_policy() as policy:
            sampler = TransformersSampler(policy, self.our.sampling)
            with independently():
                sampled.drawn(sampler.generate(prompts, rows, on_done=partial(self._judge, sampled)))
        return sampled

    def _refill(self, sampled: Sampled) -> list[Sampled]:
        """Put groups of fresh problems in the place of those without variance, for up to `refill` rounds.

        Which places, and by which problems, follows from the rewards of all processes.

        Returns:
            The groups that were replaced in each round, on this process.
        """
        rounds = self.our.train.curriculum.refill
        if not rounds:
            return []
        sampled.settle(self.our.train)
        replaced: list[Sampled] = []
        spares = iter(self._candidates()[1])
        for _ in range(rounds):
            dead = zero_variance(self._rewards(sampled)).nonzero().flatten().tolist()
            chosen = dict(zip(dead, spares, strict=False))
            if not chosen:
                break
            fresh = self._sample(self._rows(chosen))
            fresh.settle(self.our.train)
            mine = [place for place in chosen if place in self._places]
            for number, place in enumerate(mine):
                sampled.swap(place - self._places.start, fresh, number, self.group_size)
            replaced.append(fresh)
        return replaced

    def _rewards(self, sampled: Sampled) -> torch.Tensor:
        """(groups, G) rewards of all processes; NaN where there was no verdict."""
        local = torch.tensor(sampled.rewards, dtype=torch.float32, device=self.accelerator.device)
        return torch.as_tensor(self.accelerator.gather(local)).view(-1, self.group_size)

    @contextmanager
    def _sampling_policy(self) -> Iterator[Policy]:
        """Who samples: the policy as it is now, or the frozen base."""
        if self.base is not None:
            yield self.base
            return
        with (
            unwrap_model_for_generation(
                self.model_wrapped,
                self.accelerator,
                gather_deepspeed3_params=self.args.ds3_gather_for_generation,
                gradient_checkpointing_kwargs=self.args.gradient_checkpointing_kwargs,  # type: ignore[arg-type]
            ) as model,
            self._dist.summon_full_params(self.model_wrapped, recurse=False),
            self.accelerator.autocast(),
        ):
            model.eval()
            yield Policy(self.policy.name, model, self.policy.tokenizer, self.policy.source)
            model.train()

    def _judge(self, sampled: Sampled, row: int, completion: Completion) -> None:
        """Hand a row that has ended to the verifiers, while others are still sampled."""
        sampled.judging[row] = self.evaluator.pool.submit(sampled.inputs[row]["problem"], completion.text)

    def _from_vllm(self, ids: list[int]) -> Completion:
        text = self.policy.tokenizer.decode(ids, skip_special_tokens=True)
        ended = bool(ids) and ids[-1] in self.eos_token_ids
        complete = ended or len(ids) < self.our.sampling.max_new_tokens
        return Completion(ids, text=str(text), complete=complete)

    # ------------------------------------------------------------------ verdicts and advantages

    def verdict_reward(self, completions: list[str], **unused: Any) -> list[float | None]:
        """The one reward function: what `rewards.reward` makes of each verdict; NaN where there is none."""
        assert self._sampled is not None
        if not self._sampled.rewards:
            self._sampled.settle(self.our.train)
        return list(self._sampled.rewards)

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        step = self.state.global_step + 1
        sampled = self._begin(inputs) if self.use_vllm else self._sample(inputs)
        replaced = self._refill(sampled)
        self._sampled = sampled
        batch = super()._generate_and_score_completions(sampled.inputs)
        device = self.accelerator.device
        local = torch.tensor(sampled.rewards, dtype=torch.float32, device=device)
        rewards = self._rewards(sampled)
        self._weigh(batch, sampled, rewards, local)
        batch["row"] = torch.arange(len(inputs), device=device)
        if self.base is None and (theirs := padded(sampled.completions, batch["completion_ids"])) is not None:
            batch["sampler_logprobs"] = theirs
        self._write(step, sampled, batch["advantages"], replaced)
        drawn = sampled.joined(replaced)
        self.curriculum.observe(step, outcomes(drawn, self.group_size))
        self.sampled_metrics = measure(drawn, rewards) | self.curriculum.metrics()
        return batch

    def _weigh(
        self, batch: dict[str, Any], sampled: Sampled, rewards: torch.Tensor, local: torch.Tensor
    ) -> None:
        """Put the algorithm's advantages into `batch`, and take out the rows that have no part in its loss.

        Args:
            rewards: (groups, G), of all processes.
            local: (rows,), of this one.
        """
        if self._mask_truncated:
            cut = [not completion.complete for completion in sampled.completions]
            self._leave_out(batch, torch.tensor(cut, device=local.device))
        if self.ppo:
            self._leave_out(batch, local.isnan())  # neither return nor advantage
            batch |= ppo.estimate(self.ppo, self._values_of(batch), batch["completion_mask"], local)
            return
        first = self.accelerator.process_index * len(local)
        every = advantages(self.our.train.algorithm, rewards, self.scale_rewards)
        batch["advantages"] = every.flatten()[first : first + len(local)]
        if self.base is not None:  # cross-entropy: a row is accepted or not there, and no ratio is clipped
            self._leave_out(batch, batch["advantages"] == 0)
            batch.pop("old_per_token_logps", None)

    def _leave_out(self, batch: dict[str, Any], rows: torch.Tensor) -> None:
        """Take `rows` (True) out of the loss and out of its denominators."""
        batch["completion_mask"] = batch["completion_mask"] * ~rows[:, None]
        tokens: torch.Tensor = batch["completion_mask"].sum()
        batch["num_items_in_batch"] = self.accelerator.reduce(tokens)

    def _write(
        self, step: int, sampled: Sampled, advantages: torch.Tensor, replaced: Sequence[Sampled]
    ) -> None:
        """Every sample of the step, one file per step, written whole; PPO's advantages as their mean.

        First what is trained on, in the batch's order; then what was drawn and `replaced`, with the round.
        """
        if advantages.dim() == 2:
            lengths = [max(1, len(completion.token_ids)) for completion in sampled.completions]
            advantages = advantages.sum(1) / torch.tensor(lengths, device=advantages.device)
        drawn_by = self.base.name if self.base else f"step-{step - 1}"
        weights = [{"advantage": advantage} for advantage in advantages.tolist()]
        rows = gather_object(sampled.rows(drawn_by, self.our.verifier, weights))
        for number, part in enumerate(replaced, start=1):
            mark = {"advantage": 0.0, "replaced": number}
            rows += gather_object(part.rows(drawn_by, self.our.verifier, [mark] * len(part.inputs)))
        self.watch.see(map(outcome, rows), f"step {step}")
        if self.accelerator.is_main_process:
            rollouts.rewrite(
                self.rollouts_to / f"train-{step:06d}.jsonl", rows, wait=False
            )  # a checkpoint waits

    # ------------------------------------------------------------------ checkpoints

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        assert self.keeper is not None
        self.keeper.save(lambda: GRPOTrainer._save_checkpoint(self, model, trial))

    def _get_output_dir(self, trial: Any) -> str:
        return str(self.keeper.checkpoints.staging) if self.keeper else super()._get_output_dir(trial)

    def create_model_card(self, *_: Any, **__: Any) -> None:
        """TRL would write one beside the checkpoints, each time."""

    # ------------------------------------------------------------------ the policy, outwards

    @contextmanager
    def snapshot(self, name: str) -> Iterator[Policy]:
        """The policy as it is now, under a name of its own, for an evaluation between two steps."""
        model = self.accelerator.unwrap_model(self.model)
        model.eval()
        try:
            yield Policy(name, model, self.policy.tokenizer, self.policy.source)
        finally:
            model.train()  # TRL files its metrics by this flag

    def export(self, folder: Path) -> None:
        """Write the model that transformers can load, adapters merged, and rename it into place when it is whole."""
        model = self.accelerator.unwrap_model(self.model)
        if isinstance(model, PeftModel):
            model = model.merge_and_unload()
            state = model.state_dict()
        else:
            state = self.accelerator.get_state_dict(self.model)  # gathers what FSDP or DeepSpeed have sharded
        if self.accelerator.is_main_process:
            partial = folder.with_name(f"{folder.name}.partial")
            shutil.rmtree(partial, ignore_errors=True)
            size = sum(p.numel() * p.element_size() for p in model.parameters())
            files.require_space(folder.parent, size, "the tuned model")
            with files.says_when_full(folder.parent, size, "the tuned model"):
                model.save_pretrained(partial, state_dict=ppo.without_value_head(state))
                self.policy.tokenizer.save_pretrained(partial)
            files.publish(partial, folder)
        self.accelerator.wait_for_everyone()
