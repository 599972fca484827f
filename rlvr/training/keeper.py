"""When a checkpoint is due, and what it holds besides transformers' own: enough to go on in the middle of anything."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from accelerate.utils import broadcast_object_list
from safetensors.torch import load_model, save_model
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from rlvr.errors import UserError
from rlvr.launch import signals
from rlvr.launch.processes import processes, stop_if_asked
from rlvr.training.callbacks import Journal, settle
from rlvr.training.checkpoints import Checkpoint, Checkpoints

if TYPE_CHECKING:
    from rlvr.training.trainer import Trainer

SAVING_SHARE = 0.01
"""The share of a run's time that checkpoints may take, where the config does not say how often."""


@dataclass
class Keeper(TrainerCallback):
    """Says when a checkpoint is due, and holds signals off while a step is being committed.

    A step is committed when its line is in metrics.jsonl. Between two commits nothing is held: whoever stops the
    run there drops the step that was being sampled, and `save_now` writes what held before it.

    Args:
        every: steps between checkpoints, 0 for none but the last; None derives it from the time of a save and of
            a step, so that saving takes `SAVING_SHARE` of the run.
    """

    trainer: Trainer
    checkpoints: Checkpoints
    journal: Journal
    every: int | None
    resumed: Checkpoint | None = None

    def __post_init__(self) -> None:
        # before the first step there is the base, and nothing to save
        self.saved_step = self.resumed.step if self.resumed else 0
        self.random: dict[str, Any] | None = None
        self.began = self.saving = self.last_saving = 0.0
        self.steps = self.steps_when_saved = 0

    def resume(self, checkpoint: Checkpoint) -> None:
        """Take over all that transformers does not load by itself."""
        self.checkpoints.restore(checkpoint)
        load_ours(self.trainer, checkpoint)
        self.resumed, self.saved_step = checkpoint, checkpoint.step

    def save(self, write: Callable[[], None]) -> None:
        """Commit a checkpoint of the trainer's step; `write` has transformers and TRL write their part of it."""
        step, began = self.trainer.state.global_step, time.perf_counter()

        def write_all() -> None:
            if self.trainer.accelerator.is_main_process:
                settle(self.journal.file, self.trainer.rollouts_to, since=self.saved_step)
            write()
            save_ours(self.trainer, self.checkpoints.staging / f"checkpoint-{step}")

        self.checkpoints.save(step, size_of(self.trainer), write_all, self._score(step))
        self.saved_step, self.steps_when_saved = step, self.steps
        self.last_saving = time.perf_counter() - began
        self.saving += self.last_saving

    def save_now(self) -> None:
        """A checkpoint of the last committed step, wherever the next one was left. A second signal stops it."""
        if self.random is None or self.saved_step == self.trainer.state.global_step:
            return
        with suppress(signals.Interrupted), signals.held():
            set_random_states(self.random)
            self.trainer._save_checkpoint(self.trainer.model, None)

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        self.began = time.perf_counter()
        signals.hold()

    def on_step_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        if self.random is None:
            if self.resumed is not None:  # making the data loader has drawn from them since they were loaded
                self.trainer._load_rng_state(str(self.resumed.path))
            self.random = random_states()
        stop_if_asked()
        signals.release()

    def on_pre_optimizer_step(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        signals.hold()

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        self.random = random_states()
        self.steps += 1

    def on_log(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        step = state.global_step
        control.should_save = step >= state.max_steps or self._due(step) or self._is_best(step)

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        signals.release()

    def _due(self, step: int) -> bool:
        if self.every is not None:
            return self.every > 0 and step % self.every == 0
        a_step = (time.perf_counter() - self.began - self.saving) / self.steps
        since = self.steps - self.steps_when_saved
        answer = [not self.saving or since * a_step * SAVING_SHARE >= self.last_saving]
        if processes().num_processes > 1:  # each has a clock of its own: the main one's holds
            broadcast_object_list(answer)
        return answer[0]

    def _score(self, step: int) -> float | None:
        """Held-out pass@1 after `step`, where it was measured."""
        return self.journal.last.get("eval/pass@1") if self.journal.last.get("step") == step else None

    def _is_best(self, step: int) -> bool:
        score, best = self._score(step), self.checkpoints.best_score()
        return score is not None and (best is None or score > best)


def size_of(trainer: Trainer) -> int:
    """Bytes of a checkpoint: weights (of the adapters alone, where there are any) and optimiser."""
    assert trainer.model is not None
    adapters = trainer.our.train.lora is not None
    tensors = [p for p in trainer.model.parameters() if p.requires_grad or not adapters]
    for states in getattr(trainer.optimizer, "state", {}).values():
        tensors += [value for value in states.values() if isinstance(value, torch.Tensor)]
    return sum(t.numel() * t.element_size() for t in tensors)


def save_ours(trainer: Trainer, folder: Path) -> None:
    """The sampled batch that `num_iterations` steps share, in the middle of its use, and a moving reference."""
    index = trainer.accelerator.process_index
    if trainer.state.global_step % trainer.num_iterations:
        batch = {"inputs": trainer._buffered_inputs, "metrics": trainer.sampled_metrics}
        torch.save(batch, folder / f"batch-{index}.pt")
    if trainer.args.sync_ref_model and trainer.accelerator.is_main_process:
        save_model(trainer.accelerator.unwrap_model(trainer.ref_model), str(folder / "reference.safetensors"))


def load_ours(trainer: Trainer, checkpoint: Checkpoint) -> None:
    """What `save_ours` wrote, back into the trainer, and its count of micro-steps.

    Raises:
        UserError: the checkpoint was made by another number of processes.
    """
    trainer._step = checkpoint.step * (trainer.args.steps_per_generation or 1)
    if checkpoint.step % trainer.num_iterations:
        file = checkpoint.path / f"batch-{trainer.accelerator.process_index}.pt"
        if not file.exists():
            raise UserError(
                f"{checkpoint.path}: has no {file.name}: it was made by fewer processes; start as many"
            )
        device = trainer.accelerator.device
        location = (
            "cpu" if device.type == "cpu" else device
        )  # torch cannot load to "cpu:0", as one of several is called
        batch = torch.load(file, map_location=location, weights_only=True)
        trainer._buffered_inputs, trainer.sampled_metrics = batch["inputs"], batch["metrics"]
    if trainer.args.sync_ref_model:
        model = trainer.accelerator.unwrap_model(trainer.ref_model)
        load_model(model, str(checkpoint.path / "reference.safetensors"))


def random_states() -> dict[str, Any]:
    """Python's, numpy's and torch's random numbers, as they stand."""
    states = {"python": random.getstate(), "numpy": np.random.get_state(), "torch": torch.get_rng_state()}
    if torch.cuda.is_available():
        states["cuda"] = torch.cuda.get_rng_state()
    return states


def set_random_states(states: dict[str, Any]) -> None:
    """Put back what `random_states` said."""
    random.setstate(states["python"])
    np.random.set_state(states["numpy"])
    torch.set_rng_state(states["torch"])
    if "cuda" in states:
        torch.cuda.set_rng_state(states["cuda"])
