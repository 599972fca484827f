"""How many samples one forward and backward reads: as many as the memory allows, found by trial before the first step.

On a GPU the trial is an update of the longest texts that may come, with fewer samples until it fits. On a CPU running
out of memory ends the process, so three short texts are measured, and a parabola through them tells what longer ones
take. What was found is written into the run's folder: a run that goes on reads the same passes, and so adds the same
numbers in the same order.
"""

from __future__ import annotations

import gc
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from accelerate import Accelerator
from accelerate.utils import gather_object

from rlvr import files
from rlvr.config import TrainConfig
from rlvr.errors import RunError
from rlvr.launch.processes import local_place, processes
from rlvr.training.forward import Forward
from rlvr.training.memory import LiveBytes, free_memory, parabola
from rlvr.training.packing import Prompted, Sample
from rlvr.training.sharding import deepspeed_steps, sharded

Result = TypeVar("Result")
SHARE = 0.8
"""Of the free memory that an update may take, as a trial foretells it."""
SHORT = 64
"""Tokens of the shortest text that is measured on a CPU; the others have two and three times as many."""
GIB = 2**30


@dataclass
class PassSize:
    """
    Args:
        rows: samples of a pass, at most.
        file: where it is kept; None where the config says it.
    """

    rows: int
    file: Path | None
    say: Callable[[str], None]

    def fitting(self, work: Callable[[], Result]) -> Result:
        """What `work` returns; where the device's memory ends in it, done again with half as many samples a pass.

        Raises:
            RunError: one sample at a time does not fit; or there are several processes, which cannot go back alone.
        """
        while True:
            try:
                return work()
            except torch.OutOfMemoryError as error:
                why = str(error).partition(". ")[0]
            self.halve(why)

    def halve(self, why: str) -> None:
        """Go on with half as many samples a pass. See `fitting` for what it raises."""
        if self.rows == 1:
            raise RunError(
                f"an update on one sample does not fit into memory ({why}); a smaller sampling.max_new_tokens, "
                "train.adapter.kind=lora or train.trl.gradient_checkpointing=true take less"
            )
        self.rows = -(-self.rows // 2)
        self.keep()
        if processes().num_processes > 1:
            start = (
                "start the same command again" if self.file else f"take train.rows_per_micro_step={self.rows}"
            )
            raise RunError(
                f"an update does not fit into memory ({why}); {start}: {self.rows} samples at once"
            )
        self.say(f"The update ran out of memory ({why}): it is made again, with {self.rows} samples at once")
        free_cached()

    def keep(self) -> None:
        """Write it into the run's folder, for when the run goes on."""
        if self.file and processes().is_main_process:
            files.replace(self.file, [json.dumps({"rows": self.rows}).encode(), b"\n"])


@dataclass(frozen=True, slots=True)
class MemoryTrial:
    """An update on made-up texts, whose gradients are thrown away."""

    forward: Forward
    model: Any
    """The policy's model, not wrapped: processes need not take part at the same time."""
    optimizer: torch.optim.Optimizer
    prompt: int
    completion: int
    """Tokens of the longest that may come."""
    group_size: int

    @property
    def optimizer_bytes(self) -> int:
        """What the optimiser will keep, as AdamW does, where it has taken no step yet."""
        weights = (p for group in self.optimizer.param_groups for p in group["params"])
        return 0 if self.optimizer.state else sum(2 * p.numel() * p.element_size() for p in weights)

    def run(self, groups: Sequence[Prompted]) -> None:
        """Forward and backward, under the mode that a step has."""
        self.model.train()
        try:
            answer, _ = self.forward(self.model, groups)
            (answer.logprobs.sum() + answer.entropies.sum()).backward()
        finally:
            for parameter in self.model.parameters():
                parameter.grad = None

    def fits(self, rows: int) -> bool:
        """Whether the longest texts go through, on a device that says when its memory ends."""
        size = min(rows, self.group_size)
        groups = [texts(self.prompt, self.completion, size)] * max(1, rows // self.group_size)
        try:
            held = torch.empty(self.optimizer_bytes, dtype=torch.uint8, device=self.model.device)
            self.run(groups)
        except torch.OutOfMemoryError:
            return False
        finally:
            held = None  # noqa: F841
            free_cached()
        return True

    def cost(self) -> Callable[[int], float]:
        """Bytes that a pass of so many samples takes at its peak, foretold from three short texts."""
        longest = self.prompt + self.completion
        lengths = [n * max(2, min(SHORT, longest // 3)) for n in (1, 2, 3)]
        dense = self.forward.kind not in ("split", "flex")  # which hold nothing for each pair of tokens
        constant, slope, curve = parabola(lengths, [self.peak(n) for n in lengths], bends=dense)

        def bytes_of(rows: int) -> float:
            size = min(rows, self.group_size)
            padded = self.forward.kind is None
            number, tokens = (
                (rows, longest)
                if padded
                else (max(1, rows // self.group_size), self.prompt + size * self.completion)
            )
            return self.optimizer_bytes + constant + number * (slope * tokens + curve * tokens**2)

        return bytes_of

    def peak(self, tokens: int) -> int:
        """Bytes that an update on one text of so many tokens takes at its peak, gradients included."""
        with LiveBytes() as live:
            self.run([texts(tokens // 2, tokens - tokens // 2, 1)])
        return live.peak


def size_of_passes(
    train: TrainConfig,
    groups: int,
    trial: MemoryTrial,
    accelerator: Accelerator,
    folder: Path,
    say: Callable[[str], None],
) -> PassSize:
    """How many samples a pass reads: as the config says, as an earlier launch of the run found, or found by trial.

    Args:
        groups: of a micro-step.
        folder: of the run.
    """
    most = candidates(groups, train.group_size)
    if train.rows_per_micro_step:
        return PassSize(min(train.rows_per_micro_step, most[0]), None, say)
    file = folder / "pass_size.json"
    earlier = kept(file)
    accelerator.wait_for_everyone()  # before the main process writes it
    if earlier:
        return PassSize(min(earlier, most[0]), file, say)
    if sharded(accelerator) or deepspeed_steps(accelerator):
        rows, why = most[0], "sharded weights take no trial; train.rows_per_micro_step says it"
    else:
        rows, why = find(trial, most, accelerator.device)
    size = PassSize(rows, file, say)
    size.keep()
    parts = f" of a group of {train.group_size}" if rows < train.group_size else ""
    say(f"The update reads {rows} samples{parts} at once: {why}")
    return size


def texts(prompt: int, completion: int, samples: int) -> Prompted:
    """A group of so many samples, of tokens that mean nothing."""
    sample = Sample([1 + i % 3 for i in range(completion)], [True] * completion)
    return Prompted([1 + i % 3 for i in range(prompt)], [sample] * samples)


def candidates(groups: int, group_size: int) -> list[int]:
    """Rows of a pass, from a whole micro-step down: whole groups, then parts of one."""
    whole = sorted({-(-groups // n) for n in range(1, groups + 1)}, reverse=True)
    parts = sorted({-(-group_size // n) for n in range(2, group_size + 1)}, reverse=True)
    return [*(n * group_size for n in whole), *parts]


def find(trial: MemoryTrial, most: Sequence[int], device: torch.device) -> tuple[int, str]:
    """The first of `most` that fits on every process, and how that is known. The last one is not tried."""
    if device.type == "cuda":
        for rows in most[:-1]:
            if all(gather_object([trial.fits(rows)])):
                return rows, "an update on the longest texts went through"
        return most[-1], "no more went through on the longest texts"
    free, cost = free_memory() / local_place()[1], trial.cost()
    rows = next((rows for rows in most if cost(rows) <= SHARE * free), most[-1])
    rows = min(gather_object([rows]))
    return rows, f"about {cost(rows) / GIB:.2g} of {free / GIB:.2g} GiB that are free"


def free_cached() -> None:
    """Give back what the device's allocator keeps of a failed attempt."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def kept(file: Path) -> int | None:
    """What an earlier launch of the run found. Raises RunError where the file is not what was written."""
    if not file.exists():
        return None
    try:
        rows = json.loads(file.read_text(encoding="utf-8"))["rows"]
    except (ValueError, KeyError, TypeError):
        rows = None
    if not isinstance(rows, int) or rows < 1:
        raise RunError(
            f'{file}: expected {{"rows": N}}, the samples of a pass; remove it to have them found anew'
        )
    return rows
