"""When a checkpoint is due, and what it holds: enough to go on in the middle of anything."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list
from safetensors import SafetensorError
from safetensors.torch import load_model, save_model

from rlvr.errors import UserError
from rlvr.launch import signals
from rlvr.launch.processes import by_main, processes
from rlvr.policy import save_beside
from rlvr.training.checkpoints import Checkpoint, Checkpoints
from rlvr.training.head import whole
from rlvr.training.metrics_log import Hook, MetricsLog, settle
from rlvr.training.optimizer import set_rates
from rlvr.training.sharding import deepspeed_steps, gathering, sharded
from rlvr.training.step_batch import StepBatch

if TYPE_CHECKING:
    from rlvr.training.loop import Loop

SAVING_SHARE = 0.01
"""The share of a run's time that checkpoints may take, where the config does not say how often."""


@dataclass
class CheckpointPolicy:
    """Saves the loop's state after a committed step.

    A step is committed when its line is in metrics.jsonl. Between two commits nothing is held back: whoever stops the
    run there drops the step that was being sampled, and `save_now` writes what held before it.

    Args:
        every: steps between checkpoints, 0 for none but the last; None derives it from the time of a save and of
            a step, so that saving takes `SAVING_SHARE` of the run.
    """

    loop: Loop
    checkpoints: Checkpoints
    log: MetricsLog
    every: int | None
    hooks: Sequence[Hook] = ()
    saved_step: int = 0
    """Before the first step there is the base, and nothing to save."""
    saving: float = 0.0
    last_saving: float = 0.0
    steps: int = 0
    steps_when_saved: int = 0
    began: float = field(default_factory=time.perf_counter)
    random: dict[str, Any] | None = None
    """The random states after the last update."""

    def step_ended(self) -> None:
        """The weights have been updated; an evaluation may follow before the step is committed."""
        self.random = random_states()
        self.steps += 1

    def save_if_due(self, step: int) -> None:
        """A step has been committed; save where that is due."""
        if (
            step >= self.loop.config.steps
            or self.log.held_out.stopped
            or self._due(step)
            or self._is_best(step)
        ):
            self.save(step)

    def save(self, step: int) -> None:
        """Write a checkpoint of `step`. Every process calls it."""
        began = time.perf_counter()

        def write() -> None:
            if processes().is_main_process:
                settle(self.log.file, self.loop.collector.rollouts_to, since=self.saved_step)
            save_loop(self.loop, self.checkpoints.staging / f"checkpoint-{step}")

        self.checkpoints.save(step, size_of(self.loop), write, self._score(step))
        self.saved_step, self.steps_when_saved = step, self.steps
        self.last_saving = time.perf_counter() - began
        self.saving += self.last_saving
        if processes().is_main_process:
            for hook in self.hooks:
                hook.on_checkpoint(step, self.checkpoints.folder / f"checkpoint-{step}")

    def save_now(self) -> None:
        """A checkpoint of the last committed step, wherever the next one was left. A second signal stops it."""
        if self.random is None or self.saved_step == self.loop.done:
            return
        with suppress(signals.Interrupted), signals.held():
            set_random_states(self.random)
            self.save(self.loop.done)

    def resume(self, checkpoint: Checkpoint) -> None:
        """Take over everything that a checkpoint holds."""
        self.checkpoints.restore(checkpoint)
        load_loop(self.loop, checkpoint)
        self.saved_step, self.random = checkpoint.step, random_states()

    def _due(self, step: int) -> bool:
        if self.every is not None:
            return self.every > 0 and step % self.every == 0
        if not self.steps:  # of this launch
            return False
        a_step = (time.perf_counter() - self.began - self.saving) / self.steps
        since = self.steps - self.steps_when_saved
        answer = [not self.saving or since * a_step * SAVING_SHARE >= self.last_saving]
        if processes().num_processes > 1:  # each has a clock of its own: the main one's counts
            broadcast_object_list(answer)
        return answer[0]

    def take_best(self) -> Checkpoint | None:
        """Put the best checkpoint's weights into the model. Every process calls it, and takes the main one's choice.

        Returns:
            It; None where there is none, and the model stays as it is.
        """
        best = by_main(self.checkpoints.best)
        if best and best.step != self.loop.done:
            if in_parts(self.loop.accelerator):
                self.loop.accelerator.load_state(str(best.path / "sharded"))
            else:
                load_weights(self.loop, best.path)
        return best

    def _score(self, step: int) -> float | None:
        """The held-out figure after `step`, where it was measured."""
        return self.log.last.get(self.log.held_out.key) if self.log.last.get("step") == step else None

    def _is_best(self, step: int) -> bool:
        score = self._score(step)
        if score is None:
            return False
        scored = self.checkpoints.scored()
        return not scored or score > (scored[0].score or 0.0)


# ------------------------------------------------------------------ what a checkpoint holds


def size_of(loop: Loop) -> int:
    """Bytes of a checkpoint: weights (of the adapters alone, where there are any; sharded ones lie there in parts too)
    and optimiser."""
    weights = loop.adapter.saved(loop.plain)
    kept = sum(numbers(w) * w.element_size() for w in weights) * (2 if in_parts(loop.accelerator) else 1)
    for states in loop.optimizer.state.values():
        own = sum(v.numel() * v.element_size() for v in states.values() if isinstance(v, torch.Tensor))
        kept += own * (processes().num_processes if deepspeed_steps(loop.accelerator) else 1)
    return kept


def in_parts(accelerator: Accelerator) -> bool:
    """Whether each process holds a part of the weights, or of the optimiser alone (ZeRO-2)."""
    return sharded(accelerator) or deepspeed_steps(accelerator)


def numbers(weight: torch.Tensor) -> int:
    """Of the whole weight: one that ZeRO-3 has partitioned is empty itself."""
    return getattr(weight, "ds_numel", weight.numel())


def save_loop(loop: Loop, folder: Path) -> None:
    """Weights as transformers or peft load them, optimiser, schedule, each process's random states; the batch that
    several steps share, in the middle of its use; a reference that moves. Where each process holds a part of weights or
    optimiser, the parts lie besides in `sharded/`, as the engine goes on from them."""
    process, main = processes().process_index, processes().is_main_process
    if main:
        folder.mkdir(parents=True, exist_ok=True)
    processes().wait_for_everyone()
    if in_parts(loop.accelerator):
        loop.accelerator.save_state(str(folder / "sharded"))
        if main:
            torch.save(loop.schedule.state_dict(), folder / "schedule.pt")
        with gathering(loop.accelerator, loop.adapter.saved(loop.plain)):
            state = whole_state(loop.plain)
            if main:
                loop.adapter.save(loop.plain, folder, state)
    elif main:
        loop.adapter.save(loop.plain, folder)
        torch.save(optimizer_state(loop), folder / "optimizer.pt")
    if main:
        save_beside(loop.policy, folder, kept=True)
    torch.save(plain_states(random_states()), folder / f"random-{process}.pt")
    if loop.batch is not None and loop.done % loop.args.num_iterations:
        torch.save(loop.batch.state(), folder / f"batch-{process}.pt")
    if loop.reference and loop.moves_reference and main:
        save_model(loop.reference.model, str(folder / "reference.safetensors"))


def whole_state(model: Any) -> dict[str, torch.Tensor]:
    """What is trained, and buffers, by name; gathered, where FSDP has sharded it."""
    every = model.named_parameters(remove_duplicate=False)
    stays = {name for name, weight in every if not weight.requires_grad}
    return {name: whole(weight) for name, weight in model.state_dict().items() if name not in stays}


def optimizer_state(loop: Loop) -> dict[str, Any]:
    """Optimiser, schedule and fp16's scale."""
    scaler = loop.accelerator.scaler
    return {
        "optimizer": loop.optimizer.state_dict(),
        "schedule": loop.schedule.state_dict(),
        "scaler": scaler.state_dict() if scaler else None,
    }


def load_loop(loop: Loop, checkpoint: Checkpoint) -> None:
    """What `save_loop` wrote, back into the loop. Nothing in it can run: tensors and plain data alone are read.

    Raises:
        UserError: the checkpoint was made by another number of processes, or of another model; or it cannot be read.
    """
    try:
        load_files(loop, checkpoint)
    except (OSError, RuntimeError, ValueError, UnpicklingError, SafetensorError) as error:
        why = str(error).partition(". ")[0]  # what follows is torch's advice to read it as a program
        raise UserError(f"{checkpoint.path}: does not hold what this run needs: {why}") from error


def load_files(loop: Loop, checkpoint: Checkpoint) -> None:
    """`load_loop`, with the exceptions of torch and safetensors."""
    folder, device = checkpoint.path, loop.accelerator.device
    location = (
        "cpu" if device.type == "cpu" else device
    )  # torch cannot load to "cpu:0", as one of several is called
    if in_parts(loop.accelerator):
        loop.accelerator.load_state(str(folder / "sharded"))
        loop.schedule.load_state_dict(torch.load(folder / "schedule.pt", weights_only=True))
    else:
        load_weights(loop, folder)
        state = torch.load(folder / "optimizer.pt", map_location=location, weights_only=True)
        loop.optimizer.load_state_dict(state["optimizer"])
        loop.schedule.load_state_dict(state["schedule"])
        if loop.accelerator.scaler and state["scaler"]:
            loop.accelerator.scaler.load_state_dict(state["scaler"])
    set_rates(loop.schedule)
    process = processes().process_index
    set_random_states(own_states(torch.load(own_file(folder, f"random-{process}.pt"), weights_only=True)))
    if checkpoint.step % loop.args.num_iterations:
        batch = torch.load(own_file(folder, f"batch-{process}.pt"), map_location=location, weights_only=True)
        loop.batch = StepBatch.load(batch, device)
    if loop.reference and loop.moves_reference:
        load_model(loop.reference.model, str(folder / "reference.safetensors"))


def load_weights(loop: Loop, folder: Path) -> None:
    """The weights of a checkpoint into the loop's model, of the same shape.

    Raises:
        UserError: one is missing.
        RuntimeError: one has another shape.
    """
    if missing := loop.adapter.missing_after_load(loop.plain, folder):
        raise UserError(f"{folder}: holds other weights than this model's; {missing[0]} is missing")


def own_file(folder: Path, name: str) -> Path:
    """A file that each process wrote for itself. Raises UserError where it is missing."""
    file = folder / name
    if not file.exists():
        raise UserError(f"{folder}: has no {name}: it was made by fewer processes; start as many")
    made = len(list(folder.glob("batch-*.pt")))
    if name.startswith("batch") and made > processes().num_processes:
        raise UserError(f"{folder}: its batch lies on {made} processes; start as many")
    return file


# ------------------------------------------------------------------ random states


def random_states() -> dict[str, Any]:
    """Python's, numpy's and torch's random numbers, as they are now."""
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


def plain_states(states: dict[str, Any]) -> dict[str, Any]:
    """As tensors and plain data, which can be read without running anything."""
    name, keys, *rest = states["numpy"]
    return states | {"numpy": [name, torch.from_numpy(keys.astype(np.int64)), *rest]}


def own_states(states: dict[str, Any]) -> dict[str, Any]:
    """What `plain_states` was given. The states of a GPU stay on the CPU, where torch expects them."""
    name, keys, *rest = states["numpy"]
    version, numbers, gauss = states["python"]
    numpy_state = (name, keys.numpy().astype(np.uint32), *rest)
    return states | {"numpy": numpy_state, "python": (version, tuple(numbers), gauss)}
