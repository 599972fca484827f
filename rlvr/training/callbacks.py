"""What happens between steps: metrics.jsonl, the progress bar, evaluations on held-out problems."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from rlvr.run import read_metrics

RENAMED = {
    "entropy": "entropy",
    "kl": "kl",
    "clip_ratio/region_mean": "clipped_share",
    "grad_norm": "gradient_norm",
    "learning_rate": "learning_rate",
    "loss": "loss",
}
"""TRL's and transformers' log keys → those of metrics.jsonl."""


class Journal(TrainerCallback):
    """Writes one line of metrics.jsonl per step, and moves the progress bar.

    Args:
        sampled: gives the figures of the batch that the step trained on.
        evaluate: called with the step's number, returns what to add to its line.
    """

    def __init__(
        self,
        file: Path,
        sampled: Callable[[], dict[str, float]],
        advance: Callable[..., None],
        evaluate: Callable[[int], dict[str, float]],
    ) -> None:
        self.file, self.sampled, self.advance, self.evaluate = file, sampled, advance, evaluate
        self.began = 0.0
        self.evaluated: dict[str, float] = {}

    def on_step_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        self.began = time.perf_counter()

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        self.took = time.perf_counter() - self.began
        self.evaluated = self.evaluate(state.global_step)

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **_: Any,
    ) -> None:
        if not logs or "loss" not in logs or not state.is_world_process_zero:
            return
        row: dict[str, Any] = {"step": state.global_step, **self.sampled()}
        row |= {ours: logs[theirs] for theirs, ours in RENAMED.items() if logs.get(theirs) is not None}
        row["seconds/step"] = self.took
        row["seconds/update"] = self.took - row["seconds/sampling"] - row["seconds/verifying"]
        row |= self.evaluated
        append(self.file, row)
        held_out = f", held-out {100 * row['eval/pass@1']:.1f}" if "eval/pass@1" in row else ""
        self.advance(1, note=f"reward {100 * row['reward']:.1f}{held_out}")


def append(file: Path, row: dict[str, Any]) -> None:
    """Add one line and wait until it is on disk."""
    with file.open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(row) + "\n")
        stream.flush()
        os.fsync(stream.fileno())


def rewind(file: Path, rollouts: Path, step: int) -> None:
    """Forget what was logged after `step`: those steps are about to be computed again, with the same result."""
    kept = [row for row in read_metrics(file) if row["step"] <= step]
    if file.exists():
        partial = file.with_suffix(".partial")
        partial.write_text("".join(json.dumps(row) + "\n" for row in kept), encoding="utf-8")
        partial.replace(file)
    for path in rollouts.glob("train-*.jsonl"):
        if int(path.stem.removeprefix("train-")) > step:
            path.unlink()
